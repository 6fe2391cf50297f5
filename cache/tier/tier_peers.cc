// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_peers.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "cache/log.h"

using std::string_view_literals::operator""sv;

namespace quire {
namespace {

// A neighbour that starts again is missed for as long; one that is gone for a week costs a second of waiting now and
// then, which other reads do not wait for.
constexpr std::chrono::seconds kFirstRest(2);
constexpr std::chrono::seconds kLongestRest(60);
constexpr unsigned kMostDoublings = 5;
constexpr std::chrono::seconds kLongestTrial(10);  // whoever was to try has not come to it
// A neighbour is no help that takes longer for a few bytes than a far server would, or brings less than a slow disk,
// and does so again and again: four times without a quick answer between, and once more after each rest.
constexpr std::chrono::milliseconds kSlowAnswer(200);
constexpr uint64_t kSlowBytesPerMs = 2000;
constexpr unsigned kSlowPoints = 4;
constexpr unsigned kTooSlow = 16;
constexpr std::chrono::milliseconds kLookAgain(100);  // whether the work was cancelled

std::vector<std::string> WithoutSlashes(std::vector<std::string> urls) {
  for (std::string& url : urls) url.resize(url.find_last_not_of('/') + 1);
  return urls;
}

HttpVerdict NoAnswer(std::string reason) { return {.outcome = HttpOutcome::kTransient, .reason = std::move(reason)}; }

}  // namespace

bool TierPeers::IsPeer(std::string_view url) {
  const size_t scheme_end = url.find("://");
  const bool is_web = url.starts_with("http://") || url.starts_with("https://");
  return is_web && scheme_end + 3 < url.size() && url[scheme_end + 3] != '/' &&
         std::ranges::all_of(url, [](char byte) { return byte > ' ' && byte < 127 && !"?#@"sv.contains(byte); });
}

Result<std::shared_ptr<TierPeers>> TierPeers::Create(const TierOptions& options) {
  assert(options.peers.size() <= kMost && std::ranges::all_of(options.peers, IsPeer));
  const auto curl = LoadCurl();
  if (!curl) return std::unexpected(curl.error());
  return std::shared_ptr<TierPeers>(new TierPeers(**curl, options));
}

TierPeers::TierPeers(const CurlLibrary& curl, const TierOptions& options)
    : curl_(curl), urls_(WithoutSlashes(options.peers)), health_(urls_.size()) {
  http_.ca_file = options.ca_file;
  http_.is_neighbour = true;
}

TierPeers::~TierPeers() = default;

std::vector<size_t> TierPeers::TakeUsable() {
  std::vector<size_t> usable;
  const auto now = Clock::now();
  const MutexLock lock(mutex_);
  for (size_t peer = 0; peer < health_.size(); ++peer) {
    Health& health = health_[peer];
    const bool is_tried = !health.answers && health.tried_until <= now && health.next_try <= now;
    if (is_tried) health.tried_until = now + kLongestTrial;
    if (health.answers || is_tried) usable.push_back(peer);
  }
  return usable;
}

bool TierPeers::Answers(size_t peer) const {
  const MutexLock lock(mutex_);
  return health_[peer].answers;
}

std::string TierPeers::Describe() const {
  std::string silent;
  size_t answering = 0;
  const MutexLock lock(mutex_);
  for (size_t peer = 0; peer < health_.size(); ++peer) {
    if (health_[peer].answers)
      ++answering;
    else
      silent += fmt::format("{}not {}{}", silent.empty() ? "" : ", ", urls_[peer],
                            health_[peer].fault.empty() ? "" : ": " + health_[peer].fault);
  }
  return fmt::format("{} of {} neighbours{}", answering, health_.size(), silent.empty() ? "" : " (" + silent + ")");
}

TierPeers::Multi TierPeers::TakeMulti() {
  const MutexLock lock(mutex_);
  if (idle_.empty()) return {curl_.multi_init(), curl_.multi_cleanup};
  Multi multi = std::move(idle_.back());
  idle_.pop_back();
  return multi;
}

void TierPeers::Perform(std::span<PeerRequest> requests, std::chrono::milliseconds longest) {
  Multi multi = TakeMulti();
  std::vector<std::unique_ptr<HttpTransfer>> transfers(requests.size());
  const auto start = [&](PeerRequest& request, std::unique_ptr<HttpTransfer>& transfer) -> Result<void> {
    if (multi == nullptr) return SystemError(ENOMEM, "libcurl");
    auto made = HttpTransfer::Create(curl_, fmt::format("{}/{}", urls_[request.peer], request.path), http_);
    if (!made) return Propagate(std::move(made));
    auto prepared = (*made)->Prepare({.offset = request.offset, .bytes = request.into.size()}, request.into);
    if (!prepared) return prepared;
    if (curl_.multi_add_handle(multi.get(), (*made)->handle()) != CURLM_OK) return SystemError(ENOMEM, "libcurl");
    transfer = *std::move(made);
    return {};
  };
  for (size_t i = 0; i < requests.size(); ++i)
    if (const auto started = start(requests[i], transfers[i]); !started)
      requests[i].verdict = NoAnswer(started.error().message);
  Wait(multi.get(), transfers, requests, Clock::now() + longest);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (transfers[i] != nullptr) curl_.multi_remove_handle(multi.get(), transfers[i]->handle());
    Judge(requests[i]);
  }
  transfers.clear();  // before the connections that they used
  if (multi == nullptr) return;
  const MutexLock lock(mutex_);
  idle_.push_back(std::move(multi));
}

