// SPDX-License-Identifier: Apache-2.0
// How processes of quire learn of each other without files, bytes or threads: one holds an abstract socket of a name,
// and the kernel hangs up on whoever is connected when it lets go or ends, by a crash as well. Nobody accepts a
// connection. A different network namespace does not see the name.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// Held for as long as the file is open. EADDRINUSE where another process holds the name.
// REQUIRES: `name` has fewer than 100 bytes.
Result<File> Announce(const std::string& name);

// A process that holds a name, as it was when Watch looked.
struct PresenceWatch {
  File socket;    // connected to it
  File process;   // its pidfd; not open where the kernel has none, and where it is this process itself
  pid_t pid = 0;  // 0 where it cannot be seen, as from another process namespace
  uid_t user = 0;

  [[nodiscard]] bool is_open() const { return socket.is_open(); }
};

// Not open where nobody holds the name.
PresenceWatch Watch(const std::string& name);

// Blocks until the process behind `watch` has ended, with all that it held; where the process cannot be seen, until it
// has let go of the name. False after `timeout`, also where that could not be watched. True when `watch` is not open.
bool WaitForEnd(const PresenceWatch& watch, std::chrono::milliseconds timeout);

// The same for the name alone: the process may go on.
bool WaitForRelease(const PresenceWatch& watch, std::chrono::milliseconds timeout);

}  // namespace quire
