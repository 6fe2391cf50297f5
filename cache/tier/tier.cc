// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <system_error>
#include <utility>

#include "cache/log.h"
#include "cache/steady_clock.h"
#include "format/checksum.h"
#include "format/escaping.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr const char* kFileName = "/quire-tier";
constexpr std::array<char, 8> kMagic = {'Q', 'U', 'I', 'R', 'E', 'T', 'I', 'R'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kLedgerBytes = 4096;  // what the file takes
// Somebody who holds the lock for longer is stopped, or waits for a disk that does not answer: readers ask the origin.
constexpr std::chrono::milliseconds kPatience(200);
constexpr std::chrono::seconds kLongPatience(20);  // of those who work for nobody that waits
// Pages go in batches, since all records are looked at for each: a sixteenth of a small tier, 64 MiB of a large one.
constexpr uint64_t kBatchShare = 16;
constexpr uint64_t kMostBatchBytes = 64 << 20;
constexpr uint64_t kQuietMs = 60'000;
constexpr uint64_t kPauseMs = 5'000;

// Tells one start of the machine from another: what was in memory at its end may never have reached the disk.
const std::array<char, 40>& BootId() {
  static const std::array<char, 40> kId = [] {
    std::array<char, 40> id = {};
    std::string text;
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), text);
    std::ranges::copy(text.substr(0, id.size() - 1), id.begin());
    return id;
  }();
  return kId;
}

// Of a clock that is never set.
uint64_t MonotonicMs() { return NowNs() / 1'000'000; }

bool IsFolderName(std::string_view name) {
  return name.size() == 32 && std::ranges::all_of(name, [](char digit) {
           return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
         });
}

// Of one that was being made.
bool IsUnfinishedName(std::string_view name) {
  return name.ends_with(TierMap::kUnfinished) &&
         IsFolderName(name.substr(0, name.size() - TierMap::kUnfinished.size()));
}

// Names of what is in a folder.
Result<std::vector<std::string>> NamesIn(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().native());
  if (error) return SystemError(error.value(), "tier, '{}'", path);
  std::ranges::sort(names);
  return names;
}

// What else is in a directory that is to become a tier: nobody would expect it to be counted, or removed.
Result<std::optional<std::string>> FindOtherThing(const std::string& directory) {
  auto names = NamesIn(directory);
  if (!names) return Propagate(std::move(names));
  for (const std::string& name : *names)
    if (name != "lost+found" && name != "volumes") return name;
  if (std::ranges::find(*names, "volumes") == names->end()) return std::nullopt;
  // A tier without its file goes on being one.
  names = NamesIn(directory + "/volumes");
  if (!names) return Propagate(std::move(names));
  for (const std::string& name : *names)
    if (!IsFolderName(name) && !IsUnfinishedName(name)) return "volumes/" + name;
  return std::nullopt;
}

}  // namespace

struct Tier::Ledger {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kVersion;
  uint32_t is_changing = 0;
  uint64_t taken_bytes = 0;
  std::array<char, 40> boot_id = {};
};

// Holds the lock while it lives, if it is held at all.
class Tier::Locked {
 public:
  Locked(Tier& tier, std::chrono::milliseconds patience) : tier_(tier), is_held_(tier.locks_.Lock(patience)) {}
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ~Locked() {
    if (is_held_) tier_.locks_.Unlock();
  }
  explicit operator bool() const { return is_held_; }

 private:
  Tier& tier_;
  const bool is_held_;
};

// --- Opening

Result<void> Tier::MakeDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return SystemError(errno, "tier '{}'", directory);
  return {};
}

