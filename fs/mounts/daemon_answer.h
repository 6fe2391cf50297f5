// SPDX-License-Identifier: Apache-2.0
// Whether the daemon of a FUSE mount lives and answers, asked with a limit of time: the kernel lets whoever asks a
// mount wait for as long as its daemon is stopped.
#pragma once

#include <sys/types.h>

#include <string>

#include "fs/mounts/mount_table.h"

namespace quire {

enum class DaemonState {
  kLives,   // it is seen, whether it answers or not, or it is not seen and answers
  kSilent,  // it is not seen and does not answer: it runs in another network namespace, or it has ended and the kernel
            // has not ended what others wait for
  kLost,    // it has ended
};

// REQUIRES: no other thread runs, or none holds a lock.
DaemonState AskDaemon(const MountEntry& mount);
inline bool HasLostDaemon(const MountEntry& mount) { return AskDaemon(mount) == DaemonState::kLost; }

// An error that says what helps where `path` lies in the mount of a pack whose daemon does not answer: to follow such a
// path would wait with it. REQUIRES: as above.
Result<void> CheckPathAnswers(const std::string& path);

// Why the process does not get on, and what helps: "process 12 is stopped; 'kill -CONT 12' lets it go on". Empty where
// nothing keeps it from running.
std::string DescribeStandstill(pid_t pid);

// The same for the daemon of `mount`, which does not answer, also where no daemon is seen: what ends the wait for it.
std::string DescribeSilence(const MountEntry& mount);

}  // namespace quire
