// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/answer_times.h"

#include <algorithm>
#include <cmath>

namespace quire {
namespace {

constexpr double kLeastUs = 64;
constexpr double kBucketsToDouble = 8;
constexpr uint32_t kForgetAt = 1024;  // answers, of which half are forgotten then: what is told is of late
constexpr uint32_t kEnough = 40;      // answers, of which two are the slowest twentieth
constexpr double kLateShare = 0.95;
constexpr int kLateTimes = 2;
// What answers sooner is not worth a second request: its first byte takes about as long.
constexpr AnswerTimes::Duration kLeastLate(10'000);
constexpr double kHedgedShare = 1.0 / 32;
constexpr double kMostAllowance = 4;  // at once, after a long time without any
// Samples, parts of pages, and whole ones: what is ten times as long takes longer of itself.
constexpr uint64_t kSmallBytes = 192 << 10;
constexpr uint64_t kMediumBytes = 768 << 10;

}  // namespace

void AnswerTimes::Histogram::Add(Duration duration) {
  const double steps =
      kBucketsToDouble * std::log2(std::max(static_cast<double>(duration.count()), kLeastUs) / kLeastUs);
  ++counts[std::min(static_cast<size_t>(steps), kBuckets - 1)];
  if (++count < kForgetAt) return;
  count = 0;
  for (uint32_t& bucket : counts) count += bucket /= 2;
}

// The end of the bucket.
AnswerTimes::Duration AnswerTimes::Histogram::Quantile(double share) const {
  if (count == 0) return Duration(0);
  const auto wanted = static_cast<uint32_t>(std::ceil(share * count));
  uint32_t passed = 0;
  size_t bucket = 0;
  while (bucket < kBuckets - 1 && (passed += counts[bucket]) < wanted) ++bucket;
  return Duration(static_cast<Duration::rep>(kLeastUs * std::exp2(static_cast<double>(bucket + 1) / kBucketsToDouble)));
}

size_t AnswerTimes::SizeClass(uint64_t bytes) { return bytes <= kSmallBytes ? 0 : bytes <= kMediumBytes ? 1 : 2; }

void AnswerTimes::Took(uint64_t bytes, Duration duration) {
  all_.Add(duration);
  by_size_[SizeClass(bytes)].Add(duration);
  allowance_ = std::min(allowance_ + kHedgedShare, kMostAllowance);
}

AnswerTimes::Duration AnswerTimes::Quantile(double share) const { return all_.Quantile(share); }

std::optional<AnswerTimes::Duration> AnswerTimes::LateAfter(uint64_t bytes) const {
  const Histogram& histogram = by_size_[SizeClass(bytes)];
  if (histogram.count < kEnough || allowance_ < 1) return std::nullopt;
  return std::max(kLateTimes * histogram.Quantile(kLateShare), kLeastLate);
}

}  // namespace quire
