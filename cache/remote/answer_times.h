// SPDX-License-Identifier: Apache-2.0
// How long answers take of late, and which request is so late that a second one for the same bytes pays: Dean and
// Barroso, "The Tail at Scale", 2013. No I/O.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace quire {

// Not thread-safe.
class AnswerTimes {
 public:
  using Duration = std::chrono::microseconds;

  void Took(uint64_t bytes, Duration duration);

  // Of answers of any size: so large a share of them took no longer, to an eighth. 0 where none came.
  [[nodiscard]] Duration Quantile(double share) const;

  // From what age on a request of so many bytes is late: twice what 95 of 100 of its size took. Nothing as long as too
  // few came to tell, or where none more may be asked twice: those are one in 32 of all.
  [[nodiscard]] std::optional<Duration> LateAfter(uint64_t bytes) const;
  // Of `in_flight` requests `late` are late. Where many are, the link is slow, and more requests would make it slower.
  [[nodiscard]] static bool IsTail(size_t late, size_t in_flight) { return 4 * late <= in_flight + 3; }
  // A request is asked a second time.
  void Hedged() { allowance_ -= 1; }

 private:
  // Eight to each doubling, from 64 us to 4 minutes.
  static constexpr size_t kBuckets = 176;
  struct Histogram {
    std::array<uint32_t, kBuckets> counts = {};
    uint32_t count = 0;

    void Add(Duration duration);
    [[nodiscard]] Duration Quantile(double share) const;
  };
  static constexpr size_t kSizes = 3;
  [[nodiscard]] static size_t SizeClass(uint64_t bytes);

  Histogram all_;
  std::array<Histogram, kSizes> by_size_;
  double allowance_ = 0;  // requests that may be asked twice
};

}  // namespace quire
