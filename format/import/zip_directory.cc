// SPDX-License-Identifier: Apache-2.0
#include "format/import/zip_directory.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "format/coding.h"

namespace quire {
namespace {

constexpr uint32_t kZip64EndSignature = 0x06064B50;  // 4.3.14
constexpr uint32_t kLocatorSignature = 0x07064B50;   // 4.3.15
constexpr std::string_view kEndSignature("PK\5\6", 4);
constexpr size_t kEndBytes = 22;  // before the comment
constexpr size_t kZip64EndBytes = 56;
constexpr size_t kLocatorBytes = 20;
constexpr size_t kMaxCommentBytes = 65535;

// An entry is at most 46 + 3 * 65535 bytes, 192.1 KiB, and one must fit. Pieces of this size cost a system call for
// each 2,600 entries of 100 bytes.
constexpr size_t kPieceBytes = 256 << 10;
static_assert(kPieceBytes >= kZipCentralBytes + size_t{3} * 65535);

// What an end record says, by 4.3.16 or 4.3.14.
struct EndRecord {
  uint64_t disk = 0;
  uint64_t directory_disk = 0;
  uint64_t entries_on_disk = 0;
  uint64_t entries = 0;
  uint64_t size_bytes = 0;
  uint64_t offset = 0;
};

EndRecord DecodeEnd(std::span<const std::byte> record) {
  return {.disk = LoadUint<2>(record, 4),
          .directory_disk = LoadUint<2>(record, 6),
          .entries_on_disk = LoadUint<2>(record, 8),
          .entries = LoadUint<2>(record, 10),
          .size_bytes = LoadUint<4>(record, 12),
          .offset = LoadUint<4>(record, 16)};
}

EndRecord DecodeZip64End(std::span<const std::byte> record) {
  return {.disk = LoadUint<4>(record, 16),
          .directory_disk = LoadUint<4>(record, 20),
          .entries_on_disk = LoadUint<8>(record, 24),
          .entries = LoadUint<8>(record, 32),
          .size_bytes = LoadUint<8>(record, 40),
          .offset = LoadUint<8>(record, 48)};
}

// Whether what `end` does not leave to the zip64 record is the same there.
bool Agree(const EndRecord& end, const EndRecord& zip64) {
  const auto agree = [](uint64_t value, uint64_t other, uint64_t elsewhere) {
    return value == elsewhere || value == other;
  };
  return agree(end.disk, zip64.disk, kZipElsewhere16) &&
         agree(end.directory_disk, zip64.directory_disk, kZipElsewhere16) &&
         agree(end.entries_on_disk, zip64.entries_on_disk, kZipElsewhere16) &&
         agree(end.entries, zip64.entries, kZipElsewhere16) &&
         agree(end.size_bytes, zip64.size_bytes, kZipElsewhere32) && agree(end.offset, zip64.offset, kZipElsewhere32);
}

class EndSearch {
 public:
  EndSearch(const File& file, uint64_t size_bytes) : file_(file), size_bytes_(size_bytes) {}

  Result<ZipDirectory> Run() {
    const uint64_t tail_bytes = std::min<uint64_t>(size_bytes_, kEndBytes + kMaxCommentBytes);
    tail_.resize(tail_bytes);
    tail_begin_ = size_bytes_ - tail_bytes;
    if (auto read = file_.ReadExactly(tail_begin_, tail_); !read) return Propagate(std::move(read));
    for (const bool must_end_file : {true, false}) {
      auto found = SearchBackwards(must_end_file);
      if (!found) return Propagate(std::move(found));
      if (*found) return **found;
    }
    if (is_split_)
      return Unsupported(
          "this is the last part of a split archive: `zip -s 0 FILE.zip --out WHOLE.zip` joins the parts");
    return Corrupt(
        "no end of a central directory that fits: this is no zip archive, or it is cut; `zip -FF FILE --out "
        "MENDED.zip` saves what is whole");
  }

 private:
  using Found = std::optional<ZipDirectory>;

  Result<Found> SearchBackwards(bool must_end_file) {
    const std::string_view text = AsText(tail_);
    if (text.size() < kEndBytes) return Found();
    size_t at = text.rfind(kEndSignature, text.size() - kEndBytes);
    for (; at != std::string_view::npos; at = at == 0 ? std::string_view::npos : text.rfind(kEndSignature, at - 1)) {
      const std::span<const std::byte> record = std::span(tail_).subspan(at, kEndBytes);
      const size_t behind = text.size() - at - kEndBytes;
      const size_t comment_bytes = LoadUint<2>(record, 20);
      if (comment_bytes > behind || (comment_bytes == behind) != must_end_file) continue;
      auto found = Try(tail_begin_ + at, DecodeEnd(record), must_end_file);
      if (!found || *found) return found;
    }
    return Found();
  }

