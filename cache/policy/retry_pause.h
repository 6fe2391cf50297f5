// SPDX-License-Identifier: Apache-2.0
// When pages that could not be read may be tried again as a whole. Where a pack was cut in the middle of a page, each
// try is for nothing: so the pause after a failure doubles, up to a second, with each that follows within two. Not
// thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

namespace quire {

class RetryPause {
 public:
  void Failed(uint64_t now_ns) {
    const bool is_again = now_ns - failed_at_ns_ < 2 * kLongestNs;
    pause_ns_ = is_again ? std::min(2 * pause_ns_, kLongestNs) : kShortestNs;
    failed_at_ns_ = now_ns;
  }
  [[nodiscard]] bool IsOver(uint64_t now_ns) const { return now_ns - failed_at_ns_ > pause_ns_; }

 private:
  static constexpr uint64_t kShortestNs = 1'000'000;
  static constexpr uint64_t kLongestNs = 1'000'000'000;

  uint64_t pause_ns_ = 0;
  uint64_t failed_at_ns_ = 0;
};

}  // namespace quire
