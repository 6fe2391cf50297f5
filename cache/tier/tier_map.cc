// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_map.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "cache/tier/tier_locks.h"
#include "format/checksum.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr uint64_t kHeaderBytes = TierMapHead::kBytes;
constexpr std::array<char, 8> kMagic = {'Q', 'U', 'I', 'R', 'E', 'T', 'M', '2'};
constexpr size_t kMostSourceBytes = 3072;
constexpr size_t kDirectAlignment = 4096;  // the most that a file system asks for
constexpr size_t kRecordsAtATime = 1024;   // 64 KiB
constexpr uint64_t kUseByte = 0;           // of the map, that who uses the volume locks
// More than any file system has: a map that tells more is none.
constexpr uint64_t kMostVolumeBytes = uint64_t{1} << 50;

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t unit_bytes = UnitSet::kUnitBytes;
  uint32_t page_bytes = kPageBytes;
  std::array<uint64_t, 2> key = {};
  uint64_t volume_bytes = 0;
  uint64_t created_at_ms = 0;
  uint64_t id = 0;
  uint64_t source_bytes = 0;
  std::array<char, kMostSourceBytes> source = {};
  // Both are zero in maps of earlier releases, which are of whole volumes.
  uint64_t first_page = 0;
  std::array<uint64_t, 2> below = {};
  std::array<char, kHeaderBytes - kMostSourceBytes - 96> zero = {};
  uint64_t sum = 0;  // of all before
};
static_assert(sizeof(Header) == kHeaderBytes);

uint64_t SumOf(const Header& header) {
  return Xxh3(std::as_bytes(std::span(&header, 1)).first(kHeaderBytes - sizeof(header.sum)));
}

// Where there is no randomness it is the time.
uint64_t DrawId() {
  uint64_t id = TierNowMs();
  [[maybe_unused]] const ssize_t got = getrandom(&id, sizeof(id), 0);
  return id;
}

// Links are not followed: who shares the tier could lead a daemon elsewhere.
Result<File> OpenIn(const std::string& folder, const char* name, int flags, unsigned mode = 0) {
  return File::Open(folder + '/' + name, flags | O_RDWR | O_NOFOLLOW, mode);
}

// Directly, since what is kept would otherwise be in memory twice; where the file system refuses that, buffered.
Result<File> OpenData(const std::string& folder, int flags, unsigned mode = 0) {
  auto direct = OpenIn(folder, "data", flags | O_DIRECT, mode);
  if (direct || direct.error().system_errno != EINVAL) return direct;
  return OpenIn(folder, "data", flags & ~O_EXCL, mode);
}

}  // namespace

uint64_t TierNowMs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

TierKey TierKey::Of(std::string_view identity, uint64_t volume_bytes, std::string source) {
  const auto bytes = std::as_bytes(std::span(identity));
  const uint64_t first = Xxh3(bytes);
  // A second one that does not follow from the first.
  const std::string again = fmt::format("{:016x} {}", first, identity);
  if (source.size() > kMostSourceBytes) source.resize(kMostSourceBytes);
  return {.words = {first, Xxh3(std::as_bytes(std::span(again)))},
          .volume_bytes = volume_bytes,
          .source = std::move(source)};
}

