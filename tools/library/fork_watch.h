// SPDX-License-Identifier: Apache-2.0
// Whether this is still the process that opened something: after fork(2) a child has none of its parent's threads.
#pragma once

#include <cstdint>

namespace quire {

// How often this process and those before it were forked off, since the first call; what was opened at another number
// is of another process. Any thread.
uint64_t CountForks();

}  // namespace quire
