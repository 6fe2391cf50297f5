// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_volume.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "format/rounding.h"

namespace quire {
namespace {

// The order of pages by their last use need not be finer, and a page is read in several pieces.
constexpr uint64_t kTouchAfterMs = 500;
constexpr std::chrono::seconds kBetweenReleases(1);  // tries to give back what could not be given back

UnitSet UnitsOf(uint64_t offset, uint64_t bytes) { return UnitSet::Touching(offset % kPageBytes, bytes); }

}  // namespace

Result<std::shared_ptr<TierVolume>> TierVolume::Open(std::shared_ptr<Tier> tier, const TierKey& key,
                                                     std::shared_ptr<TierPeers> peers) {
  auto map = tier->OpenVolume(key);
  if (!map) return Propagate(std::move(map));
  std::shared_ptr<TierVolume> volume(new TierVolume(std::move(tier), *std::move(map)));
  if (peers != nullptr) volume->peers_ = std::make_unique<PeerVolume>(std::move(peers), volume->map_);
  return volume;
}

UnitSet TierVolume::AllOf(uint64_t page) const {
  const uint64_t bytes = std::min<uint64_t>(kPageBytes, end_bytes() - page * kPageBytes);
  return UnitsOf(0, bytes);
}

bool TierVolume::Read(uint64_t offset, std::byte* into, size_t bytes) {
  assert(offset % UnitSet::kUnitBytes == 0 && bytes > 0 && offset % kPageBytes + bytes <= kPageBytes);
  if (offset >= end_bytes()) return false;
  const uint64_t page = offset / kPageBytes;
  const UnitSet wanted = UnitsOf(offset, std::min<uint64_t>(bytes, end_bytes() - offset));
  const auto record = map_.ReadPage(page);
  if (!record || (wanted & record->present) != wanted) return false;
  const auto wrong = map_.Read(page, wanted, into);
  if (!wrong) tier_->Tell(wrong.error());
  const UnitSet dropped = wrong ? *wrong : wanted;
  if (!dropped.empty()) {
    KnownOf(page).store(false, std::memory_order_relaxed);
    wrong_bytes_ += tier_->Drop(map_, page, dropped);
    return false;
  }
  const uint64_t now_ms = TierNowMs();
  // Or in the future: a clock that was wrong then.
  if (now_ms > record->used_at_ms + kTouchAfterMs || record->used_at_ms > now_ms + kTouchAfterMs) {
    map_.Touch(page, now_ms);
    if (map_.IsGone()) tier_->Drop(map_, page, wanted);
  }
  KnownOf(page).store(record->present == AllOf(page), std::memory_order_relaxed);
  ++reads_;
  read_bytes_ += bytes;
  if (future_ != nullptr) future_->Access(number_, page);
  return true;
}

bool TierVolume::Has(uint64_t offset, uint64_t bytes) const {
  if (offset % kPageBytes + bytes > kPageBytes) return false;
  const UnitSet wanted = UnitsOf(offset, bytes);
  const auto record = map_.ReadPage(offset / kPageBytes);
  return record && (wanted & record->present) == wanted;
}

PeerVolume::Outcome TierVolume::ReadFromPeers(uint64_t offset, std::byte* into, size_t bytes) {
  if (peers_ == nullptr) return PeerVolume::Outcome::kNone;
  const uint64_t page = offset / kPageBytes;
  const auto record = map_.ReadPage(page);
  const bool has_claim = record && !record->writing.empty() && tier_->IsOwn(*record);
  const auto outcome = peers_->Read(offset, into, bytes, has_claim);
  if (has_claim && outcome == PeerVolume::Outcome::kNone) map_.TellOriginIsAsked(page);
  return outcome;
}

std::string TierVolume::DescribePeers() const { return peers_ == nullptr ? std::string() : peers_->Describe(); }

void TierVolume::Follow(std::shared_ptr<TierFuture> future, uint16_t number) {
  future_ = future;
  number_ = number;
  tier_->Follow(map_.key(), std::move(future), number);
}

void TierVolume::Cancel() {
  if (peers_ != nullptr) peers_->Cancel();
  tier_->Cancel();
}

void TierVolume::CountWait(bool is_for_peer) {
  if (is_for_peer)
    peers_->CountWait();
  else
    waits_.fetch_add(1, std::memory_order_relaxed);
}

Tier::ClaimOutcome TierVolume::ClaimPage(uint64_t page) {
  if (HasClaim(page)) return Tier::ClaimOutcome::kClaimed;
  const auto record = map_.ReadPage(page);
  if (!record) return Tier::ClaimOutcome::kNotNow;
  if (tier_->IsClaimedByOthers(*record)) return Tier::ClaimOutcome::kOthers;
  const MutexLock lock(mutex_);
  if (claims_.contains(page)) return Tier::ClaimOutcome::kClaimed;
  UnitSet claimed;
  const auto outcome = tier_->Claim(map_, page, AllOf(page), claimed);
  if (outcome != Tier::ClaimOutcome::kClaimed) return outcome;
  claims_.emplace(page, claimed);
  if (future_ != nullptr) future_->Access(number_, page);
  return outcome;
}

bool TierVolume::IsBroughtByOthers(uint64_t page) const {
  const auto record = map_.ReadPage(page);
  return record && tier_->IsClaimedByOthers(*record);
}

bool TierVolume::HasClaim(uint64_t page) const {
  const MutexLock lock(mutex_);
  return claims_.contains(page);
}

Result<void> TierVolume::Write(uint64_t page, UnitSet units, const std::byte* page_begin) {
  TierSums sums;
  Result<void> written;
  for (UnitSet left = units; written && !left.empty();) {
    const UnitSet run(left.first(), left.first_run());
    written = map_.Write(page, run, page_begin + size_t{run.first()} * UnitSet::kUnitBytes, sums);
    left -= run;
  }
  if (written) written = tier_->Commit(map_, page, units, sums);
  if (written)
    kept_bytes_ += uint64_t{units.count()} * UnitSet::kUnitBytes;
  else
    tier_->Tell(written.error());
  return written;
}

void TierVolume::Keep(uint64_t page, const UnitSet& units, std::span<const std::byte> bytes) {
  UnitSet claimed;
  {
    const MutexLock lock(mutex_);
    const auto claim = claims_.find(page);
    if (claim == claims_.end()) return;
    claimed = claim->second & units;
  }
  if (!Write(page, claimed, bytes.data())) return GiveUp(page);
  KnownOf(page).store((units & AllOf(page)) == AllOf(page), std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  claims_.erase(page);
}

void TierVolume::GiveUp(uint64_t page) {
  {
    const MutexLock lock(mutex_);
    if (claims_.erase(page) == 0) return;
  }
  Release(page);
}

// What stayed claimed would be waited for by all who read the page, here, on this node and at its neighbours, for as
// long as this process lives.
void TierVolume::Release(uint64_t page) {
  if (tier_->Release(map_, page)) return;
  const MutexLock lock(mutex_);
  owed_.push_back(page);
  if (giving_back_.is_running()) return giving_back_.Wake();
  const auto started = giving_back_.Start("quire-owed", [this](const std::stop_token& stop) { ReleaseOwed(stop); });
  if (!started) tier_->Tell(started.error());
}

void TierVolume::ReleaseOwed(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<uint64_t> pages;
    {
      const MutexLock lock(mutex_);
      std::swap(pages, owed_);
    }
    if (pages.empty()) {
      giving_back_.Sleep(stop);
      continue;
    }
    giving_back_.Pause(stop, kBetweenReleases);
    const auto is_released = [&](uint64_t page) { return !stop.stop_requested() && tier_->Release(map_, page); };
    const auto left = std::ranges::find_if_not(pages, is_released);
    const MutexLock lock(mutex_);
    owed_.insert(owed_.end(), left, pages.end());
  }
}

void TierVolume::KeepUnits(uint64_t offset, const std::byte* from, size_t bytes) {
  const uint64_t page = offset / kPageBytes;
  const UnitSet units = UnitsOf(offset, bytes);
  UnitSet claimed;
  if (tier_->Claim(map_, page, units, claimed) != Tier::ClaimOutcome::kClaimed) return;
  if (!Write(page, claimed, from - offset % kPageBytes)) Release(page);
}

TierVolume::Fetched TierVolume::Fetch(uint64_t page, std::byte* buffer, const ReadUnits& read) {
  const UnitSet all = AllOf(page);
  const auto record = map_.ReadPage(page);
  if (!record) return {.error = record.error()};
  if (record->present == all) {
    KnownOf(page).store(true, std::memory_order_relaxed);
    return {};
  }
  const auto taken = tier_->taken_bytes();
  if (!taken) return {.error = taken.error()};
  if (*taken + kPageBytes > tier_->most_bytes()) return {.has_no_room = true};
  UnitSet claimed;
  const auto outcome = tier_->Claim(map_, page, all, claimed);
  if (outcome == Tier::ClaimOutcome::kNoRoom) return {.has_no_room = true};
  if (outcome == Tier::ClaimOutcome::kNotNow)
    return {.error = Error{ErrorCode::kSystem, EBUSY, "the tier cannot be written to now; the log says why"}};
  if (outcome != Tier::ClaimOutcome::kClaimed) return {.is_of_others = outcome == Tier::ClaimOutcome::kOthers};
  const auto bring = [&]() -> Result<void> {
    for (UnitSet left = claimed; !left.empty();) {
      const UnitSet run(left.first(), left.first_run());
      const uint64_t begin = uint64_t{run.first()} * UnitSet::kUnitBytes;
      auto brought = read(page * kPageBytes + begin, buffer + begin, run.count() * UnitSet::kUnitBytes);
      if (!brought) return brought;
      left -= run;
    }
    return Write(page, claimed, buffer);
  };
  if (const auto brought = bring(); !brought) {
    Release(page);
    return {.error = brought.error()};
  }
  KnownOf(page).store(true, std::memory_order_relaxed);
  return {.bytes = uint64_t{claimed.count()} * UnitSet::kUnitBytes};
}

void TierVolume::Drop(uint64_t offset, uint64_t bytes) {
  const uint64_t page = offset / kPageBytes;
  KnownOf(page).store(false, std::memory_order_relaxed);
  tier_->Drop(map_, page, UnitsOf(offset, bytes));
}

void TierVolume::AddTo(TierFigures& figures) const {
  figures.taken_bytes = tier_->taken_bytes().value_or(0);
  figures.most_bytes = tier_->most_bytes();
  figures.faults = tier_->faults();
  figures.reads += reads_;
  figures.read_bytes += read_bytes_;
  figures.kept_bytes += kept_bytes_;
  figures.wrong_bytes += wrong_bytes_;
  figures.waits += waits_;
  if (peers_ == nullptr) return;
  if (!figures.peers) figures.peers.emplace();
  peers_->AddTo(*figures.peers);
}

}  // namespace quire
