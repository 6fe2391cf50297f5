// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_fetcher.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cache/background_thread.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks(5);  // for a place beside those who read
constexpr std::chrono::seconds kLongestForOthers(30);
constexpr std::chrono::milliseconds kAfterFault(1000);  // the origin has its own patience; this is for the tier

}  // namespace

TierFetcher::TierFetcher(TierSource& source, const Options& options)
    : source_(source), options_(options), rate_(options.bytes_per_s) {}

TierFetcher::~TierFetcher() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

Result<void> TierFetcher::Start() {
  while (threads_.size() < options_.threads) {
    auto thread = StartBackgroundThread("quire-fetch", [this, number = static_cast<unsigned>(threads_.size())](
                                                           const std::stop_token& stop) { Work(stop, number); });
    if (!thread) return Propagate(std::move(thread));
    threads_.push_back(*std::move(thread));
  }
  return {};
}

void TierFetcher::SetFuture(std::vector<VolumeSet::Page> pages) {
  {
    const MutexLock lock(mutex_);
    future_.clear();
    for (const VolumeSet::Page& page : pages) future_.push_back({.volume = page.volume, .page = page.number});
  }
  changed_.notify_all();
}

void TierFetcher::LookAgain() {
  {
    const MutexLock lock(mutex_);
    next_ = {};
  }
  changed_.notify_all();
}

bool TierFetcher::IsDone() const {
  const MutexLock lock(mutex_);
  return is_full_ || (future_.empty() && busy_ == 0 && HasLookedAtAll());
}

std::optional<Error> TierFetcher::error() const {
  const MutexLock lock(mutex_);
  return error_;
}

std::optional<TierFetcher::Place> TierFetcher::TakeNext() {
  if (!future_.empty()) {
    const Place place = future_.front();
    future_.pop_front();
    return place;
  }
  while (!HasLookedAtAll()) {
    const auto& volume = source_.volumes()[next_.volume];
    const uint64_t pages = volume == nullptr ? 0 : volume->page_count();
    if (next_.page < pages) {
      const uint64_t page = (next_.page++ + volume->turn()) % pages;
      return Place{.volume = next_.volume, .page = page};
    }
    next_ = {.volume = static_cast<uint16_t>(next_.volume + 1), .page = 0};
  }
  return std::nullopt;
}

// What others bring is looked for again, behind all else: they may end before they have brought it.
void TierFetcher::PutBack(Place place) {
  const auto now = std::chrono::steady_clock::now();
  if (place.is_of_others_since == std::chrono::steady_clock::time_point()) place.is_of_others_since = now;
  if (now - place.is_of_others_since < kLongestForOthers)
    future_.push_back(place);
  else if (!error_)
    error_ = Error{ErrorCode::kSystem, EBUSY, "another process has begun to fetch a page, and does not end"};
}

bool TierFetcher::MayFetch(unsigned number) const {
  if (!options_.stays_behind) return true;
  const uint64_t requests_a_page = CeilDiv(kPageBytes, source_.request_bytes());
  return source_.origin_reads() + (number + 1) * requests_a_page <= source_.depth() ||
         (number == 0 && source_.origin_reads() == 0);
}

void TierFetcher::Work(const std::stop_token& stop, unsigned number) {
  const auto buffer = MakeAligned(kPageBytes);
  MutexLock lock(mutex_);
  const auto pause = [&](std::chrono::nanoseconds time)
                         QUIRE_REQUIRES(mutex_) { changed_.wait_for(lock, stop, time, [] { return false; }); };
  while (!stop.stop_requested()) {
    if (!MayFetch(number)) {
      pause(kBetweenLooks);
      continue;
    }
    const auto place = TakeNext();
    if (!place) {
      changed_.wait(lock, stop, [this]() QUIRE_REQUIRES(mutex_) { return !future_.empty() || !HasLookedAtAll(); });
      continue;
    }
    const TierVolume* const volume = FindKeeper(source_.volumes(), place->volume, place->page * kPageBytes);
    if (volume == nullptr || volume->IsKnown(place->page)) {
      ++pages_done_;
      continue;
    }
    ++busy_;
    lock.unlock();
    const auto wait = rate_.Take(kPageBytes);
    lock.lock();
    if (wait.count() > 0) pause(wait);
    lock.unlock();
    const auto fetched =
        stop.stop_requested() ? TierVolume::Fetched{} : source_.FetchPage(place->volume, place->page, buffer.get());
    fetched_bytes_ += fetched.bytes;
    if (!fetched.is_of_others) ++pages_done_;
    if (fetched.error) ++pages_failed_;
    if (fetched.has_no_room) is_full_ = true;
    lock.lock();
    --busy_;
    if (fetched.is_of_others) {
      PutBack(*place);
      pause(kBetweenLooks);
    }
    if (fetched.error && !error_) error_ = fetched.error;
    if (fetched.error || fetched.has_no_room) pause(kAfterFault);
  }
}

}  // namespace quire