Result<std::shared_ptr<Tier>> Tier::OpenDirectory(const std::string& directory, bool may_make) {
  struct stat status = {};
  if (stat(directory.c_str(), &status) != 0) return SystemError(errno, "tier '{}'", directory);
  if (!S_ISDIR(status.st_mode)) return SystemError(ENOTDIR, "tier '{}'", directory);
  if ((status.st_mode & S_IWOTH) != 0)
    return Invalid("tier '{}': everybody may write to it, and what is read of it is what they wrote: chmod o-w",
                   directory);
  const bool is_shared = (status.st_mode & S_IWGRP) != 0;
  if (!is_shared && status.st_uid != geteuid() && geteuid() != 0)
    return Invalid("tier '{}': it is another user's, and not shared with a group (chmod g+rwxs)", directory);
  const std::string path = directory + kFileName;
  const bool is_there = access(path.c_str(), F_OK) == 0;
  if (!is_there && !may_make) return Invalid("'{}' is no tier: it has no file 'quire-tier'", directory);
  if (!is_there) {
    const auto other = FindOtherThing(directory);
    if (!other) return std::unexpected(other.error());
    if (*other)
      return Invalid("tier '{}': it holds other things ('{}'): give a folder of its own", directory,
                     EscapeName(**other));
  }
  const OwnModes modes;
  auto file = File::Open(path, O_RDWR | O_NOFOLLOW | (may_make ? O_CREAT : 0), is_shared ? 0660 : 0600);
  if (!file) return Propagate(std::move(file));
  std::shared_ptr<Tier> tier(new Tier(directory, *std::move(file), is_shared));
  // Nothing lies so far behind. Who has no holes says so all the same.
  if (fallocate(tier->locks_.file().fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 4096) != 0)
    return Unsupported(
        "tier '{}': its file system cannot give back parts of a file ({}): ext4, XFS, btrfs and tmpfs can", directory,
        ReasonOf(errno));
  if (auto entered = tier->locks_.Enter(); !entered) return Propagate(std::move(entered));
  const std::string volumes = tier->VolumesFolder();
  if (mkdir(volumes.c_str(), is_shared ? 0770 : 0700) != 0 && errno != EEXIST)
    return SystemError(errno, "tier '{}'", volumes);
  const Locked lock(*tier, kLongPatience);
  if (!lock)
    return SystemError(EBUSY, "tier '{}': a process that is stopped, or waits for the disk, holds its lock", directory);
  // It may be another's, or older, or cut off: then it is begun anew, by counting.
  if (auto counted = tier->CountAnew(/*is_opening=*/true); !counted) return Propagate(std::move(counted));
  return tier;
}

Result<std::shared_ptr<Tier>> Tier::Open(const TierOptions& options) {
  auto tier = OpenDirectory(options.directory, true);
  if (!tier) return tier;
  if (options.most_bytes) {
    (*tier)->most_bytes_ = *options.most_bytes;
    return tier;
  }
  struct statvfs space = {};
  if (statvfs(options.directory.c_str(), &space) != 0) return SystemError(errno, "tier '{}'", options.directory);
  const auto taken = (*tier)->taken_bytes();
  if (!taken) return std::unexpected(taken.error());
  (*tier)->most_bytes_ = (uint64_t{space.f_bavail} * space.f_frsize + *taken) / 2;
  return tier;
}

Result<std::shared_ptr<Tier>> Tier::OpenToTidy(const std::string& directory) {
  auto tier = OpenDirectory(directory, false);
  if (tier) (*tier)->most_bytes_ = std::numeric_limits<uint64_t>::max();
  return tier;
}

Result<std::vector<std::string>> Tier::FolderNames() const {
  auto names = NamesIn(VolumesFolder());
  if (names) std::erase_if(*names, [](const std::string& name) { return !IsFolderName(name); });
  return names;
}

Result<TierMap> Tier::OpenVolume(const TierKey& key) {
  const Locked lock(*this, kLongPatience);
  if (!lock) return SystemError(EBUSY, "tier '{}'", directory_);
  const std::string path = PathOf(key.FolderName());
  auto map = TierMap::Open(path);
  const bool is_it = map && map->key() == key;
  if (is_it && map->Use()) return map;
  if (!is_it) TierMap::Remove(path);
  const uint64_t bytes = TierMap::EmptyBytes(key.page_count());
  if (auto room = MakeRoom(bytes, nullptr, 0); !room) return Propagate(std::move(room));
  const auto made = Change(static_cast<int64_t>(bytes), [&]() -> Result<void> {
    map = TierMap::Create(path, key, is_shared_);
    if (!map) return std::unexpected(map.error());
    return {};
  });
  if (!made) return std::unexpected(made.error());
  if (!map->Use()) return SystemError(EBUSY, "tier '{}'", path);
  return map;
}

// --- What is taken

Result<Tier::Ledger> Tier::ReadLedger() const {
  Ledger ledger;
  if (auto read = locks_.file().ReadExactly(0, std::as_writable_bytes(std::span(&ledger, 1))); !read)
    return Propagate(std::move(read));
  if (ledger.magic != kMagic || ledger.version != kVersion)
    return Corrupt("'{}' is no ledger of a tier", directory_ + kFileName);
  return ledger;
}

