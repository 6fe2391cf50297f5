// Sends what libfuse has to say to spdlog instead of stderr.
#pragma once

#include <string>

namespace quire {

// For all sessions of the process, from now on.
void RouteLibfuseLog();

// The last error that libfuse logged, which is all it tells about why a mount failed; "" when there was none since the
// last call.
std::string TakeLibfuseError();

}  // namespace quire
