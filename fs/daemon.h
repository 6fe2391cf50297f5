// A process in the background that is known to work before anyone lets go of it.
#pragma once

#include <functional>

#include "format/result.h"

namespace quire {

// Runs `prepare` in a child process. If it succeeded, the child leaves the terminal (a session of its own, working
// directory /, standard streams on /dev/null), goes on with `serve`, and exits with its result. This process waits
// until `serve` calls `ready`, from any thread and once, and returns success; where `prepare` or `serve` fail before,
// their error. Until it leaves the terminal Ctrl-C reaches the child too. Where this process has ended when `ready` is
// called, the child sends itself SIGTERM: nobody would know of it. Descriptors that this process inherited, other than
// the standard streams, are closed in the child: a daemon must not hold a lock or a pipe of the script that started it.
// REQUIRES: no other thread runs; `prepare` leaves SIGPIPE ignored.
Result<void> StartDaemon(const std::function<Result<void>()>& prepare,
                         const std::function<Result<void>(const std::function<void()>& ready)>& serve);

}  // namespace quire
