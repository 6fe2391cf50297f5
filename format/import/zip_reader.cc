// SPDX-License-Identifier: Apache-2.0
#include "format/import/zip_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/import/zip_names.h"
#include "format/pack/geometry.h"
#include "format/pack/inflate.h"
#include "format/pack/records.h"

namespace quire {
namespace {

// A local header is at most 30 + 2 * 65535 bytes, 128.1 KiB, and one must fit.
constexpr size_t kPieceBytes = 256 << 10;
static_assert(kPieceBytes >= kZipLocalBytes + size_t{2} * 65535);
// A header this near behind the one before is read with the piece that it begins, in which 3 more may follow. A disk of
// 1 ms and 250 MB/s takes 2 ms for the piece, and 4 ms to read these one by one; an NVMe disk of 80 us and 3 GB/s 170
// us and 320 us. Where samples are larger each header is read alone.
constexpr uint64_t kNearBytes = 64 << 10;
// A page, which the kernel reads anyway: the header with its name and extra fields is rarely more than 200 bytes.
constexpr size_t kAloneBytes = 4096;

// 4.4.15: the lower half is that of DOS; a unix host has its mode in the upper one.
constexpr uint32_t kDosReadOnly = 0x01;
constexpr uint32_t kDosDirectory = 0x10;
constexpr size_t kMaxDeflatedTargetBytes = 2 * kMaxTargetBytes;
constexpr uint32_t kAllWriteBits = 0222;
constexpr uint32_t kModeBits = 07777;

uint32_t UnixModeOf(const ZipEntry& entry) { return entry.is_of_unix() ? entry.attributes >> 16U : 0; }

Result<MemberKind> KindOf(const ZipEntry& entry, std::string_view path) {
  if (path.ends_with('/')) return MemberKind::kDirectory;
  switch (UnixModeOf(entry) & S_IFMT) {
    case S_IFREG:
      return MemberKind::kFile;
    case S_IFDIR:
      return MemberKind::kDirectory;
    case S_IFLNK:
      return MemberKind::kSymlink;
    case 0:
      return (entry.attributes & kDosDirectory) != 0 ? MemberKind::kDirectory : MemberKind::kFile;
    case S_IFIFO:
      return Unsupported("a FIFO");
    case S_IFSOCK:
      return Unsupported("a socket");
    case S_IFBLK:
    case S_IFCHR:
      return Unsupported("a device");
    default:
      return Unsupported("a file of the unknown type {:#o}", UnixModeOf(entry) & S_IFMT);
  }
}

uint32_t ModeOf(const ZipEntry& entry, MemberKind kind) {
  if (const uint32_t mode = UnixModeOf(entry); mode != 0) return mode & kModeBits;
  const uint32_t mode = kind == MemberKind::kDirectory ? 0755 : 0644;
  return (entry.attributes & kDosReadOnly) != 0 ? mode & ~kAllWriteBits : mode;
}

Result<void> CheckMethod(const ZipEntry& entry) {
  constexpr uint16_t kAnyEncryption = kZipEncrypted | kZipStronglyEncrypted | kZipHeaderIsMasked;
  if ((entry.flags & kAnyEncryption) != 0 || entry.method == kZipAes)
    return Unsupported("it is encrypted: unpack the archive with its password, and pack the folder");
  if ((entry.flags & kZipPatched) != 0) return Unsupported("it is a patch of another file");
  if (entry.method != kZipStored && entry.method != kZipDeflated)
    return Unsupported(
        "its method is {} ({}), and only stored and deflated members can be read: pack it again with "
        "`zip -0`, or make a pack of the archive by `quire pack --from`",
        entry.method, NameOfZipMethod(entry.method));
  if (entry.disk != 0) return Unsupported("it is on disk {} of a split archive", entry.disk + 1);
  return {};
}

Result<void> CheckSizes(const ZipEntry& entry, MemberKind kind) {
  const uint64_t size = entry.size_bytes;
  if (size > kMaxSampleBytes) return Corrupt("its size of {} bytes is more than a file can have", size);
  if (entry.method == kZipStored && entry.stored_bytes != size)
    return Corrupt("it is stored, and has {} bytes in {}", size, entry.stored_bytes);
  if (entry.method == kZipDeflated)
    if (const auto fault = FaultOfDeflated(size, entry.stored_bytes)) return Corrupt("{}", *fault);
  if (kind == MemberKind::kDirectory && size != 0) return Corrupt("it is a directory with {} bytes of data", size);
  return {};
}

// Compares `header`, whose name is `name`, with `entry`.
Result<void> CheckLocalHeader(const ZipEntry& entry, const ZipLocalHeader& header, std::string_view name) {
  if (name != entry.name) return Corrupt("its local header has another name");
  if (header.method != entry.method)
    return Corrupt("its local header has method {}, the central directory {}", header.method, entry.method);
  if ((header.flags & kZipEncrypted) != 0)
    return Corrupt("its local header says that it is encrypted, the central directory that it is not");
  if ((header.flags & kZipHasDescriptor) != 0) return {};
  if (header.stored_bytes != entry.stored_bytes)
    return Corrupt("its local header has {} stored bytes, the central directory {}", header.stored_bytes,
                   entry.stored_bytes);
  if (header.size_bytes != entry.size_bytes)
    return Corrupt("its local header has a size of {} bytes, the central directory {}", header.size_bytes,
                   entry.size_bytes);
  if (header.crc32 != entry.crc32)
    return Corrupt("its local header has the sum {:08x}, the central directory {:08x}", header.crc32, entry.crc32);
  return {};
}

}  // namespace

Result<std::unique_ptr<ZipReader>> ZipReader::Open(const File& file, uint64_t size_bytes, OnFault on_fault) {
  if (size_bytes > kMaxSampleBytes) return Invalid("an archive of {} bytes is more than a file can have", size_bytes);
  auto directory = FindZipDirectory(file, size_bytes);
  if (!directory) return Propagate(std::move(directory));
  std::unique_ptr<ZipReader> reader(new ZipReader(file, *directory, std::move(on_fault)));
  if (auto collected = reader->CollectHeaderOffsets(); !collected) return Propagate(std::move(collected));
  return reader;
}

ZipReader::ZipReader(const File& file, const ZipDirectory& directory, OnFault on_fault)
    : file_(file),
      directory_(directory),
      on_fault_(std::move(on_fault)),
      walk_(file, directory),
      headers_(file, directory.offset, kPieceBytes) {}

Result<void> ZipReader::CollectHeaderOffsets() {
  // The count may be a lie, but no more than this can be there, and memory that is not written to costs nothing.
  header_offsets_.reserve(std::min({directory_.size_bytes / kZipCentralBytes, directory_.entries, kMaxMembers}));
  ZipDirectoryWalk walk(file_, directory_);
  ZipEntry entry;
  for (;;) {
    auto has_entry = walk.Next(entry);
    if (!has_entry) return Propagate(std::move(has_entry));
    if (!*has_entry) break;
    if (header_offsets_.size() == kMaxMembers)
      return Unsupported("the archive has more than {} members: split it in several", kMaxMembers);
    // Next() refuses those whose offset cannot be known.
    if (entry.header_offset != kZipElsewhere32 || TakeZip64(DecodeZipExtra(entry.extra).zip64, entry))
      header_offsets_.push_back(entry.header_offset);
  }
  if (!std::ranges::is_sorted(header_offsets_)) std::ranges::sort(header_offsets_);
  return {};
}

Result<bool> ZipReader::Next(Member& member) {
  ZipEntry entry;
  for (;;) {
    auto has_entry = walk_.Next(entry);
    if (!has_entry) return has_entry;
    if (!*has_entry) break;
    ++entries_;
    auto read = Read(entry, member);
    if (read) return true;
    if (read.error().code == ErrorCode::kSystem) return Propagate(std::move(read));
    on_fault_(member.path, read.error().message);
  }
  if (!has_ended_) TellEnd();
  return false;
}

void ZipReader::TellEnd() {
  has_ended_ = true;
  if (!walk_.fault().empty()) return on_fault_("", walk_.fault());
  if (directory_.MayHave(entries_)) return;
  on_fault_("", fmt::format("the central directory has {} members, and its end record says {}", entries_,
                            directory_.entries));
}

// An error but kSystem says why the member is refused; its path is set then too.
Result<void> ZipReader::Read(ZipEntry& entry, Member& member) {
  const ZipExtra extra = DecodeZipExtra(entry.extra);
  DecodeZipPath(entry, extra, member.path);
  if (!TakeZip64(extra.zip64, entry)) return Corrupt("its zip64 field lacks what the entry leaves to it");
  const auto kind = KindOf(entry, member.path);
  if (!kind) return std::unexpected(kind.error());
  if (auto checked = CheckMethod(entry); !checked) return checked;
  if (auto checked = CheckSizes(entry, *kind); !checked) return checked;

  member.kind = *kind;
  member.target.clear();
  member.mode = ModeOf(entry, *kind);
  member.mtime = EncodeMtime(extra.mtime ? *extra.mtime : DecodeDosTime(entry.dos_date, entry.dos_time));
  member.size_bytes = 0;
  member.codec = Codec::kStored;
  member.content.clear();
  member.runs.clear();
  member.xattrs.clear();
  member.crc32.reset();

  ZipExtra local_extra;
  auto data_at = FindData(entry, local_extra);
  if (!data_at) return Propagate(std::move(data_at));
  // Info-ZIP's older fields have no owners in the central directory.
  const ZipExtra& owned = extra.uid ? extra : local_extra;
  member.uid = owned.uid.value_or(0);
  member.gid = owned.gid.value_or(0);
  if (*kind == MemberKind::kSymlink) return ReadTarget(entry, *data_at, member);
  if (*kind != MemberKind::kFile) return {};
  member.size_bytes = entry.size_bytes;
  member.crc32 = entry.crc32;
  if (entry.size_bytes == 0) return {};  // what deflate makes of no bytes need not be read
  if (entry.method == kZipDeflated) member.codec = Codec::kDeflate;
  member.runs.push_back({.file_offset = 0, .offset = *data_at, .length_bytes = entry.stored_bytes});
  return {};
}

// Where in the file the data begins, by the local header, which is checked. Its views in `extra` are valid until the
// next call.
Result<uint64_t> ZipReader::FindData(const ZipEntry& entry, ZipExtra& extra) {
  const uint64_t room = directory_.offset - directory_.base;  // for headers and data
  if (room < kZipLocalBytes || entry.header_offset > room - kZipLocalBytes)
    return Corrupt("its local header at {} would not lie before the central directory", entry.header_offset);
  const uint64_t at = directory_.base + entry.header_offset;
  const size_t ahead = at >= last_header_at_ && at - last_header_at_ <= kNearBytes ? kPieceBytes : kAloneBytes;
  last_header_at_ = at;
  auto fixed = headers_.Get(at, kZipLocalBytes, ahead);
  if (!fixed) return Propagate(std::move(fixed));
  if (fixed->size() < kZipLocalBytes) return Corrupt("its local header is cut: the archive has become shorter");
  ZipLocalHeader header = DecodeZipLocalHeader(*fixed);
  if (header.signature != kZipLocalSignature) return Corrupt("there is no local header at {}", entry.header_offset);
  const size_t header_bytes = kZipLocalBytes + header.name_bytes + header.extra_bytes;
  if (header_bytes > directory_.offset - at || entry.stored_bytes > directory_.offset - at - header_bytes)
    return Corrupt("its data would reach into the central directory");
  auto whole = headers_.Get(at, header_bytes, ahead);
  if (!whole) return Propagate(std::move(whole));
  if (whole->size() < header_bytes) return Corrupt("its local header is cut: the archive has become shorter");

  extra = DecodeZipExtra(whole->subspan(kZipLocalBytes + header.name_bytes));
  if ((header.flags & kZipHasDescriptor) == 0 && !TakeZip64(extra.zip64, header))
    return Corrupt("the zip64 field of its local header lacks what the header leaves to it");
  if (auto checked = CheckLocalHeader(entry, header, AsText(whole->subspan(kZipLocalBytes, header.name_bytes)));
      !checked)
    return Propagate(std::move(checked));
  const uint64_t data_at = at + header_bytes;
  if (auto checked = CheckNextHeader(entry, data_at + entry.stored_bytes - directory_.base); !checked)
    return Propagate(std::move(checked));
  return data_at;
}

// That no other entry points to the header of `entry`, or before `data_end`, behind it; both count from the archive's
// begin. Of two members that overlap the first is refused, so those that are left do not.
Result<void> ZipReader::CheckNextHeader(const ZipEntry& entry, uint64_t data_end) {
  const auto begin = header_offsets_.begin();
  const auto end = header_offsets_.end();
  const uint64_t offset = entry.header_offset;
  // Nearly always the entries stand in the order of their headers, and the search is over.
  auto found = begin + static_cast<ptrdiff_t>(next_header_);
  if (found == end || *found != offset) found = std::lower_bound(begin, end, offset);
  const auto next = found != end && *found == offset ? found + 1 : found;
  next_header_ = static_cast<size_t>(next - begin);
  const bool is_shared = (next != end && *next == offset) || (found != begin && found[-1] == offset);
  if (is_shared) return Corrupt("another member has the same local header at {}", offset);
  if (next != end && data_end > *next) return Corrupt("its data overlaps that of the member at {}", *next);
  return {};
}

Result<void> ZipReader::ReadTarget(const ZipEntry& entry, uint64_t data_at, Member& member) const {
  if (entry.size_bytes == 0 || entry.size_bytes > kMaxTargetBytes)
    return Corrupt("it is a symlink with a target of {} bytes, and 1 to {} can be", entry.size_bytes, kMaxTargetBytes);
  std::array<std::byte, kMaxTargetBytes> buffer;
  const auto target = std::span(buffer).first(entry.size_bytes);
  std::array<std::byte, kMaxDeflatedTargetBytes> stored;
  const bool is_deflated = entry.method == kZipDeflated;
  if (is_deflated && entry.stored_bytes > stored.size())
    return Corrupt("it is a symlink with {} deflated bytes", entry.stored_bytes);
  const auto read_bytes = is_deflated ? std::span(stored).first(entry.stored_bytes) : target;
  if (auto read = file_.ReadExactly(data_at, read_bytes); !read) return read;
  if (is_deflated && !InflateWhole(read_bytes, target)) return Corrupt("the deflated target of the symlink is damaged");
  if (Crc32(target) != entry.crc32) return Corrupt("the target of the symlink does not have its sum");
  if (AsText(target).contains('\0')) return Corrupt("the target of the symlink has a zero byte");
  member.target = AsText(target);
  return {};
}

}  // namespace quire
