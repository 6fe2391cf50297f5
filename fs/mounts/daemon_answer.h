// SPDX-License-Identifier: Apache-2.0
// Whether the daemon of a FUSE mount lives and answers, asked with a limit of time: the kernel lets whoever asks a
// mount wait for as long as its daemon is stopped.
#pragma once

#include <sys/types.h>

#include <string>

#include "fs/mounts/mount_table.h"

namespace quire {

// Whether the daemon of `mount` is gone. One that is there and does not answer is not.
// REQUIRES: no other thread runs, or none holds a lock.
bool HasLostDaemon(const MountEntry& mount);

// An error that says what helps where `path` lies in the mount of a pack whose daemon does not answer: to follow such a
// path would wait with it. REQUIRES: as above.
Result<void> CheckPathAnswers(const std::string& path);

// Why the process does not get on, and what helps: "process 12 is stopped; 'kill -CONT 12' lets it go on". Empty where
// nothing keeps it from running.
std::string DescribeStandstill(pid_t pid);

}  // namespace quire
