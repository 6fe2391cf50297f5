// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_source.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "cache/steady_clock.h"
#include "format/pack/geometry.h"

namespace quire {
namespace {

// As many as keep a disk busy, each of which also compares what it reads with its sums.
constexpr unsigned kThreads = 16;
// For a page that another process fetches: some times as long as the origin takes for one now, since to fetch it too
// makes a network that is busy slower; but no longer than a reader bears, should that process be stopped.
constexpr uint64_t kWaitsForReads = 4;
constexpr std::chrono::seconds kLeastLongestWait(4);  // a page of a busy server takes a second or two
constexpr std::chrono::seconds kMostLongestWait(30);
constexpr uint64_t kWeightOfBefore = 7;  // of 8, in the mean
constexpr std::chrono::milliseconds kBetweenLooks(2);
constexpr std::chrono::milliseconds kBetweenLooksForPeers(20);  // of a thread that fetches ahead

}  // namespace

Result<std::unique_ptr<TierSource>> TierSource::Create(std::unique_ptr<VolumeSource> origin, TierVolumes volumes,
                                                       int nice) {
  std::unique_ptr<TierSource> source(new TierSource(std::move(origin), std::move(volumes)));
  if (auto started = source->threads_.Start(kThreads, nice); !started) return Propagate(std::move(started));
  auto looking = source->looking_again_.Start(
      "quire-tier", [self = source.get()](const std::stop_token& stop) { self->LookAgain(stop); });
  if (!looking) return Propagate(std::move(looking));
  return source;
}

TierSource::TierSource(std::unique_ptr<VolumeSource> origin, TierVolumes volumes)
    : origin_(std::move(origin)), volumes_(std::move(volumes)) {}

void TierSource::Submit(VolumeRead* first) {
  ReadQueue of_others;
  ReadQueue own;
  while (first != nullptr) {
    VolumeRead& read = *std::exchange(first, first->next);
    read.waits_since_ns = 0;
    (FindKeeper(volumes_, read.volume, read.offset, read.bytes) == nullptr ? of_others : own).Push(read);
  }
  if (!of_others.empty()) origin_->Submit(of_others.TakeAll());
  if (!own.empty()) threads_.Submit(own.TakeAll());
}

void TierSource::Cancel() {
  is_cancelled_ = true;
  for (const auto& volume : volumes_)
    if (volume != nullptr) volume->Cancel();
  origin_->Cancel();
  looking_again_.Wake();
}

void TierSource::Serve(VolumeRead& read) {
  TierVolume& volume = *FindKeeper(volumes_, read.volume, read.offset, read.bytes);
  if (read.is_fresh) {
    volume.Drop(read.offset, read.bytes);
  } else {
    const auto tell = [&](ReadStage brought_by) {
      read.brought_by = brought_by;
      const auto left = static_cast<int64_t>(volume.end_bytes() - read.offset);
      read.done(read, std::min<int64_t>(read.bytes, left));
    };
    const auto answer = [&] {
      if (!volume.Read(read.offset, read.into, read.bytes)) return false;
      tell(ReadStage::kTier);
      return true;
    };
    if (answer()) return;
    if (read.is_of_fill) {
      const auto claim = volume.ClaimPage(read.offset / kPageBytes);
      if (claim == Tier::ClaimOutcome::kThere && answer()) return;
      if (claim == Tier::ClaimOutcome::kOthers && Waits(read, volume, /*is_for_peer=*/false)) return;
    } else if (volume.IsBroughtByOthers(read.offset / kPageBytes) && Waits(read, volume, /*is_for_peer=*/false)) {
      return;
    }
    const auto of_peers = volume.ReadFromPeers(read.offset, read.into, read.bytes);
    if (of_peers == PeerVolume::Outcome::kRead) return tell(ReadStage::kPeers);
    if (of_peers == PeerVolume::Outcome::kBeingBrought && Waits(read, volume, /*is_for_peer=*/true)) return;
  }
  ReadFromOrigin(read);
}

void TierSource::ReadFromOrigin(VolumeRead& read) {
  read.next = nullptr;
  read.above = this;
  read.done_above = std::exchange(read.done, OriginDone);
  ++origin_reads_;
  read.waits_since_ns = NowNs();  // from here on for the origin
  origin_->Submit(&read);
}

void TierSource::OriginDone(VolumeRead& read, int64_t result) {
  auto& own = static_cast<TierSource&>(*read.above);
  --own.origin_reads_;
  // Several threads of an origin may do this at once, and one mean of two is as good as the other.
  const uint64_t before_ns = own.origin_read_ns_.load(std::memory_order_relaxed);
  own.origin_read_ns_.store((kWeightOfBefore * before_ns + NowNs() - read.waits_since_ns) / (kWeightOfBefore + 1),
                            std::memory_order_relaxed);
  read.done = read.done_above;
  read.done(read, result);
}

TierVolume::Fetched TierSource::FetchPage(uint16_t volume, uint64_t page, std::byte* buffer) {
  TierVolume* const keeper = FindKeeper(volumes_, volume, page * kPageBytes);
  if (keeper == nullptr) return {};
  return keeper->Fetch(page, buffer, [&](uint64_t offset, std::byte* into, uint32_t bytes) -> Result<void> {
    const auto began = NowNs();
    while (true) {
      const auto of_peers = keeper->ReadFromPeers(offset, into, bytes);
      if (of_peers == PeerVolume::Outcome::kRead) return {};
      const bool waits = of_peers == PeerVolume::Outcome::kBeingBrought && !is_cancelled_ &&
                         NowNs() - began < static_cast<uint64_t>(LongestWait().count());
      if (!waits) break;
      std::this_thread::sleep_for(kBetweenLooksForPeers);
    }
    const auto read = ReadAndWait(*origin_, into, volume, offset, bytes, {.is_urgent = false});
    if (!read) return std::unexpected(read.error());
    if (offset + *read < std::min(offset + bytes, keeper->end_bytes()))
      return SystemError(EIO, "it ends at byte {}", offset + *read);
    return {};
  });
}

std::chrono::nanoseconds TierSource::LongestWait() const {
  const std::chrono::nanoseconds wait(kWaitsForReads * origin_read_ns_.load(std::memory_order_relaxed));
  return std::clamp<std::chrono::nanoseconds>(wait, kLeastLongestWait, kMostLongestWait);
}

bool TierSource::Waits(VolumeRead& read, TierVolume& volume, bool is_for_peer) {
  const uint64_t now_ns = NowNs();
  if (read.waits_since_ns == 0) {
    read.waits_since_ns = now_ns;
    volume.CountWait(is_for_peer);
  }
  if (is_cancelled_ || now_ns - read.waits_since_ns > static_cast<uint64_t>(LongestWait().count())) return false;
  {
    const MutexLock lock(mutex_);
    waiting_.Push(read);
  }
  looking_again_.Wake();
  return true;
}

void TierSource::LookAgain(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    VolumeRead* reads = nullptr;
    {
      const MutexLock lock(mutex_);
      reads = waiting_.TakeAll();
    }
    if (reads == nullptr) {
      looking_again_.Sleep(stop);
      continue;
    }
    looking_again_.ForgetWakes();
    looking_again_.Pause(stop, kBetweenLooks);
    threads_.Submit(reads);
  }
}

std::string TierSource::Describe() const {
  std::string peers;  // the same ones for all volumes
  for (const auto& volume : volumes_)
    if (volume != nullptr && peers.empty()) peers = volume->DescribePeers();
  return fmt::format("a tier{} before {}", peers.empty() ? "" : " and those of " + peers, origin_->Describe());
}

}  // namespace quire
