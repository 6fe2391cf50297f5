// SPDX-License-Identifier: Apache-2.0
#include "tools/fetch/unfinished_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "format/checksum.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr const char* kTag = "quire-fetch";
// Of direct writes, which no file system wants aligned to more, and of the parts of the file.
constexpr uint64_t kSectorBytes = 4096;
constexpr uint64_t kWordBits = 64;

// What stands behind the bits of a record. Read by machines of the same byte order alone: a file system that both
// orders share would show another magic.
struct RecordHead {
  static constexpr uint64_t kMagic = 0x3148435445465151;  // "QQFETCH1"

  uint64_t magic = kMagic;
  uint64_t sequence = 0;
  uint64_t pack_bytes = 0;
  uint64_t identity_sum = 0;
  uint64_t bitmap_sum = 0;
  uint64_t state_bytes = 0;
  std::array<char, kSectorBytes - 7 * sizeof(uint64_t)> state = {};  // cut where it is longer
  uint64_t sum = 0;                                                  // of all before
};
static_assert(sizeof(RecordHead) == kSectorBytes);

uint64_t SumOf(const RecordHead& head) {
  return Xxh3(std::as_bytes(std::span(&head, 1)).first(offsetof(RecordHead, sum)));
}

std::optional<RecordHead> ReadHead(const File& file, uint64_t offset) {
  RecordHead head;
  if (!file.ReadExactly(offset, std::as_writable_bytes(std::span(&head, 1)))) return std::nullopt;
  const bool is_whole =
      head.magic == RecordHead::kMagic && head.sum == SumOf(head) && head.state_bytes <= head.state.size();
  return is_whole ? std::optional(head) : std::nullopt;
}

uint64_t SumOf(const CopyOrigin& origin) {
  const std::string text = origin.state + '\n' + origin.contents;
  return Xxh3(std::as_bytes(std::span(text)));
}

