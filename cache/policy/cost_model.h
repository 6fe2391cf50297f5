// SPDX-License-Identifier: Apache-2.0
// What a read costs on this volume: C = N * U + R, N bytes, U seconds a byte, R seconds a request, learnt from the
// volume's own completed reads. Both are throughput costs at the depth that the reads were made with: the time during
// which the volume was busy, divided among what it did, so that a deep queue makes requests cheap as it really does.
#pragma once

#include <cstdint>

namespace quire {

// Not thread-safe: its owner's lock guards it. No allocation.
class CostModel {
 public:
  // Begins with the costs of an ordinary SSD (1 GB/s, 80 us a request), which the first reads soon outweigh.
  CostModel() = default;

  // Some of the volume's time: it was busy (at least one read in flight) for `busy_ns` and completed `requests` reads
  // of `bytes` in all. Every call counts the same, however long the time was. The past is forgotten with a half-life of
  // 50 calls. Calls that all tell of one size leave U and R apart undetermined: then the model stays as close as it can
  // to what it believed before, and is right for requests of that size. Numbers that cannot be (requests not above 0,
  // negative, not finite) are ignored; a time beyond 16 times what was expected counts as 16 times, so that a suspended
  // machine does not pass for a slow disk, while a disk that became slow is believed within a few calls more.
  void Learn(double busy_ns, double requests, double bytes);

  [[nodiscard]] double ns_per_byte() const { return per_byte_ * kFirstNsPerByte; }           // U, positive
  [[nodiscard]] double ns_per_request() const { return per_request_ * kFirstNsPerRequest; }  // R, positive
  [[nodiscard]] double CostNs(double requests, double bytes) const {
    return requests * ns_per_request() + bytes * ns_per_byte();
  }

 private:
  static constexpr double kFirstNsPerByte = 1;
  static constexpr double kFirstNsPerRequest = 80'000;

  // U and R, as multiples of the first ones.
  double per_byte_ = 1;
  double per_request_ = 1;

  // The normal equations of the regression busy = R * requests + U * bytes: sums of products, faded. Each call is
  // scaled to a cost of 1 by the first prices. They begin with one call that met the first prices half and half.
  double request_request_ = 0.25;
  double request_byte_ = 0.25;
  double byte_byte_ = 0.25;
  double request_busy_ = 0.5;
  double byte_busy_ = 0.5;
};

}  // namespace quire