Result<uint64_t> Tier::ReadTaken() const {
  const auto ledger = ReadLedger();
  if (!ledger) return std::unexpected(ledger.error());
  if (ledger->is_changing != 0) return Corrupt("'{}': a change of it was not completed", directory_ + kFileName);
  return ledger->taken_bytes;
}

// Somebody may be changing it at this moment.
Result<uint64_t> Tier::taken_bytes() const {
  const auto ledger = ReadLedger();
  if (!ledger) return std::unexpected(ledger.error());
  return ledger->taken_bytes;
}

Result<uint64_t> Tier::Settle() {
  auto taken = ReadTaken();
  return taken ? taken : CountAnew();
}

Result<void> Tier::Change(int64_t by_bytes, const std::function<Result<void>()>& change) {
  auto taken = ReadTaken();
  if (!taken) return Propagate(std::move(taken));
  Ledger ledger{.is_changing = 1, .taken_bytes = *taken, .boot_id = BootId()};
  const auto write = [&] { return locks_.file().WriteAll(0, std::as_bytes(std::span(&ledger, 1))); };
  if (auto written = write(); !written) return written;
  if (auto changed = change(); !changed) return changed;                                 // and counted by the next one
  if (by_bytes < 0 && ledger.taken_bytes < static_cast<uint64_t>(-by_bytes)) return {};  // and counted by the next one
  ledger.is_changing = 0;
  ledger.taken_bytes += static_cast<uint64_t>(by_bytes);
  return write();
}

Result<uint64_t> Tier::CountAnew(bool is_opening) {
  Ledger ledger;
  const auto read = locks_.file().ReadUpTo(0, std::as_writable_bytes(std::span(&ledger, 1)));
  const bool is_other_boot = !read || *read != sizeof(ledger) || ledger.boot_id != BootId();
  uint64_t taken = kLedgerBytes;
  const auto names = NamesIn(VolumesFolder());
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    if (IsUnfinishedName(name)) TierMap::Remove(PathOf(name));
    if (!IsFolderName(name)) continue;
    const auto bytes = CountVolume(name, {.is_opening = is_opening, .is_other_boot = is_other_boot});
    if (!bytes) return bytes;
    taken += *bytes;
  }
  ledger = {.taken_bytes = taken, .boot_id = BootId()};
  if (auto written = locks_.file().WriteAll(0, std::as_bytes(std::span(&ledger, 1))); !written)
    return Propagate(std::move(written));
  return taken;
}

Result<uint64_t> Tier::CountVolume(const std::string& folder, const CountingWhen& when) {
  const auto map = TierMap::Open(PathOf(folder));
  if (!map) {
    // Whose map or data cannot be opened is of no use to anybody, but where another user's are closed to this one, or
    // this process has no descriptor left.
    if (TierMap::IsForThisProcess(map.error())) return std::unexpected(map.error());
    TierMap::Remove(PathOf(folder));
    return 0;
  }
  uint64_t bytes = map->own_bytes();
  const auto counted = map->ForEachPage([&](uint64_t page, TierPage& record) -> Result<void> {
    // What has this process's number before it has claimed anything is of one before, that had the number.
    const bool is_of_before = when.is_opening && record.owner == locks_.own_number();
    if (!record.writing.empty() && (is_of_before || !locks_.IsThere(record.owner)))
      if (auto released = ReleaseDead(*map, page, record); !released) return released;
    // The map may be older on the disk than the data is.
    UnitSet unknown(0, UnitSet::kUnits);
    unknown -= record.present;
    unknown -= record.writing;
    if (when.is_other_boot)
      if (auto punched = map->Punch(page, unknown); !punched) return punched;
    bytes += record.bytes();
    return {};
  });
  if (!counted) return std::unexpected(counted.error());
  return bytes;
}

Result<void> Tier::ReleaseDead(const TierMap& map, uint64_t page, TierPage& record) {
  UnitSet lost = record.writing;
  lost -= record.present;
  if (auto punched = map.Punch(page, lost); !punched) return punched;
  record.writing = {};
  record.owner = 0;
  return map.WritePage(page, record);
}

bool Tier::IsGone(const TierMap& map) {
  const bool is_volume_gone = map.IsGone();
  if (!is_volume_gone && !locks_.file().IsUnlinked()) return false;
  if (is_volume_gone) map.Empty();
  if (!std::exchange(is_told_gone_, true)) {
    Log(LogLevel::kWarning,
        "tier '{}': it was removed while it is in use; nothing is kept of '{}' until it is mounted again", directory_,
        map.key().source);
    if (const auto counted = CountAnew(); !counted) Tell(counted.error());
  }
  return true;
}

