// What a program asks the kernel for while the kernel asks us. FUSE tells of a look-up, and not what it is for.
#pragma once

#include <sys/types.h>

namespace quire {

// Whether `thread`, which waits for the answer to a look-up, is in an open(2) or openat(2) to read, and would wait for
// a writer. False where /proc does not tell: it tells of processes that we could trace. `thread`: as fuse_req_ctx has
// it.
bool IsOpeningToRead(pid_t thread);

}  // namespace quire