uint64_t SizeOf(const File& file) {
  struct stat status{};
  return fstat(file.fd(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

Result<std::unique_ptr<UnfinishedCopy>> UnfinishedCopy::Open(const std::string& path, bool replace,
                                                             const CopyOrigin& origin,
                                                             const std::function<void(const std::string&)>& tell) {
  auto output = OutputFile::Resume(path, replace, kTag);
  if (!output) return Propagate(std::move(output));
  const bool was_begun = (*output)->was_begun() && SizeOf((*output)->file()) > 0;
  std::unique_ptr<UnfinishedCopy> copy(new UnfinishedCopy(path, origin, *std::move(output)));
  if (was_begun && copy->ReadRecords()) {
    copy->is_kept_ = true;
    copy->OpenDirect();
    return copy;
  }
  if (was_begun) {
    const auto old_state = copy->ReadOldState();
    tell(fmt::format("begins anew: {} is {}", copy->unfinished_path(),
                     old_state ? fmt::format("of another state, {}", *old_state) : "nothing that can be gone on with"));
  }
  if (auto begun = copy->BeginAnew(); !begun) return Propagate(std::move(begun));
  copy->OpenDirect();
  return copy;
}

UnfinishedCopy::UnfinishedCopy(std::string path, const CopyOrigin& origin, std::unique_ptr<OutputFile> output)
    : path_(std::move(path)),
      state_(origin.state),
      identity_sum_(SumOf(origin)),
      pack_bytes_(origin.pack_bytes),
      page_count_(CeilDiv(pack_bytes_, kPageBytes)),
      bitmap_bytes_(AlignUp(CeilDiv(page_count_, 8), kSectorBytes)),
      output_(std::move(output)),
      present_(bitmap_bytes_ / sizeof(uint64_t)) {}

std::string UnfinishedCopy::unfinished_path() const {
  return fmt::format("{}/{}", output_->folder(), output_->temporary_name());
}

uint32_t UnfinishedCopy::PageBytes(uint64_t page) const {
  return static_cast<uint32_t>(std::min<uint64_t>(kPageBytes, pack_bytes_ - page * kPageBytes));
}

// Two records take turns; `RecordAt(2)` is the end of the file.
uint64_t UnfinishedCopy::RecordAt(uint64_t sequence) const {
  return AlignUp(pack_bytes_, kSectorBytes) + sequence * (bitmap_bytes_ + kSectorBytes);
}

bool UnfinishedCopy::ReadRecords() {
  if (SizeOf(file()) != RecordAt(2)) return false;
  bool is_found = false;
  const MutexLock lock(mutex_);
  std::vector<uint64_t> bits(present_.size());
  for (const uint64_t place : {0, 1}) {
    const auto head = ReadHead(file(), RecordAt(place) + bitmap_bytes_);
    if (!head || head->identity_sum != identity_sum_ || head->pack_bytes != pack_bytes_) continue;
    if (is_found && head->sequence < sequence_) continue;
    if (!file().ReadExactly(RecordAt(place), std::as_writable_bytes(std::span(bits)))) continue;
    if (Xxh3(std::as_bytes(std::span(bits))) != head->bitmap_sum) continue;
    is_found = true;
    sequence_ = head->sequence;
    present_ = bits;
  }
  return is_found;
}

std::optional<std::string> UnfinishedCopy::ReadOldState() const {
  const uint64_t bytes = SizeOf(file());
  if (bytes < kSectorBytes) return std::nullopt;
  const auto head = ReadHead(file(), bytes - kSectorBytes);
  if (!head) return std::nullopt;
  return std::string(head->state.data(), head->state_bytes);
}

Result<void> UnfinishedCopy::BeginAnew() {
  // Synced before anything is written: else a record of before could come back, over pages of now.
  if (SizeOf(file()) > 0 && (ftruncate(file().fd(), 0) != 0 || fsync(file().fd()) != 0))
    return SystemError(errno, "{}", unfinished_path());
  output_->KeepUnfinished(false);
  if (auto taken = TakeSpace(); !taken) return taken;
  const std::vector<uint64_t> none(bitmap_bytes_ / sizeof(uint64_t));
  for (const uint64_t sequence : {0, 1})
    if (auto written = WriteRecord(sequence, none); !written) return written;
  sequence_ = 1;
  return {};
}

Result<void> UnfinishedCopy::TakeSpace() const {
  const auto bytes = static_cast<off_t>(RecordAt(2));
  int failure = 0;
  do failure = fallocate(file().fd(), 0, 0, bytes) == 0 ? 0 : errno;
  while (failure == EINTR);
  // NFS before 4.2, and others: the disk tells when it is full.
  if (failure == EOPNOTSUPP || failure == ENOSYS || failure == EINVAL)
    failure = ftruncate(file().fd(), bytes) == 0 ? 0 : errno;
  if (failure == 0) return {};
  struct statvfs disk{};
  if (failure == ENOSPC && fstatvfs(file().fd(), &disk) == 0)
    return SystemError(failure, "{}: it takes {} bytes, and its disk has {} free", path_, bytes,
                       disk.f_bavail * disk.f_frsize);
  return SystemError(failure, "{}: taking {} bytes for it", path_, bytes);
}

// Past the page cache: the bytes come from a buffer that nobody reads again, and would push out what others read.
void UnfinishedCopy::OpenDirect() {
  auto direct = File::Open(ProcPath(file().fd()), O_WRONLY | O_DIRECT);
  if (direct) direct_ = *std::move(direct);
}

Result<void> UnfinishedCopy::WritePage(uint64_t page, std::span<const std::byte> bytes) {
  assert(page < page_count_ && bytes.size() == PageBytes(page));
  const uint64_t offset = page * kPageBytes;
  const bool is_aligned =
      bytes.size() % kSectorBytes == 0 && reinterpret_cast<uintptr_t>(bytes.data()) % kSectorBytes == 0;
  Result<void> written;
  if (is_aligned && direct_.is_open()) written = direct_.WriteAll(offset, bytes);
  // Some file systems accept the flag and refuse the write.
  const bool is_refused = !written && written.error().system_errno == EINVAL;
  if (!is_aligned || !direct_.is_open() || is_refused) {
    written = file().WriteAll(offset, bytes);
    // Write-back begins now, so that a sync has little left to wait for. Only a hint: errors come back in fdatasync.
    if (written)
      sync_file_range(file().fd(), static_cast<off_t>(offset), static_cast<off_t>(bytes.size()), SYNC_FILE_RANGE_WRITE);
  }
  if (!written) {
    written.error().message = fmt::format("{}: {}", unfinished_path(), written.error().message);
    return written;
  }
  const MutexLock lock(mutex_);
  present_[page / kWordBits] |= uint64_t{1} << page % kWordBits;
  return {};
}

void UnfinishedCopy::Forget(std::span<const uint64_t> pages) {
  const MutexLock lock(mutex_);
  for (const uint64_t page : pages) present_[page / kWordBits] &= ~(uint64_t{1} << page % kWordBits);
}

std::vector<uint64_t> UnfinishedCopy::MissingPages() const {
  std::vector<uint64_t> missing;
  const MutexLock lock(mutex_);
  for (uint64_t page = 0; page < page_count_; ++page)
    if ((present_[page / kWordBits] >> page % kWordBits & 1) == 0) missing.push_back(page);
  return missing;
}

Result<void> UnfinishedCopy::Record() {
  std::vector<uint64_t> present;
  {
    const MutexLock lock(mutex_);
    present = present_;
  }
  if (fdatasync(file().fd()) != 0) return SystemError(errno, "{}: fdatasync", unfinished_path());
  if (auto written = WriteRecord(sequence_ + 1, present); !written) return written;
  ++sequence_;
  is_kept_ = is_kept_ || std::ranges::any_of(present, [](uint64_t word) { return word != 0; });
  output_->KeepUnfinished(is_kept_);
  return {};
}

// It is on the disk with the next sync; until then the other record is.
Result<void> UnfinishedCopy::WriteRecord(uint64_t sequence, std::span<const uint64_t> present) const {
  const auto bits = std::as_bytes(present);
  RecordHead head;
  head.sequence = sequence;
  head.pack_bytes = pack_bytes_;
  head.identity_sum = identity_sum_;
  head.bitmap_sum = Xxh3(bits);
  head.state_bytes = std::min(state_.size(), head.state.size());
  std::memcpy(head.state.data(), state_.data(), head.state_bytes);
  head.sum = SumOf(head);
  std::vector<std::byte> record(bits.begin(), bits.end());
  const auto head_bytes = std::as_bytes(std::span(&head, 1));
  record.insert(record.end(), head_bytes.begin(), head_bytes.end());
  auto written = file().WriteAll(RecordAt(sequence % 2), record);
  if (!written) written.error().message = fmt::format("{}: {}", unfinished_path(), written.error().message);
  return written;
}

Result<void> UnfinishedCopy::Finish() {
  assert(MissingPages().empty());
  if (ftruncate(file().fd(), static_cast<off_t>(pack_bytes_)) != 0 || fsync(file().fd()) != 0)
    return SystemError(errno, "{}", unfinished_path());
  auto committed = output_->Commit();
  if (!committed) committed.error().message = fmt::format("{}: {}", path_, committed.error().message);
  return committed;
}

}  // namespace quire
