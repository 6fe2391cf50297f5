// SPDX-License-Identifier: Apache-2.0
#include "cache/memory/memory_gauge.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string_view>
#include <utility>

#include "cache/memory/control_groups.h"

namespace quire {
namespace {

// A process that was moved to another control group does not see it: its old group mostly lives on. Batch systems move
// a job's processes when they start it, and reading which groups we are in takes a lock of the whole kernel.
constexpr std::chrono::seconds kLookForMoveEvery{5};

// "some avg10", in hundredths of a percent: of the last ten seconds or so, the share in which at least one task waited
// for memory. A tenth: the kernel's figure is an average that forgets by e in 10 s and is renewed every 2 s, so a
// machine that thrashes the whole time is past it after 2 s (18 %), and one that stops is below it within 25 s.
// Measured in a group of 512 MiB: 2 % while cat(1) streams a file of 2 GB, 11 to 19 % while 700 MiB of it are touched
// at random.
constexpr uint64_t kStallHundredths = 1000;
// Waits count only where less than half of the memory is left. A program that streams files through a group's page
// cache waits as well, each time that the kernel drops some to make room, but what is cached counts as left; and a
// neighbour that thrashes within its own limit leaves the machine's memory as it is.
constexpr uint64_t kScarcePercent = 50;
// Without PSI: half of the share (10 %) at which earlyoom, which knows no more than that, begins to end programs.
constexpr uint64_t kShortPercent = 5;

// "some avg10=12.34 avg60=..." gives 1234.
std::optional<uint64_t> ParseStall(std::string_view text) {
  constexpr std::string_view kPrefix = "some avg10=";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  text = text.substr(0, text.find(' '));
  const size_t point = text.find('.');
  if (point == std::string_view::npos || text.size() != point + 3) return std::nullopt;
  const auto percent = ParseNumber(text.substr(0, point));
  const auto hundredths = ParseNumber(text.substr(point + 1));
  if (!percent || !hundredths || *percent > 100) return std::nullopt;
  return *percent * 100 + *hundredths;
}

// The cached files of a group and of all below it, which are given back when memory is short.
uint64_t CachedBytes(std::string_view statistics, bool is_v2) {
  if (is_v2)
    return FindNumber(statistics, "inactive_file").value_or(0) + FindNumber(statistics, "active_file").value_or(0);
  return FindNumber(statistics, "total_inactive_file").value_or(0) +
         FindNumber(statistics, "total_active_file").value_or(0);
}

// Opens `path` if it exists and can be read; else the file that is returned is not open. An error only where there are
// no descriptors, or no memory, so that nothing is known about the file.
Result<File> OpenIfReadable(const std::string& path) {
  File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open() && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) return SystemError(errno, "{}", path);
  // Some are there and cannot be read: PSI that was switched off at boot.
  SmallText text;
  if (file.is_open() && !text.Read(file.fd())) return File();
  return file;
}

}  // namespace

MemoryGauge::MemoryGauge(std::string root, Clock::time_point (*now)()) : root_(std::move(root)), now_(now) {}

Result<std::unique_ptr<MemoryGauge>> MemoryGauge::Create(const std::string& root, Clock::time_point (*now)()) {
  auto files = FindFiles(root);
  if (!files) return Propagate(std::move(files));
  std::unique_ptr<MemoryGauge> gauge(new MemoryGauge(root, now));
  {
    const MutexLock lock(gauge->mutex_);
    gauge->files_ = std::move(*files);
    gauge->looked_for_move_at_ = now();
    gauge->limit_hits_ = gauge->CountLimitHitsLocked();
  }
  gauge->ReadAvailable();
  return gauge;
}

Result<MemoryGauge::Files> MemoryGauge::FindFiles(const std::string& root) {
  Files files;
  SmallText text;
  // What groups we are in before what they are: should we be moved between the two, it will be seen.
  for (const auto& [file, path] :
       {std::pair(&files.machine, "/proc/meminfo"), std::pair(&files.pressure, "/proc/pressure/memory"),
        std::pair(&files.own_groups, "/proc/self/cgroup")}) {
    auto opened = OpenIfReadable(root + path);
    if (!opened) return Propagate(std::move(opened));
    *file = std::move(*opened);
  }
  if (!text.Read(files.machine.fd()) || !FindKibibytes(text.text(), "MemAvailable:") ||
      !FindKibibytes(text.text(), "MemTotal:"))
    return SystemError(ENOENT, "/proc/meminfo has no MemTotal and MemAvailable: is /proc mounted?");
  if (text.Read(files.own_groups.fd())) files.own_groups_text = text.text();
  for (const MemoryGroup& found : FindMemoryGroups(root)) {
    auto group = OpenGroup(found.folder, found.is_v2, found.LimitFiles());
    if (!group) return Propagate(std::move(group));
    files.groups.push_back(std::move(*group));
  }
  return files;
}

Result<MemoryGauge::Group> MemoryGauge::OpenGroup(const std::string& folder, bool is_v2,
                                                  std::span<const char* const> limit_files) {
  Group group;
  group.is_v2 = is_v2;
  std::array<std::pair<File*, const char*>, 6> names = {{
      {&group.used, is_v2 ? "memory.current" : "memory.usage_in_bytes"},
      {&group.statistics, "memory.stat"},
      {&group.limit_hits, is_v2 ? "memory.events" : "memory.failcnt"},
      {&group.pressure, is_v2 ? "memory.pressure" : ""},
  }};
  for (size_t i = 0; i < limit_files.size(); ++i) names[4 + i] = {&group.limits[i], limit_files[i]};
  for (const auto& [file, name] : names) {
    if (file == nullptr || *name == '\0') continue;
    auto opened = OpenIfReadable(fmt::format("{}/{}", folder, name));
    if (!opened) return Propagate(std::move(opened));
    *file = std::move(*opened);
  }
  return group;
}

