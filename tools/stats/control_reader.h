// SPDX-License-Identifier: Apache-2.0
// Reads control files of mounts that may belong to others, or whose daemon may not answer.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "format/result.h"
#include "fs/mounts/mount_table.h"

namespace quire {

// A daemon answers within a millisecond; on a machine that is overloaded it takes a second at times.
inline constexpr std::chrono::milliseconds kControlPatience{5000};

// All of DIR/.quire/NAME, by a child process: nothing ends the wait for a daemon that has taken the question and does
// not answer, and where this process is root the child becomes the user who mounted, since a mount without allow_other
// is closed to root too. Errors: kNotFound where the mount has no such file (the pack has an entry `.quire` of its own,
// or the daemon is of an older release); kSystem with ENOTCONN where the daemon is gone, with EACCES where the mount is
// not for this user, with ETIMEDOUT where it does not answer within `patience`. REQUIRES: no other thread holds a lock.
Result<std::string> ReadControlFile(const MountEntry& mount, std::string_view name,
                                    std::chrono::milliseconds patience = kControlPatience);

}  // namespace quire
