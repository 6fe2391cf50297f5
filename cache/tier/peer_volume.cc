// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/peer_volume.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <span>

#include "format/checksum.h"

namespace quire {
namespace {

// A neighbour whose tier has not the volume may mount it at any time: it is asked again as often, by who misses a page.
constexpr std::chrono::milliseconds kBetweenLooks(200);
// How old an answer may be for a thread that waits for a page, or reads another part of it.
constexpr std::chrono::milliseconds kFresh(10);
constexpr std::chrono::seconds kForgetAfter(1);
constexpr size_t kMostAsked = 256;
// Records that come with the one that is wanted: what a neighbour has of a pack is known after few requests.
constexpr uint64_t kGroup = 32;
constexpr std::chrono::milliseconds kLongestAnswer(1000);
constexpr std::chrono::milliseconds kLongestPage(5000);
// Neighbours that do not have what they said they have, before the origin is asked.
constexpr int kMostTries = 2;

uint64_t Rank(uint64_t id, uint64_t page) {
  const std::array<uint64_t, 2> words = {id, page};
  return Xxh3(std::as_bytes(std::span(words)));
}

UnitSet UnitsOf(uint64_t offset, uint64_t bytes) { return UnitSet::Touching(offset % kPageBytes, bytes); }

}  // namespace

PeerVolume::PeerVolume(std::shared_ptr<TierPeers> peers, const TierMap& own)
    : peers_(std::move(peers)),
      own_(own),
      folder_("volumes/" + own.key().FolderName()),
      holders_(own.key().page_count()),
      others_(peers_->count()) {
  LookForMaps(peers_->TakeUsable());
}

UnitSet PeerVolume::AllOf(uint64_t page) const {
  return UnitsOf(0, std::min<uint64_t>(kPageBytes, own_.key().volume_bytes - page * kPageBytes));
}

bool PeerVolume::IsBefore(const Other& other, uint64_t page) const {
  return Rank(other.id, page) < Rank(own_.id(), page);
}

void PeerVolume::LookForMaps(std::span<const size_t> peers) {
  const auto now = Clock::now();
  std::vector<PeerRequest> requests;
  std::vector<std::array<std::byte, TierMapHead::kBytes>> heads(peers.size());
  {
    const MutexLock lock(mutex_);
    for (const size_t peer : peers) {
      Other& other = others_[peer];
      if (other.is_known || (other.next_look > now && peers_->Answers(peer))) continue;
      other.next_look = now + kBetweenLooks;
      requests.push_back({.peer = peer, .path = folder_ + "/map", .into = heads[requests.size()]});
    }
  }
  if (requests.empty()) return;
  peers_->Perform(requests, kLongestAnswer);
  const MutexLock lock(mutex_);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].verdict.outcome != HttpOutcome::kGood) continue;
    const auto head = TierMapHead::Parse(heads[i], folder_);
    if (!head || head->key != own_.key()) continue;
    Other& other = others_[requests[i].peer];
    other.id = head->id;
    other.is_known = head->id != own_.id();
    if (!other.is_known) other.next_look = Clock::time_point::max();  // it is this node
  }
}

std::vector<std::pair<size_t, TierPage>> PeerVolume::AskAll(uint64_t page) {
  const std::vector<size_t> usable = peers_->TakeUsable();
  LookForMaps(usable);
  const uint64_t first = page - (page - own_.key().first_page) % kGroup;
  const auto count = static_cast<size_t>(std::min(kGroup, own_.key().page_end() - first));
  std::vector<PeerRequest> requests;
  std::vector<std::array<TierPage, kGroup>> records(usable.size());
  {
    const MutexLock lock(mutex_);
    for (const size_t peer : usable)
      if (others_[peer].is_known)
        requests.push_back({.peer = peer,
                            .path = folder_ + "/map",
                            .offset = TierRecordAt(own_.key(), first),
                            .into = std::as_writable_bytes(std::span(records[requests.size()]).first(count))});
  }
  if (requests.empty()) return {};
  peers_->Perform(requests, kLongestAnswer);
  std::vector<std::pair<size_t, TierPage>> answers;
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t peer = requests[i].peer;
    if (requests[i].verdict.outcome != HttpOutcome::kGood) {
      // Its tier was made anew perhaps, or removed.
      const MutexLock lock(mutex_);
      others_[peer].is_known = false;
      continue;
    }
    for (size_t at = 0; at < count; ++at)
      if (records[i][at].present == AllOf(first + at)) HoldersOf(first + at).fetch_or(1U << peer);
    answers.emplace_back(peer, records[i][page - first]);
  }
  return answers;
}

