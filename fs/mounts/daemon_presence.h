// SPDX-License-Identifier: Apache-2.0
// How others learn that the daemon of a mount lives, and that it has ended, and not only that the mount is gone: it
// holds a name (presence.h) made of the mount's device. The mount itself is not asked, since an answer may never come.
#pragma once

#include <sys/types.h>

#include "fs/mounts/mount_table.h"
#include "fs/mounts/presence.h"

namespace quire {

// Held by the daemon of `device`, the mount's st_dev, until it ends. Waits a moment for the daemon of a former mount
// that had this device, and takes a name behind it where that goes on. Not open where it cannot be had: the name is a
// comfort, and no mount fails for the lack of it.
File AnnounceDaemon(dev_t device);

// The daemon of `mount`. Not open where none is seen, and where the name is held by a user who can be neither root nor
// the one who mounted.
PresenceWatch WatchDaemon(const MountEntry& mount);

}  // namespace quire