std::string TierKey::FolderName(const std::array<uint64_t, 2>& words) {
  return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

uint64_t TierRecordAt(const TierKey& key, uint64_t page) {
  return kHeaderBytes + (page - key.first_page) * sizeof(TierPage);
}

uint64_t TierSumsAt(const TierKey& key, uint64_t page) {
  return AlignUp(TierRecordAt(key, key.page_end()), kHeaderBytes) + (page - key.first_page) * sizeof(TierSums);
}

Result<TierMapHead> TierMapHead::Parse(std::span<const std::byte, kBytes> bytes, const std::string& name) {
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const bool is_ours = header.magic == kMagic && header.sum == SumOf(header);
  if (!is_ours || header.unit_bytes != UnitSet::kUnitBytes || header.page_bytes != kPageBytes ||
      header.volume_bytes > kMostVolumeBytes || header.source_bytes > kMostSourceBytes ||
      header.first_page > CeilDiv(header.volume_bytes, kPageBytes))
    return Corrupt("'{}' is no map of a tier that this release understands", name);
  return TierMapHead{.key = {.words = header.key,
                             .volume_bytes = header.volume_bytes,
                             .source = std::string(header.source.data(), header.source_bytes),
                             .first_page = header.first_page,
                             .below = header.below},
                     .id = header.id,
                     .created_at_ms = header.created_at_ms};
}

uint64_t TierMap::EmptyBytes(uint64_t pages) {
  const TierKey key{.volume_bytes = pages * kPageBytes, .source = {}};
  return AlignUp(TierSumsAt(key, pages), kHeaderBytes);
}

Result<TierMap> TierMap::Open(const std::string& path) {
  auto map = OpenIn(path, "map", 0);
  if (!map) return Propagate(std::move(map));
  std::array<std::byte, kHeaderBytes> bytes = {};
  if (auto read = map->ReadExactly(0, bytes); !read) return Propagate(std::move(read));
  auto head = TierMapHead::Parse(bytes, path);
  if (!head) return Propagate(std::move(head));
  struct stat status = {};
  if (fstat(map->fd(), &status) != 0) return SystemError(errno, "{}", path);
  if (std::cmp_not_equal(status.st_size, EmptyBytes(head->key.page_count())))
    return Corrupt("'{}': its map is cut off", path);
  auto data = OpenData(path, 0);
  if (!data) return Propagate(std::move(data));
  return TierMap(*std::move(map), *std::move(data), *std::move(head));
}

bool TierMap::IsForThisProcess(const Error& error) {
  switch (error.system_errno) {
    case EACCES:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EINTR:
      return true;
    default:
      return false;
  }
}

OwnModes::OwnModes() {
  unshare(CLONE_FS);
  before_ = umask(0);
}

OwnModes::~OwnModes() { umask(before_); }

// In a folder of another name, which is removed by whoever finds it there later.
Result<TierMap> TierMap::Create(const std::string& path, const TierKey& key, bool is_shared) {
  const std::string unfinished = path + std::string(kUnfinished);
  Remove(unfinished);
  const OwnModes modes;
  const unsigned file_mode = is_shared ? 0660 : 0600;
  if (mkdir(unfinished.c_str(), is_shared ? 0770 : 0700) != 0) return SystemError(errno, "tier '{}'", unfinished);
  const auto make = [&]() -> Result<void> {
    auto map = OpenIn(unfinished, "map", O_CREAT | O_EXCL, file_mode);
    if (!map) return Propagate(std::move(map));
    auto data = OpenData(unfinished, O_CREAT | O_EXCL, file_mode);
    if (!data) return Propagate(std::move(data));
    Header header{.key = key.words,
                  .volume_bytes = key.volume_bytes,
                  .created_at_ms = TierNowMs(),
                  .id = DrawId(),
                  .source_bytes = key.source.size(),
                  .first_page = key.first_page,
                  .below = key.below};
    std::ranges::copy(key.source, header.source.begin());
    header.sum = SumOf(header);
    const auto bytes = static_cast<off_t>(EmptyBytes(key.page_count()));
    // What it may come to take has its place now: the disk cannot be full later, in the middle of a record.
    if (const int error = posix_fallocate(map->fd(), 0, bytes); error != 0)
      return SystemError(error, "tier '{}'", unfinished);
    const auto data_bytes = static_cast<off_t>(AlignUp(key.volume_bytes, UnitSet::kUnitBytes));
    if (ftruncate(data->fd(), data_bytes) != 0) return SystemError(errno, "tier '{}'", unfinished);
    return map->WriteAll(0, std::as_bytes(std::span(&header, 1)));
  };
  auto made = make();
  if (made && rename(unfinished.c_str(), path.c_str()) != 0) made = SystemError(errno, "tier '{}'", path);
  if (!made) {
    Remove(unfinished);
    return Propagate(std::move(made));
  }
  return Open(path);
}

AlignedBytes MakeAligned(size_t bytes) {
  void* const memory = std::aligned_alloc(kDirectAlignment, AlignUp(bytes, kDirectAlignment));
  if (memory == nullptr) throw std::bad_alloc();
  return AlignedBytes(static_cast<std::byte*>(memory));
}

bool TierMap::IsUsed() const { return IsByteLocked(map_.fd(), kUseByte); }

bool TierMap::IsGone() const { return map_.IsUnlinked() || data_.IsUnlinked(); }

void TierMap::Empty() const {
  // Where that fails it is given back when the last process that has it open ends.
  fallocate(data_.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
            static_cast<off_t>(AlignUp(std::max<uint64_t>(key().volume_bytes, 1), kPageBytes)));
}

bool TierMap::Use() const { return TryLockByte(map_.fd(), kUseByte, false); }

bool TierMap::Remove(const std::string& path) {
  const auto map = OpenIn(path, "map", 0);
  if (!map && IsForThisProcess(map.error())) return false;
  if (map && !TryLockByte(map->fd(), kUseByte, true)) return false;
  for (const char* const name : {"/data", "/map"}) unlink((path + name).c_str());
  return rmdir(path.c_str()) == 0;
}

Result<TierPage> TierMap::ReadPage(uint64_t page) const {
  TierPage record;
  if (auto read = ReadPages(page, std::span(&record, 1)); !read) return Propagate(std::move(read));
  return record;
}

Result<void> TierMap::ReadPages(uint64_t first, std::span<TierPage> into) const {
  return map_.ReadExactly(TierRecordAt(key(), first), std::as_writable_bytes(into));
}

Result<void> TierMap::ForEachPage(const std::function<Result<void>(uint64_t page, TierPage& record)>& visit) const {
  std::vector<TierPage> records(kRecordsAtATime);
  const uint64_t end = key().page_end();
  for (uint64_t first = key().first_page; first < end; first += kRecordsAtATime) {
    const auto some = std::span(records).first(std::min<uint64_t>(kRecordsAtATime, end - first));
    if (auto read = ReadPages(first, some); !read) return read;
    for (size_t i = 0; i < some.size(); ++i)
      if (auto visited = visit(first + i, some[i]); !visited) return visited;
  }
  return {};
}

Result<void> TierMap::WritePage(uint64_t page, const TierPage& record) const {
  return map_.WriteAll(TierRecordAt(key(), page), std::as_bytes(std::span(&record, 1)));
}

void TierMap::Touch(uint64_t page, uint64_t now_ms) const {
  // Where that fails the page looks older than it is.
  [[maybe_unused]] const auto written =
      map_.WriteAll(TierRecordAt(key(), page) + offsetof(TierPage, used_at_ms), std::as_bytes(std::span(&now_ms, 1)));
}

void TierMap::TellOriginIsAsked(uint64_t page) const {
  constexpr uint32_t kIsAsked = 1;
  // Where that fails a neighbour may ask the origin too.
  [[maybe_unused]] const auto written = map_.WriteAll(TierRecordAt(key(), page) + offsetof(TierPage, is_origin_asked),
                                                      std::as_bytes(std::span(&kIsAsked, 1)));
}

Result<void> TierMap::ReadSums(uint64_t page, unsigned first_unit, std::span<uint64_t> into) const {
  return map_.ReadExactly(TierSumsAt(key(), page) + first_unit * sizeof(uint64_t), std::as_writable_bytes(into));
}

Result<void> TierMap::WriteSums(uint64_t page, unsigned first_unit, std::span<const uint64_t> sums) const {
  return map_.WriteAll(TierSumsAt(key(), page) + first_unit * sizeof(uint64_t), std::as_bytes(sums));
}

size_t TierMap::BytesOf(uint64_t page, unsigned unit) const {
  const uint64_t begin = page * kPageBytes + uint64_t{unit} * UnitSet::kUnitBytes;
  return static_cast<size_t>(
      std::min<uint64_t>(UnitSet::kUnitBytes, key().volume_bytes - std::min(key().volume_bytes, begin)));
}

Result<UnitSet> TierMap::Read(uint64_t page, UnitSet run, std::byte* into) const {
  const unsigned first = run.first();
  const size_t count = run.count();
  const uint64_t offset = page * kPageBytes + uint64_t{first} * UnitSet::kUnitBytes;
  if (auto read = data_.ReadExactly(offset, {into, count * UnitSet::kUnitBytes}); !read)
    return Propagate(std::move(read));
  TierSums sums;
  if (auto read = ReadSums(page, first, std::span(sums).first(count)); !read) return Propagate(std::move(read));
  UnitSet wrong;
  for (unsigned unit = 0; unit < count; ++unit) {
    const std::span<const std::byte> bytes(into + size_t{unit} * UnitSet::kUnitBytes, BytesOf(page, first + unit));
    if (Xxh3(bytes) != sums[unit]) wrong |= UnitSet(first + unit, 1);
  }
  return wrong;
}

Result<void> TierMap::Write(uint64_t page, UnitSet run, const std::byte* from, TierSums& sums) const {
  const unsigned first = run.first();
  const unsigned end = first + run.count();
  unsigned whole_end = end;
  for (unsigned unit = first; unit < end; ++unit) {
    const size_t bytes = BytesOf(page, unit);
    sums[unit] = Xxh3({from + size_t{unit - first} * UnitSet::kUnitBytes, bytes});
    if (bytes < UnitSet::kUnitBytes) whole_end = std::min(whole_end, unit);
  }
  const uint64_t offset = page * kPageBytes + uint64_t{first} * UnitSet::kUnitBytes;
  const size_t whole_bytes = size_t{whole_end - first} * UnitSet::kUnitBytes;
  if (auto written = data_.WriteAll(offset, {from, whole_bytes}); !written || whole_end == end) return written;
  // What lies behind the end of the volume is whatever the memory held: others do not get to see it.
  const auto last = MakeAligned(UnitSet::kUnitBytes);
  std::memset(last.get(), 0, UnitSet::kUnitBytes);
  std::memcpy(last.get(), from + whole_bytes, BytesOf(page, whole_end));
  return data_.WriteAll(offset + whole_bytes, {last.get(), UnitSet::kUnitBytes});
}

UnitSet TierMap::FindWrong(uint64_t page, UnitSet units) const {
  UnitSet wrong;
  const auto buffer = MakeAligned(kPageBytes);
  while (!units.empty()) {
    const UnitSet run(units.first(), units.first_run());
    const auto differing = Read(page, run, buffer.get());
    wrong |= differing ? *differing : run;
    units -= run;
  }
  return wrong;
}

Result<void> TierMap::Punch(uint64_t page, UnitSet units) const {
  while (!units.empty()) {
    const UnitSet run(units.first(), units.first_run());
    const auto offset = static_cast<off_t>(page * kPageBytes + uint64_t{run.first()} * UnitSet::kUnitBytes);
    const auto bytes = static_cast<off_t>(uint64_t{run.count()} * UnitSet::kUnitBytes);
    if (fallocate(data_.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes) != 0)
      return SystemError(errno, "tier, '{}': {} bytes at {} cannot be given back", key().source, bytes, offset);
    units -= run;
  }
  return {};
}

}  // namespace quire