uint64_t MemoryGauge::ReadAvailable() {
  const MutexLock lock(mutex_);
  return ReadLocked().available_bytes;
}

bool MemoryGauge::IsUnderPressure() {
  const MutexLock lock(mutex_);
  const Reading reading = ReadLocked();
  const auto stall_hundredths = ReadStallLocked();
  if (!stall_hundredths) return reading.least_left_percent < kShortPercent;
  return *stall_hundredths >= kStallHundredths && reading.least_left_percent < kScarcePercent;
}

bool MemoryGauge::HasHitLimit() {
  const MutexLock lock(mutex_);
  const uint64_t before = std::exchange(limit_hits_, CountLimitHitsLocked());
  return limit_hits_ > before;
}

MemoryGauge::Reading MemoryGauge::ReadLocked() {
  if (const auto now = now_(); now - looked_for_move_at_ >= kLookForMoveEvery) {
    looked_for_move_at_ = now;
    if (WasMovedLocked()) FindAgainLocked();
  }
  Reading reading = ReadOnceLocked();
  if (!reading.is_complete) {
    // What still cannot be read does not exist, and is no longer tried.
    FindAgainLocked();
    reading = ReadOnceLocked();
  }
  available_bytes_.store(reading.available_bytes, std::memory_order_relaxed);
  return reading;
}

MemoryGauge::Reading MemoryGauge::ReadOnceLocked() const {
  Reading reading;
  SmallText text;
  // False where there is no such file; one that was there and fails makes the reading incomplete.
  const auto read = [&](const File& file) {
    if (!file.is_open()) return false;
    const bool succeeds = text.Read(file.fd());
    reading.is_complete = reading.is_complete && succeeds;
    return succeeds;
  };
  const auto narrow = [&](uint64_t left_bytes, uint64_t all_bytes) {
    reading.available_bytes = std::min(reading.available_bytes, left_bytes);
    const uint64_t one_percent_bytes = std::max<uint64_t>(1, all_bytes / 100);
    reading.least_left_percent = std::min(reading.least_left_percent, left_bytes / one_percent_bytes);
  };

  const bool has_machine = read(files_.machine);
  const auto machine_bytes = has_machine ? FindKibibytes(text.text(), "MemTotal:") : std::nullopt;
  const auto machine_left_bytes = has_machine ? FindKibibytes(text.text(), "MemAvailable:") : std::nullopt;
  if (!machine_bytes || !machine_left_bytes) {
    reading.is_complete = false;
    reading.least_left_percent = 0;
    return reading;
  }
  reading.available_bytes = *machine_left_bytes;
  narrow(*machine_left_bytes, *machine_bytes);

  for (const Group& group : files_.groups) {
    uint64_t limit_bytes = *machine_bytes;
    for (const File& file : group.limits)
      if (read(file)) limit_bytes = std::min(limit_bytes, ParseNumberLine(text.text()).value_or(limit_bytes));
    // Most groups limit nothing, and the figures below are what costs. A limit above the machine's memory is none.
    if (limit_bytes >= *machine_bytes) continue;
    if (!read(group.used)) continue;
    const auto used_bytes = ParseNumberLine(text.text());
    if (!used_bytes) continue;
    const uint64_t cached_bytes = read(group.statistics) ? CachedBytes(text.text(), group.is_v2) : 0;
    const uint64_t held_bytes = *used_bytes - std::min(*used_bytes, cached_bytes);
    narrow(limit_bytes - std::min(limit_bytes, held_bytes), limit_bytes);
  }
  return reading;
}

void MemoryGauge::FindAgainLocked() {
  try {
    auto files = FindFiles(root_);
    if (!files) return;
    files_ = std::move(*files);
    limit_hits_ = CountLimitHitsLocked();  // other groups count from another number
  } catch (const std::bad_alloc&) {
    // The files that are open stay as they are; the next reading that fails tries again.
  }
}

bool MemoryGauge::WasMovedLocked() const {
  SmallText text;
  if (!files_.own_groups.is_open()) return false;
  return !text.Read(files_.own_groups.fd()) || text.text() != files_.own_groups_text;
}

// The worst that any of the groups, or the machine, tells; nothing where there is no PSI.
std::optional<uint64_t> MemoryGauge::ReadStallLocked() const {
  std::optional<uint64_t> worst;
  SmallText text;
  const auto look = [&](const File& file) {
    if (!file.is_open() || !text.Read(file.fd())) return;
    if (const auto stall = ParseStall(text.text())) worst = std::max(worst.value_or(0), *stall);
  };
  look(files_.pressure);
  for (const Group& group : files_.groups) look(group.pressure);
  return worst;
}

uint64_t MemoryGauge::CountLimitHitsLocked() const {
  uint64_t count = 0;
  SmallText text;
  for (const Group& group : files_.groups) {
    if (!group.limit_hits.is_open() || !text.Read(group.limit_hits.fd())) continue;
    if (group.is_v2)
      count += FindNumber(text.text(), "max").value_or(0) + FindNumber(text.text(), "high").value_or(0);
    else
      count += ParseNumberLine(text.text()).value_or(0);
  }
  return count;
}

}  // namespace quire
