// SPDX-License-Identifier: Apache-2.0
// The clock by which reads are timed.
#pragma once

#include <chrono>
#include <cstdint>

namespace quire {

// Nanoseconds since some moment in the past; never goes back. 25 ns, by the vDSO.
inline uint64_t NowNs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

}  // namespace quire