// --- Claims

bool Tier::IsClaimedByOthers(const TierPage& record) const {
  return !record.writing.empty() && record.owner != locks_.own_number() && locks_.IsThere(record.owner);
}

Tier::ClaimOutcome Tier::Claim(const TierMap& map, uint64_t page, UnitSet units, UnitSet& claimed) {
  if (MonotonicMs() < paused_until_ms_) return ClaimOutcome::kNotNow;
  const Locked lock(*this, kPatience);
  if (!lock) {
    Tell(Error{ErrorCode::kSystem, EBUSY, "a process that is stopped, or waits for the disk, holds its lock"});
    return ClaimOutcome::kNotNow;
  }
  if (IsGone(map)) return ClaimOutcome::kNotNow;
  ClaimOutcome outcome = ClaimOutcome::kNotNow;
  const auto claim = [&]() -> Result<void> {
    if (auto settled = Settle(); !settled) return Propagate(std::move(settled));
    auto record = map.ReadPage(page);
    if (!record) return Propagate(std::move(record));
    if (!record->writing.empty()) {
      outcome = ClaimOutcome::kOthers;
      if (locks_.IsThere(record->owner)) return {};
      const uint64_t lost_bytes = uint64_t{record->writing.count()} * UnitSet::kUnitBytes;
      auto released = Change(-static_cast<int64_t>(lost_bytes), [&] { return ReleaseDead(map, page, *record); });
      if (!released) return released;
    }
    claimed = units;
    claimed -= record->present;
    outcome = ClaimOutcome::kThere;
    if (claimed.empty()) return {};
    const uint64_t bytes = uint64_t{claimed.count()} * UnitSet::kUnitBytes;
    outcome = ClaimOutcome::kNoRoom;
    if (auto room = MakeRoom(bytes, &map, page); !room) return {};
    record->writing = claimed;
    record->owner = locks_.own_number();
    record->is_origin_asked = 0;
    record->used_at_ms = TierNowMs();
    outcome = ClaimOutcome::kNotNow;
    auto changed = Change(static_cast<int64_t>(bytes), [&] { return map.WritePage(page, *record); });
    if (changed) outcome = ClaimOutcome::kClaimed;
    return changed;
  };
  if (const auto done = claim(); !done) Tell(done.error());
  return outcome;
}

Result<void> Tier::Commit(const TierMap& map, uint64_t page, UnitSet written, const TierSums& sums) {
  const Locked lock(*this, kLongPatience);
  if (!lock) return SystemError(EBUSY, "tier '{}'", directory_);
  if (auto settled = Settle(); !settled) return Propagate(std::move(settled));
  if (IsGone(map)) return {};
  auto record = map.ReadPage(page);
  if (!record) return Propagate(std::move(record));
  UnitSet not_written = record->writing;
  not_written -= written;
  const int64_t given_back = int64_t{not_written.count()} * UnitSet::kUnitBytes;
  return Change(-given_back, [&]() -> Result<void> {
    if (auto punched = map.Punch(page, not_written); !punched) return punched;
    for (UnitSet left = written; !left.empty();) {
      const UnitSet run(left.first(), left.first_run());
      const auto of_run = std::span(sums).subspan(run.first(), run.count());
      if (auto put = map.WriteSums(page, run.first(), of_run); !put) return put;
      left -= run;
    }
    record->present |= written;
    record->writing = {};
    record->owner = 0;
    return map.WritePage(page, *record);
  });
}

bool Tier::Release(const TierMap& map, uint64_t page) {
  const auto released = Commit(map, page, {}, {});
  if (!released) Tell(released.error());
  return released.has_value();
}

uint64_t Tier::Drop(const TierMap& map, uint64_t page, UnitSet units) {
  const Locked lock(*this, kPatience);
  if (!lock || IsGone(map)) return 0;
  uint64_t bytes = 0;
  const auto drop = [&]() -> Result<void> {
    if (auto settled = Settle(); !settled) return Propagate(std::move(settled));
    auto record = map.ReadPage(page);
    if (!record) return Propagate(std::move(record));
    const UnitSet dropped = units & record->present;
    if (dropped.empty()) return {};
    bytes = uint64_t{dropped.count()} * UnitSet::kUnitBytes;
    return Change(-static_cast<int64_t>(bytes), [&]() -> Result<void> {
      // In this order: who is killed in between leaves a record that tells too much, and not bytes that none tells.
      if (auto punched = map.Punch(page, dropped); !punched) return punched;
      record->present -= dropped;
      return map.WritePage(page, *record);
    });
  };
  if (const auto dropped = drop(); !dropped) Tell(dropped.error());
  return bytes;
}

