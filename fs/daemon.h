// A process in the background that is known to work before anyone lets go of it.
#pragma once

#include <functional>

#include "format/result.h"

namespace quire {

// Runs `prepare` in a child process and returns what came of it, once. If it succeeded, the child leaves the terminal
// (a session of its own, working directory /, standard streams on /dev/null), goes on with `serve`, and exits with its
// result; this process is told before `serve` runs. Until then the child shares the terminal: Ctrl-C reaches it too.
// Where this process has ended by then, the child sends itself SIGTERM before it serves: nobody would know of it.
// Descriptors that this process inherited, other than the standard streams, are closed in the child: a daemon must not
// hold a lock or a pipe of the script that started it.
// REQUIRES: no other thread runs; `prepare` leaves SIGPIPE ignored.
Result<void> StartDaemon(const std::function<Result<void>()>& prepare, const std::function<int()>& serve);

}  // namespace quire
