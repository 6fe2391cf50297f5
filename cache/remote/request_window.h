// SPDX-License-Identifier: Apache-2.0
// How many requests a server is asked at once. No I/O and no clock of its own.
//
// A window that is always full is measured by rounds, in each of which about twice as many answers come as it has
// places. It is widened by a half, and stays so where that brought a twentieth more bytes a second: with latency, or
// connections that are slow one by one, more at once is quicker. Where it brought nothing the link is full, and the
// window goes back: what is in flight there is what a reader has to wait for. Then it stays for some rounds, and is
// tried by a quarter narrower, which stays where next to nothing is lost by it. A server that refuses (429, 503) halves
// it, and from then on it grows by one place a round: additive increase, multiplicative decrease (Chiu and Jain,
// "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989). To probe for throughput in place
// of waiting for losses is what BBR does (Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016).
#pragma once

#include <chrono>
#include <cstdint>

namespace quire {

// Not thread-safe.
class RequestWindow {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr unsigned kMost = 64;
  static constexpr unsigned kFirst = 16;  // where a server is near

  RequestWindow() = default;
  // For requests of so many bytes to a server that answers after `latency`. An epoch is over before a few places have
  // become many by trial: so there are as many as bring 1 GB/s where a request takes two latencies, one until it is
  // answered, and one in which its connection speeds up; kFirst at least.
  RequestWindow(std::chrono::microseconds latency, uint32_t request_bytes);

  // At once, for whatever reason: 1 to kMost.
  [[nodiscard]] unsigned size() const { return size_; }
  // At once of those that nobody waits for. The quarter that is left out is for readers.
  [[nodiscard]] unsigned background() const { return size_ - size_ / 4; }

  // An answer of `bytes` came; `is_full`: as many were in flight as may be.
  void Came(uint64_t bytes, bool is_full, Time now);
  // The server wants fewer requests than it got; said of one that began at `began`. One that began before the window
  // was halved says nothing new.
  void Refused(Time began, Time now);

 private:
  enum class Trial : uint8_t { kNone, kWider, kNarrower };

  void EndRound(double rate);
  void Set(unsigned size, Trial trial);

  unsigned size_ = kFirst;
  unsigned size_before_ = kFirst;  // a trial
  double rate_before_ = 0;         // bytes a second, of the last round before the trial
  Trial trial_ = Trial::kNone;
  bool was_narrower_ = true;     // the last trial: a wider one is next
  unsigned rounds_to_rest_ = 0;  // before the next trial
  unsigned rounds_careful_ = 0;  // since a refusal, to go
  Time halved_at_;
  // Of the round.
  Time began_;
  unsigned answers_ = 0;
  uint64_t bytes_ = 0;
  bool is_settled_ = false;  // what the window of before had in flight has come
};

}  // namespace quire
