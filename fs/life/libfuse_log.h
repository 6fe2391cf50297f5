// SPDX-License-Identifier: Apache-2.0
// Sends what libfuse has to say to spdlog instead of stderr.
#pragma once

#include <string>

namespace quire {

// From now on, for all sessions of the process.
void RouteLibfuseLog();

// The last error that libfuse logged, which is all it tells about why a mount failed; "" when there was none since the
// last call.
std::string TakeLibfuseError();

}  // namespace quire