// --- Room

Result<void> Tier::MakeRoom(uint64_t bytes, const TierMap* keep, uint64_t keep_page) {
  auto taken = Settle();
  if (!taken) return Propagate(std::move(taken));
  if (*taken + bytes <= most_bytes_) return {};
  const uint64_t missing = *taken + bytes - most_bytes_;
  const uint64_t batch = std::min(most_bytes_ / kBatchShare, kMostBatchBytes);
  auto evicted = Evict(
      {.needed_bytes = missing, .at_least_bytes = std::max(missing, batch), .keep = keep, .keep_page = keep_page});
  if (!evicted) return evicted;
  taken = ReadTaken();
  if (!taken) return Propagate(std::move(taken));
  if (*taken + bytes > most_bytes_)
    return SystemError(ENOSPC, "tier '{}': {} bytes are more than tier_size leaves", directory_, bytes);
  return {};
}

void Tier::Follow(const TierKey& key, std::shared_ptr<const TierFuture> future, uint16_t number) {
  const MutexLock lock(mutex_);
  futures_.insert_or_assign(key.FolderName(), std::pair(std::move(future), number));
}

// A page of a followed volume may stand for another one of these: the places that they have among all stay theirs.
void Tier::ApplyFutures(std::span<const TierMap> maps, std::span<Candidate> candidates) const {
  struct Ranked {
    uint64_t rank;
    Candidate candidate;
  };
  std::vector<size_t> places;
  std::vector<Ranked> followed;
  const MutexLock lock(mutex_);
  for (size_t place = 0; place < candidates.size(); ++place) {
    const Candidate& candidate = candidates[place];
    const auto future = futures_.find(maps[candidate.map].key().FolderName());
    if (future == futures_.end()) continue;
    places.push_back(place);
    const auto& [of_pages, number] = future->second;
    followed.push_back({of_pages->Rank(number, candidate.page, candidate.used_at_ms), candidate});
  }
  std::ranges::sort(followed, {}, &Ranked::rank);
  for (size_t i = 0; i < places.size(); ++i) candidates[places[i]] = followed[i].candidate;
}

Result<void> Tier::Evict(const Eviction& wanted) {
  uint64_t needed_bytes = wanted.needed_bytes;
  uint64_t at_least_bytes = wanted.at_least_bytes;
  uint64_t may_go_bytes = 0;
  std::vector<TierMap> maps;
  std::vector<Candidate> candidates;
  const auto names = FolderNames();
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    auto map = TierMap::Open(PathOf(name));
    if (!map) continue;
    const size_t before = candidates.size();
    const bool is_kept_one = wanted.keep != nullptr && wanted.keep->key().words == map->key().words;
    bool has_claims = is_kept_one;
    const auto looked = map->ForEachPage([&](uint64_t page, const TierPage& record) -> Result<void> {
      has_claims |= !record.writing.empty();
      const bool stays = record.present.empty() || !record.writing.empty() || (is_kept_one && page == wanted.keep_page);
      if (stays) return {};
      candidates.push_back({record.used_at_ms, maps.size(), page, record.bytes()});
      may_go_bytes += record.bytes();
      return {};
    });
    if (!looked) return looked;
    // Nothing in it, and nobody uses it.
    const auto own_bytes = static_cast<int64_t>(map->own_bytes());
    if (candidates.size() == before && !has_claims && TierMap::Remove(PathOf(name))) {
      if (auto changed = Change(-own_bytes, [] { return Result<void>(); }); !changed) return changed;
      at_least_bytes -= std::min(at_least_bytes, static_cast<uint64_t>(own_bytes));
      needed_bytes -= std::min(needed_bytes, static_cast<uint64_t>(own_bytes));
      continue;
    }
    maps.push_back(*std::move(map));
  }
  if (may_go_bytes < needed_bytes) return {};
  std::ranges::sort(candidates, {}, &Candidate::used_at_ms);
  ApplyFutures(maps, candidates);
  uint64_t freed = 0;
  for (const Candidate& candidate : candidates) {
    if (freed >= at_least_bytes && candidate.used_at_ms >= wanted.not_since_ms) break;
    const TierMap& map = maps[candidate.map];
    auto changed = Change(-static_cast<int64_t>(candidate.bytes), [&]() -> Result<void> {
      auto record = map.ReadPage(candidate.page);
      if (!record) return Propagate(std::move(record));
      // In this order, as in Drop.
      if (auto punched = map.Punch(candidate.page, record->present); !punched) return punched;
      record->present = {};
      return map.WritePage(candidate.page, *record);
    });
    if (!changed) return changed;
    freed += candidate.bytes;
  }
  return {};
}