  // Nothing where the record `end` at `at` is not consistent.
  Result<Found> Try(uint64_t at, EndRecord end, bool ends_file) {
    auto zip64 = FindZip64End(at, end);
    if (!zip64) return Propagate(std::move(zip64));
    const bool has_zip64 = zip64->has_value();
    if (has_zip64) {
      at = (*zip64)->at;
      end = (*zip64)->end;
    }
    if (end.disk != 0 || end.directory_disk != 0 || end.entries_on_disk != end.entries) {
      // In the last part of an archive the disks count from 0. A record that ends the file says so, and not chance.
      if (ends_file && end.directory_disk <= end.disk && end.entries_on_disk <= end.entries) is_split_ = true;
      return Found();
    }
    if (end.size_bytes > at || end.entries > end.size_bytes / kZipCentralBytes) return Found();
    const uint64_t last_offset = at - end.size_bytes;
    if (end.offset > last_offset) return Found();
    ZipDirectory directory{.size_bytes = end.size_bytes, .entries = end.entries, .counts_modulo = !has_zip64};
    // First as if the record followed right behind, and bytes had been put before the archive, or none.
    for (const uint64_t offset : {last_offset, end.offset}) {
      auto begins = BeginsAt(offset, end.size_bytes);
      if (!begins) return Propagate(std::move(begins));
      if (!*begins) continue;
      directory.offset = offset;
      directory.base = offset - end.offset;
      return directory;
    }
    return Found();
  }

  struct Zip64End {
    uint64_t at = 0;
    EndRecord end;
  };

  // Of the end record `end` at `at`.
  Result<std::optional<Zip64End>> FindZip64End(uint64_t at, const EndRecord& end) const {
    std::optional<Zip64End> none;
    if (at < kLocatorBytes + kZip64EndBytes) return none;
    std::array<std::byte, kLocatorBytes> locator;
    const uint64_t locator_at = at - kLocatorBytes;
    if (auto read = file_.ReadExactly(locator_at, locator); !read) return Propagate(std::move(read));
    if (LoadUint<4>(locator, 0) != kLocatorSignature) return none;
    // Where bytes were put before the archive, the record is found only if it stands right before the locator.
    const uint64_t last = locator_at - kZip64EndBytes;
    for (const uint64_t zip64_at : {LoadUint<8>(locator, 8), last}) {
      if (zip64_at > last) continue;
      std::array<std::byte, kZip64EndBytes> record;
      if (auto read = file_.ReadExactly(zip64_at, record); !read) return Propagate(std::move(read));
      // 4.3.14.1: the size counts what follows it.
      if (LoadUint<4>(record, 0) != kZip64EndSignature || LoadUint<8>(record, 4) != locator_at - zip64_at - 12)
        continue;
      const Zip64End found{.at = zip64_at, .end = DecodeZip64End(record)};
      if (Agree(end, found.end)) return found;
    }
    return none;
  }

  // Whether a central directory of `size_bytes` may begin at `offset`.
  Result<bool> BeginsAt(uint64_t offset, uint64_t size_bytes) const {
    if (size_bytes == 0) return true;
    std::array<std::byte, 4> signature;
    if (auto read = file_.ReadExactly(offset, signature); !read) return Propagate(std::move(read));
    return LoadUint<4>(signature, 0) == kZipCentralSignature;
  }

  const File& file_;
  uint64_t size_bytes_;
  uint64_t tail_begin_ = 0;
  std::vector<std::byte> tail_;
  bool is_split_ = false;
};

}  // namespace

Result<ZipDirectory> FindZipDirectory(const File& file, uint64_t size_bytes) {
  return EndSearch(file, size_bytes).Run();
}

ZipDirectoryWalk::ZipDirectoryWalk(const File& file, const ZipDirectory& directory)
    : window_(file, directory.offset + directory.size_bytes, kPieceBytes),
      at_(directory.offset),
      end_(directory.offset + directory.size_bytes) {}

Result<bool> ZipDirectoryWalk::Next(ZipEntry& entry) {
  if (at_ == end_) return false;
  auto has_entry = Read(entry);
  if (!has_entry || !*has_entry) at_ = end_;
  return has_entry;
}

Result<bool> ZipDirectoryWalk::Read(ZipEntry& entry) {
  const auto broken = [this] {
    fault_ = fmt::format(
        "the central directory is cut or broken at byte {} of the archive: the members that follow are lost; "
        "`zip -FF FILE --out MENDED.zip` may find them",
        at_);
    return false;
  };
  const uint64_t left = end_ - at_;
  auto fixed = window_.Get(at_, std::min<uint64_t>(left, kZipCentralBytes), kPieceBytes);
  if (!fixed) return Propagate(std::move(fixed));
  if (fixed->size() >= 4 && LoadUint<4>(*fixed, 0) == kZipSumsSignature) return false;
  if (fixed->size() < kZipCentralBytes || LoadUint<4>(*fixed, 0) != kZipCentralSignature) return broken();
  const size_t bytes = ZipEntryBytes(*fixed);
  if (bytes > left) return broken();
  auto record = window_.Get(at_, bytes, kPieceBytes);
  if (!record) return Propagate(std::move(record));
  if (record->size() < bytes) return broken();
  entry = DecodeZipEntry(*record);
  at_ += bytes;
  return true;
}

}  // namespace quire
