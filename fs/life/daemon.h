// SPDX-License-Identifier: Apache-2.0
// A process in the background that is known to work before anyone lets go of it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>

#include "format/result.h"

namespace quire {

// Runs `prepare` in a child process. If it succeeded, the child leaves the terminal (a session of its own, working
// directory /, standard streams on /dev/null), goes on with `serve`, and exits with its result. This process waits
// until `serve` calls `ready`, from any thread and once, and returns the child; where `prepare` or `serve` fail before,
// their error. Until it leaves the terminal Ctrl-C reaches the child too. Once `interrupted` is set, the child is
// stopped and this returns kInterrupted. Where this process has ended when `ready` is called, the child sends itself
// SIGTERM: nobody would know of it. Descriptors that this process inherited, other than the standard streams, are
// closed in the child: a daemon must not hold a lock or a pipe of the script that started it.
// REQUIRES: no other thread runs; `prepare` leaves SIGPIPE ignored.
Result<pid_t> StartDaemon(const std::function<Result<void>()>& prepare,
                          const std::function<Result<void>(const std::function<void()>& ready)>& serve,
                          const std::atomic<bool>& interrupted);

// Sends SIGTERM to a child of this process until it has ended. One that waits for a disk that hangs is left to end by
// that signal, once the disk answers: it has mounted nothing yet, and this returns after two seconds.
void StopDaemon(pid_t child);

}  // namespace quire
