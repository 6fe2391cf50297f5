// SPDX-License-Identifier: Apache-2.0
#include "cache/policy/cost_meter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "format/pack/geometry.h"

namespace quire {
namespace {

// The cost model hears of as much as averages out single reads, and soon enough to follow a volume that changes.
constexpr uint64_t kWindowRequests = 16;
constexpr uint64_t kWindowNs = 20'000'000;
constexpr uint32_t kMaxBandwidthDelayPages = 64;
// The least latency of late is what a fill takes without a queue before it: each fill moves it up by so small a share,
// so that a volume that became slower is believed after some hundred fills.
constexpr uint64_t kForgottenShare = 64;
// Reads that were alone are few where a volume is kept busy: the mean of about so many of the last is taken.
constexpr double kAloneWindow = 8;

}  // namespace

void CostMeter::Began(uint64_t reads, uint64_t now_ns) {
  if (reads == 0) return;
  if (in_flight_ == 0) busy_since_ns_ = now_ns;
  alone_since_ns_ = in_flight_ == 0 && reads == 1 ? now_ns : 0;
  in_flight_ += reads;
}

void CostMeter::Ended(uint64_t bytes, uint64_t now_ns) {
  if (alone_since_ns_ != 0) {
    const double transfer_ns = costs_.ns_per_byte() * static_cast<double>(bytes);
    const double answer_ns =
        std::max(static_cast<double>(now_ns - std::min(now_ns, alone_since_ns_)) - transfer_ns, 0.0);
    alone_ns_ = alone_ns_ < 0 ? answer_ns : alone_ns_ + (answer_ns - alone_ns_) / kAloneWindow;
    alone_since_ns_ = 0;
  }
  if (--in_flight_ == 0) busy_ns_ += now_ns - std::min(now_ns, busy_since_ns_);
}

void CostMeter::Completed(uint64_t bytes, uint64_t now_ns) {
  ++requests_;
  bytes_ += bytes;
  const uint64_t busy_ns = busy_ns_ + (in_flight_ > 0 ? now_ns - std::min(now_ns, busy_since_ns_) : 0);
  if (requests_ < kWindowRequests && busy_ns < kWindowNs) return;
  costs_.Learn(static_cast<double>(busy_ns), static_cast<double>(std::exchange(requests_, 0)),
               static_cast<double>(std::exchange(bytes_, 0)));
  busy_ns_ = 0;
  busy_since_ns_ = now_ns;
}

void CostMeter::FillTook(uint64_t latency_ns) {
  least_fill_ns_ =
      least_fill_ns_ == 0 ? latency_ns : std::min(least_fill_ns_ + least_fill_ns_ / kForgottenShare, latency_ns);
}

uint32_t CostMeter::bandwidth_delay_pages() const {
  const double page_ns = std::max(costs_.ns_per_byte() * kPageBytes, 1.0);
  const double pages = 2 * static_cast<double>(least_fill_ns_) / page_ns;
  return static_cast<uint32_t>(std::clamp(pages, 2.0, double{kMaxBandwidthDelayPages}));
}

uint32_t CostMeter::BusyDepth(uint64_t bytes, uint32_t most) const {
  if (alone_ns_ < 0) return most;
  const double transfers = alone_ns_ / std::max(costs_.CostNs(1, static_cast<double>(bytes)), 1.0);
  return static_cast<uint32_t>(std::min(std::ceil(transfers) + 2, static_cast<double>(most)));
}

}  // namespace quire
