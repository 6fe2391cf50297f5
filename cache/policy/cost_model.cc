// SPDX-License-Identifier: Apache-2.0
#include "cache/policy/cost_model.h"

#include <algorithm>
#include <cmath>

namespace quire {
namespace {

constexpr double kKept = 0.98623;  // 0.5^(1/50) of what was known is left after a call
constexpr double kLargestSurprise = 16;
// How many calls' worth of evidence it takes to move the belief half of the way. The belief moves at every call, so
// what is well known is reached within some ten calls, while noise moves what is not known only slowly.
constexpr double kInertia = 10;
constexpr double kTouch = 1e-4;  // of inertia, where there may be no evidence at all
// From 8 ns to 80 s a request, from 10 TB/s to 1 KB/s.
constexpr double kLeast = 1e-4;
constexpr double kMost = 1e6;

}  // namespace

void CostModel::Learn(double busy_ns, double requests, double bytes) {
  const double scale = requests * kFirstNsPerRequest + bytes * kFirstNsPerByte;
  if (!std::isfinite(busy_ns) || !std::isfinite(scale) || busy_ns < 0 || requests <= 0 || bytes < 0) return;
  const double request_share = requests * kFirstNsPerRequest / scale;
  const double byte_share = bytes * kFirstNsPerByte / scale;
  const double expected = per_request_ * request_share + per_byte_ * byte_share;
  const double busy = std::min(busy_ns / scale, expected * kLargestSurprise);

  request_request_ = request_request_ * kKept + request_share * request_share;
  request_byte_ = request_byte_ * kKept + request_share * byte_share;
  byte_byte_ = byte_byte_ * kKept + byte_share * byte_share;
  request_busy_ = request_busy_ * kKept + request_share * busy;
  byte_busy_ = byte_busy_ * kKept + byte_share * busy;

  // Least squares with a spring to the present belief: it decides what the calls leave open. The determinant is at
  // least the square of the inertia.
  const double rr = request_request_ + kInertia;
  const double bb = byte_byte_ + kInertia;
  const double rt = request_busy_ + kInertia * per_request_;
  const double bt = byte_busy_ + kInertia * per_byte_;
  const double determinant = rr * bb - request_byte_ * request_byte_;
  double per_request = (rt * bb - bt * request_byte_) / determinant;
  double per_byte = (bt * rr - rt * request_byte_) / determinant;
  // Nothing is free: where noise says so, the other price explains all of it, at once.
  if (per_request < kLeast) {
    per_request = kLeast;
    per_byte = (byte_busy_ - request_byte_ * per_request + kTouch * per_byte_) / (byte_byte_ + kTouch);
  } else if (per_byte < kLeast) {
    per_byte = kLeast;
    per_request = (request_busy_ - request_byte_ * per_byte + kTouch * per_request_) / (request_request_ + kTouch);
  }
  per_request_ = std::clamp(per_request, kLeast, kMost);
  per_byte_ = std::clamp(per_byte, kLeast, kMost);
}

}  // namespace quire
