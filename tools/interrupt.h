// SIGINT, SIGTERM and SIGHUP as a flag that long work looks at.
#pragma once

#include <atomic>

namespace quire {

// From the first call on these signals set the flag instead of ending the process; a second one ends it.
const std::atomic<bool>* CatchInterrupts();

}  // namespace quire