// --- The tier as a whole

Result<std::vector<Tier::VolumeFigures>> Tier::List() {
  std::vector<VolumeFigures> volumes;
  const auto names = FolderNames();
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    const auto map = TierMap::Open(PathOf(name));
    if (!map) continue;  // taken away just now
    VolumeFigures figures{.folder = name,
                          .source = map->key().source,
                          .first_byte = map->key().first_page * kPageBytes,
                          .volume_bytes = map->key().volume_bytes - map->key().first_page * kPageBytes,
                          .own_bytes = map->own_bytes(),
                          .created_at_ms = map->created_at_ms(),
                          .is_used = map->IsUsed()};
    const auto looked = map->ForEachPage([&](uint64_t, const TierPage& record) -> Result<void> {
      figures.present_bytes += uint64_t{record.present.count()} * UnitSet::kUnitBytes;
      figures.used_at_ms = std::max(figures.used_at_ms, record.used_at_ms);
      return {};
    });
    if (!looked) return std::unexpected(looked.error());
    volumes.push_back(std::move(figures));
  }
  return volumes;
}

Result<Tier::Checked> Tier::Verify(const std::string& folder, const std::function<bool(uint64_t bytes)>& on_progress) {
  const auto map = TierMap::Open(PathOf(folder));
  if (!map) return std::unexpected(map.error());
  Checked checked;
  for (uint64_t page = map->key().first_page; page < map->key().page_end(); ++page) {
    const auto record = map->ReadPage(page);
    if (!record) return std::unexpected(record.error());
    const UnitSet wrong = map->FindWrong(page, record->present);
    checked.right_bytes += uint64_t{record->present.count() - wrong.count()} * UnitSet::kUnitBytes;
    if (!wrong.empty()) checked.dropped_bytes += Drop(*map, page, wrong);
    if (!on_progress(uint64_t{record->present.count()} * UnitSet::kUnitBytes)) break;
  }
  return checked;
}

Result<uint64_t> Tier::Prune(uint64_t most_bytes, uint64_t not_since_ms) {
  const Locked lock(*this, kLongPatience);
  if (!lock) return SystemError(EBUSY, "tier '{}'", directory_);
  auto taken = CountAnew();
  if (!taken) return taken;
  const uint64_t surplus = *taken > most_bytes ? *taken - most_bytes : 0;
  if (auto evicted = Evict({.at_least_bytes = surplus, .not_since_ms = not_since_ms}); !evicted)
    return Propagate(std::move(evicted));
  // Volumes of which nothing is left.
  if (auto evicted = Evict({}); !evicted) return Propagate(std::move(evicted));
  return CountAnew();
}

Result<bool> Tier::Remove(const std::string& folder) {
  if (!IsFolderName(folder)) return Invalid("'{}' is no volume of a tier", folder);
  const Locked lock(*this, kLongPatience);
  if (!lock) return SystemError(EBUSY, "tier '{}'", directory_);
  const bool is_removed = TierMap::Remove(PathOf(folder));
  if (auto counted = CountAnew(); !counted) return Propagate(std::move(counted));
  return is_removed;
}

void Tier::Tell(const Error& error) {
  faults_.fetch_add(1, std::memory_order_relaxed);
  const uint64_t now = MonotonicMs();
  paused_until_ms_ = now + kPauseMs;
  uint64_t quiet_until = quiet_until_ms_.load(std::memory_order_relaxed);
  if (now < quiet_until) return;
  if (quiet_until_ms_.compare_exchange_strong(quiet_until, now + kQuietMs))
    Log(LogLevel::kWarning, "tier '{}': {}; what it cannot give is read from where it came", directory_, error.message);
}

}  // namespace quire
