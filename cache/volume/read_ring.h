// SPDX-License-Identifier: Apache-2.0
// A ring of io_uring that reads and does nothing else. Operations of a ring pass by every filter of system calls: a
// ring that could open, connect or send would undo what such a filter forbids.
#pragma once

#include <liburing.h>

namespace quire {

// 0, or the negative errno that the kernel gave. `ring` belongs to this thread, which alone may submit to it. It takes
// reads and timeouts, and files can be registered with it; all else fails with EACCES, but on kernels before 5.10, and
// where io_uring_register(2) is refused.
int SetUpReadRing(unsigned entries, io_uring& ring);

}  // namespace quire
