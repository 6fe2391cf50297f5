// How `quire umount` learns that the daemon of a mount has ended, and not only that the mount is gone: the daemon holds
// an abstract socket named after the mount's device, and the kernel hangs up on whoever is connected when the daemon
// ends. Nobody accepts, no byte is sent, no thread is needed, and a crash hangs up too. A different network namespace
// does not see the socket: then there is nothing to wait for.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "format/file.h"

namespace quire {

// Held by the daemon of `device`, the mount's st_dev, until it ends. Not open where sockets are refused: the wait is a
// comfort, and no mount fails for the lack of it.
File AnnounceDaemon(dev_t device);

// A connection to the daemon of `device`, taken before unmounting; not open when no daemon answers.
File WatchDaemon(dev_t device);

// Blocks until the daemon behind `watch` has ended; false after `timeout`, also where that could not be watched. True
// when `watch` is not open.
bool WaitForDaemonEnd(const File& watch, std::chrono::milliseconds timeout);

}  // namespace quire
