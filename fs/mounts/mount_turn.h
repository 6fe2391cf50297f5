// SPDX-License-Identifier: Apache-2.0
// One mount at a time is made at a directory: whoever looks what is mounted there, and then mounts, finds nothing
// changed in between. Where several commands are started at once, as by the tasks of a job, one mounts and the others
// see it.
#pragma once

#include <string>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// Waits until no other process is mounting at `mount_point`; the turn lasts until the file is closed. Not open where
// the turn cannot be had, as in a network namespace of its own or where sockets are refused: the mount is made all the
// same. An error where another process has had the turn for so long that it must hang. Turns of users who cannot be the
// one who mounts there are not waited for. REQUIRES: `mount_point` is from ResolveMountPoint.
Result<File> WaitForMountTurn(const std::string& mount_point);

}  // namespace quire
