// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/request_window.h"

#include <algorithm>

namespace quire {
namespace {

// More than the noise of a round, and less than what half as many requests more bring where they bring anything: half
// as much again.
constexpr double kWorthWider = 1.05;
constexpr double kWorthNarrower = 0.98;
// Between trials: one round in ten is spent on asking whether another window is better.
constexpr unsigned kRest = 8;
constexpr unsigned kCareful = 64;  // after a refusal
constexpr unsigned kLeastAnswers = 16;
// What a window begins with.
constexpr int64_t kLatencies = 2;
constexpr int64_t kBytesPerUs = 1000;
// What goes on for longer than a round could is two times of work with a pause between.
constexpr std::chrono::seconds kLongestRound(10);

}  // namespace

RequestWindow::RequestWindow(std::chrono::microseconds latency, uint32_t request_bytes) {
  const int64_t requests = kLatencies * latency.count() * kBytesPerUs / request_bytes;
  size_ = size_before_ = static_cast<unsigned>(std::clamp<int64_t>(requests, kFirst, kMost));
}

void RequestWindow::Came(uint64_t bytes, bool is_full, Time now) {
  // A window that is not full does not tell what a wider one would bring.
  if (!is_full || now - began_ > kLongestRound) {
    began_ = now;
    answers_ = 0;
    bytes_ = 0;
    return;
  }
  bytes_ += bytes;
  ++answers_;
  // The first answers after a change were asked for before it.
  if (!is_settled_ && answers_ >= size_) {
    is_settled_ = true;
    began_ = now;
    answers_ = 0;
    bytes_ = 0;
    return;
  }
  if (answers_ < std::max(2 * size_, kLeastAnswers) || now <= began_) return;
  const double rate = static_cast<double>(bytes_) / std::chrono::duration<double>(now - began_).count();
  began_ = now;
  answers_ = 0;
  bytes_ = 0;
  EndRound(rate);
}

void RequestWindow::EndRound(double rate) {
  if (rounds_careful_ > 0) {
    --rounds_careful_;
    rate_before_ = rate;
    return Set(std::min(size_ + 1, kMost), Trial::kNone);
  }
  const bool was_worth_it = (trial_ == Trial::kWider && rate >= rate_before_ * kWorthWider) ||
                            (trial_ == Trial::kNarrower && rate >= rate_before_ * kWorthNarrower);
  if (trial_ != Trial::kNone && !was_worth_it) {
    rounds_to_rest_ = kRest;
    return Set(size_before_, Trial::kNone);
  }
  // What was worth it goes on at once, in the same direction.
  if (trial_ == Trial::kNone && rounds_to_rest_ > 0) {
    --rounds_to_rest_;
    rate_before_ = rate;
    return;
  }
  const bool is_wider = was_worth_it ? trial_ == Trial::kWider : was_narrower_;
  rate_before_ = rate;
  size_before_ = size_;
  was_narrower_ = !is_wider;
  const unsigned next =
      is_wider ? std::min(size_ + std::max(size_ / 2, 1U), kMost) : std::max(size_ - std::max(size_ / 4, 1U), 1U);
  if (next == size_) {  // it is as wide or as narrow as it may be
    rounds_to_rest_ = kRest;
    return Set(size_, Trial::kNone);
  }
  Set(next, is_wider ? Trial::kWider : Trial::kNarrower);
}

void RequestWindow::Refused(Time began, Time now) {
  if (began <= halved_at_) return;
  halved_at_ = now;
  rounds_careful_ = kCareful;
  Set(std::max(size_ / 2, 1U), Trial::kNone);
}

void RequestWindow::Set(unsigned size, Trial trial) {
  is_settled_ = size == size_;
  size_ = size;
  trial_ = trial;
}

}  // namespace quire
