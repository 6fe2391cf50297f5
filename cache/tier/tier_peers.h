// SPDX-License-Identifier: Apache-2.0
// The neighbours whose tiers are asked before the origin: web servers that serve the directories of their tiers. Which
// of them answer, and requests to several at once that a thread waits for.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/remote/curl_library.h"
#include "cache/remote/http_answer.h"
#include "cache/remote/http_transfer.h"
#include "cache/tier/tier_options.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

// Of a file in a neighbour's tier.
struct PeerRequest {
  size_t peer = 0;
  std::string path;  // within the tier
  uint64_t offset = 0;
  std::span<std::byte> into = {};
  HttpVerdict verdict = {};  // what came of it; of one that is good all of `into` came
  int status = 0;            // of HTTP; 0: no answer
  std::chrono::nanoseconds took = {};
};

// Thread-safe.
class TierPeers {
 public:
  // Each neighbour is asked for a page that is missing: more of them are too many requests for one page.
  static constexpr size_t kMost = 32;

  // Whether it is a URL of http or https, and nothing stands in it that is to be kept from others.
  static bool IsPeer(std::string_view url);

  // kUnsupported without libcurl. REQUIRES: each of options.peers is one, and there are kMost at most.
  static Result<std::shared_ptr<TierPeers>> Create(const TierOptions& options);
  TierPeers(const TierPeers&) = delete;
  TierPeers& operator=(const TierPeers&) = delete;
  ~TierPeers();  // REQUIRES: no request is under way

  [[nodiscard]] size_t count() const { return urls_.size(); }
  // Those that answered when they were asked last, and those whose turn it is to be asked again; who gets the number of
  // one of the latter has to ask it. One that does not answer is left alone for a while, longer each time.
  std::vector<size_t> TakeUsable() QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] bool Answers(size_t peer) const QUIRE_EXCLUDES(mutex_);

  // Sends all requests, and waits for the answers, no longer than `longest`. A request that could not be made has a
  // verdict that says so.
  void Perform(std::span<PeerRequest> requests, std::chrono::milliseconds longest) QUIRE_EXCLUDES(mutex_);
  // Requests end soon, and later ones at once.
  void Cancel() { is_cancelled_ = true; }
  // "3 of 4 neighbours (not URL: why)".
  [[nodiscard]] std::string Describe() const QUIRE_EXCLUDES(mutex_);
  // Requests that got no answer.
  [[nodiscard]] uint64_t faults() const { return faults_.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Health {
    bool answers = false;
    Clock::time_point tried_until;  // by somebody, before that
    unsigned failures = 0;          // one after the other
    unsigned slowness = 0;          // more with each slow answer, less with each quick one
    Clock::time_point next_try;
    std::string fault;  // the last one
  };
  using Multi = std::unique_ptr<CURLM, decltype(CurlLibrary::multi_cleanup)>;

  TierPeers(const CurlLibrary& curl, const TierOptions& options);
  Multi TakeMulti() QUIRE_EXCLUDES(mutex_);
  void Wait(CURLM* multi, std::span<const std::unique_ptr<HttpTransfer>> transfers, std::span<PeerRequest> requests,
            Clock::time_point until) const;
  void Judge(const PeerRequest& request) QUIRE_EXCLUDES(mutex_);
  void Failed(size_t peer, std::string_view reason) QUIRE_REQUIRES(mutex_);

  const CurlLibrary& curl_;
  const std::vector<std::string> urls_;  // without a slash at their end
  HttpOptions http_;
  std::atomic<bool> is_cancelled_ = false;
  std::atomic<uint64_t> faults_ = 0;
  mutable Mutex mutex_;
  std::vector<Health> health_ QUIRE_GUARDED_BY(mutex_);
  // Each holds connections to neighbours, for one thread at a time. The last one that was used is used first.
  std::vector<Multi> idle_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