void TierPeers::Wait(CURLM* multi, std::span<const std::unique_ptr<HttpTransfer>> transfers,
                     std::span<PeerRequest> requests, Clock::time_point until) const {
  const auto began = Clock::now();
  std::vector<bool> is_done(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) is_done[i] = transfers[i] == nullptr;
  while (std::ranges::find(is_done, false) != is_done.end()) {
    const auto now = Clock::now();
    if (is_cancelled_ || now >= until) break;
    int running = 0;
    curl_.multi_perform(multi, &running);
    int left = 0;
    bool has_finished = false;
    while (const CURLMsg* const message = curl_.multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      has_finished = true;
      const CURLcode code = message->data.result;
      for (size_t i = 0; i < requests.size(); ++i) {
        if (transfers[i] == nullptr || transfers[i]->handle() != message->easy_handle) continue;
        is_done[i] = true;
        requests[i].took = Clock::now() - began;
        requests[i].status = transfers[i]->answer().status();
        requests[i].verdict = transfers[i]->Finish(code);
        if (requests[i].verdict.outcome == HttpOutcome::kGood && transfers[i]->got_bytes() < requests[i].into.size())
          requests[i].verdict = {.outcome = HttpOutcome::kFinal, .reason = "it ends too early"};
      }
    }
    if (has_finished) continue;
    const auto wait =
        std::min<std::chrono::milliseconds>(kLookAgain, std::chrono::ceil<std::chrono::milliseconds>(until - now));
    curl_.multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
  }
  for (size_t i = 0; i < requests.size(); ++i)
    if (!is_done[i]) requests[i].verdict = NoAnswer(is_cancelled_ ? "cancelled" : "it does not answer in time");
}

namespace {

// A server that says that it has no such file, or not so much of it, is well; one that may not read its files, or knows
// no ranges, is of no use until somebody has mended it.
bool IsWell(const PeerRequest& request) {
  constexpr int kPartialContent = 206;
  constexpr int kNotFound = 404;
  constexpr int kNotSoLong = 416;
  if (request.verdict.outcome == HttpOutcome::kTransient) return false;
  return request.status == kPartialContent || request.status == kNotFound || request.status == kNotSoLong;
}

bool IsSlow(const PeerRequest& request) {
  return request.took > kSlowAnswer + std::chrono::milliseconds(request.into.size() / kSlowBytesPerMs);
}

}  // namespace

void TierPeers::Judge(const PeerRequest& request) {
  const MutexLock lock(mutex_);
  Health& health = health_[request.peer];
  health.tried_until = {};
  if (!IsWell(request)) return Failed(request.peer, request.verdict.reason);
  if (IsSlow(request)) {
    health.slowness = std::min(health.slowness + kSlowPoints, kTooSlow);
    if (health.slowness >= kTooSlow) return Failed(request.peer, "its answers take too long");
  } else if (health.slowness > 0) {
    --health.slowness;
  }
  health.answers = true;
  if (health.slowness > 0) return;
  if (health.failures > 0) Log(LogLevel::kInfo, "peer {}: answers again", urls_[request.peer]);
  health.failures = 0;
}

void TierPeers::Failed(size_t peer, std::string_view reason) {
  Health& health = health_[peer];
  ++faults_;
  // Several requests that fail at once are one failure.
  const auto now = Clock::now();
  if (!health.answers && now < health.next_try) return;
  if (health.failures == 0 && !is_cancelled_)
    Log(LogLevel::kWarning, "peer {}: {}; it is left alone for a while", urls_[peer], reason);
  const auto rest = kFirstRest * (1U << std::min(health.failures, kMostDoublings));
  ++health.failures;
  health.fault = reason;
  health.answers = false;
  health.next_try = now + std::min(rest, kLongestRest);
}

}  // namespace quire