std::vector<std::pair<size_t, TierPage>> PeerVolume::AskOnce(uint64_t page) {
  {
    MutexLock lock(mutex_);
    while (true) {
      const auto asked = asked_.find(page);
      if (asked == asked_.end()) break;
      if (asked->second.has_come && Clock::now() - asked->second.at > kFresh) break;
      if (asked->second.has_come) return asked->second.records;
      changed_.wait(lock);
    }
    const auto is_old = [now = Clock::now()](const auto& asked) {
      return asked.second.has_come && now - asked.second.at > kForgetAfter;
    };
    if (asked_.size() > kMostAsked) std::erase_if(asked_, is_old);
    asked_[page] = {.has_come = false, .at = Clock::now()};
  }
  Asked answer{.has_come = true, .at = {}};
  const auto tell = [&] {
    answer.at = Clock::now();
    const MutexLock lock(mutex_);
    std::swap(asked_[page], answer);
    changed_.notify_all();
  };
  try {
    answer.records = AskAll(page);
  } catch (...) {
    tell();  // there is no memory, and others must not wait for ever
    throw;
  }
  auto records = answer.records;
  tell();
  return records;
}

bool PeerVolume::ReadFrom(size_t peer, uint64_t page, UnitSet wanted, std::byte* into) {
  const unsigned first = wanted.first();
  const size_t count = wanted.count();
  TierSums sums;
  std::array<PeerRequest, 2> requests = {
      PeerRequest{.peer = peer,
                  .path = folder_ + "/map",
                  .offset = TierSumsAt(own_.key(), page) + first * sizeof(uint64_t),
                  .into = std::as_writable_bytes(std::span(sums).first(count))},
      PeerRequest{.peer = peer,
                  .path = folder_ + "/data",
                  .offset = page * kPageBytes + uint64_t{first} * UnitSet::kUnitBytes,
                  .into = {into, count * UnitSet::kUnitBytes}}};
  peers_->Perform(requests, kLongestPage);
  const bool has_come = std::ranges::all_of(
      requests, [](const PeerRequest& request) { return request.verdict.outcome == HttpOutcome::kGood; });
  if (!has_come) return false;
  for (unsigned unit = 0; unit < count; ++unit) {
    const std::span<const std::byte> bytes(into + size_t{unit} * UnitSet::kUnitBytes, own_.BytesOf(page, first + unit));
    if (Xxh3(bytes) == sums[unit]) continue;
    wrong_bytes_ += bytes.size();
    return false;
  }
  return true;
}

PeerVolume::Outcome PeerVolume::Read(uint64_t offset, std::byte* into, size_t bytes, bool has_claim) {
  const uint64_t page = offset / kPageBytes;
  assert(offset % UnitSet::kUnitBytes == 0 && own_.key().Holds(page));
  const UnitSet wanted = UnitsOf(offset, std::min<uint64_t>(bytes, own_.key().volume_bytes - offset));
  int tries = 0;
  // Those who have much are not asked first by all: each node and page begins with another one.
  const auto try_all = [&](uint32_t holders) {
    const size_t begin = Rank(own_.id(), page) % peers_->count();
    for (size_t i = 0; i < peers_->count() && tries < kMostTries; ++i) {
      const size_t peer = (begin + i) % peers_->count();
      if ((holders >> peer & 1) == 0 || !peers_->Answers(peer)) continue;
      ++tries;
      if (ReadFrom(peer, page, wanted, into)) return true;
      HoldersOf(page).fetch_and(~(1U << peer));
    }
    return false;
  };
  const auto read = [&] {
    ++reads_;
    read_bytes_ += bytes;
    return Outcome::kRead;
  };
  if (try_all(HoldersOf(page))) return read();
  const auto records = AskOnce(page);
  uint32_t holders = 0;
  for (const auto& [peer, record] : records)
    if ((record.present & wanted) == wanted) holders |= 1U << peer;
  if (try_all(holders)) return read();
  if (!has_claim) return Outcome::kNone;
  const MutexLock lock(mutex_);
  const bool is_being_brought = std::ranges::any_of(records, [&](const auto& answer) QUIRE_REQUIRES(mutex_) {
    const auto& [peer, record] = answer;
    return !record.writing.empty() && (record.is_origin_asked != 0 || IsBefore(others_[peer], page));
  });
  return is_being_brought ? Outcome::kBeingBrought : Outcome::kNone;
}

void PeerVolume::AddTo(PeerFigures& figures) const {
  figures.reads += reads_;
  figures.read_bytes += read_bytes_;
  figures.wrong_bytes += wrong_bytes_;
  figures.waits += waits_;
  figures.faults = peers_->faults();
}

}  // namespace quire
