// SPDX-License-Identifier: Apache-2.0
#include "format/import/tar_reader.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <utility>
#include <vector>

#include "format/coding.h"
#include "format/escaping.h"
#include "format/import/sparse_map.h"
#include "format/pack/geometry.h"
#include "format/pack/records.h"
#include "format/rounding.h"

namespace quire {
namespace {

struct Compression {
  std::string_view magic;
  std::string_view program;
};

constexpr std::array<Compression, 7> kCompressions = {{{"\x1f\x8b", "gzip"},
                                                       {"\x1f\x9d", "gzip"},  // of compress
                                                       {"LZIP", "lzip"},
                                                       {"\x28\xb5\x2f\xfd", "zstd"},
                                                       {std::string_view("\xfd\x37zXZ\0", 6), "xz"},
                                                       {"BZh", "bzip2"},
                                                       {"\x04\x22\x4d\x18", "lz4"}}};

std::string_view UpToNul(std::string_view text) { return text.substr(0, text.find('\0')); }

bool IsOfMember(const Error& error) {
  return error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kUnsupported;
}

Result<uint32_t> DecodeOwner(std::string_view what, std::optional<int64_t> number) {
  if (!number) return Corrupt("its {} is no number", what);
  if (*number < std::numeric_limits<int32_t>::min() || *number > std::numeric_limits<uint32_t>::max())
    return Corrupt("its {} is {}, which is no number of 32 bits", what, *number);
  return static_cast<uint32_t>(*number);
}

}  // namespace

TarReader::TarReader(const File& file, uint64_t size_bytes, OnFault on_fault)
    : on_fault_(std::move(on_fault)), window_(file, size_bytes) {}

Result<std::unique_ptr<TarReader>> TarReader::Open(const File& file, uint64_t size_bytes, OnFault on_fault) {
  std::unique_ptr<TarReader> reader(new TarReader(file, size_bytes, std::move(on_fault)));
  if (auto found = reader->FindFirstHeader(); !found) return Propagate(std::move(found));
  return reader;
}

Result<bool> TarReader::Next(Member& member) {
  while (!is_done_) {
    const auto has_header = FindHeader();
    if (!has_header) return std::unexpected(has_header.error());
    if (!*has_header) {
      is_done_ = true;
      break;
    }
    data_at_ = at_ + kTarBlockBytes;
    switch (header_.type()) {
      case 'g':
      case 'x':
      case 'X':  // Solaris, before pax
      case 'K':
      case 'L': {
        if (auto taken = TakeExtension(); !taken) return Propagate(std::move(taken));
        break;
      }
      default: {
        const auto is_whole = ReadMember(member);
        if (!is_whole) return std::unexpected(is_whole.error());
        ForgetExtensions();
        if (*is_whole) return true;
      }
    }
  }
  return false;
}

Result<bool> TarReader::LoadHeader() {
  const auto block = window_.At(at_, kTarBlockBytes);
  if (!block) return std::unexpected(block.error());
  header_.Load(*block);
  return header_.IsValid();
}

Result<bool> TarReader::FindFirstHeader() {
  const auto zeros_end = FindEndOfZeros();
  if (!zeros_end) return std::unexpected(zeros_end.error());
  // An archive without members is two blocks of zeros and what fills up its record.
  constexpr uint64_t kLeastArchiveBytes = 2 * kTarBlockBytes;
  if (*zeros_end == window_.size_bytes() && *zeros_end >= kLeastArchiveBytes) return false;
  at_ = *zeros_end;
  if (HasBlockAt(at_)) {
    auto is_valid = LoadHeader();
    if (!is_valid || *is_valid) return is_valid;
  }
  // What is compressed may be shorter than a header.
  const auto begin = window_.At(0, std::min<uint64_t>(kTarBlockBytes, window_.size_bytes()));
  if (!begin) return std::unexpected(begin.error());
  for (const Compression& compression : kCompressions) {
    if (AsText(*begin).starts_with(compression.magic))
      return Unsupported(
          "this is compressed: decompress it first, with '{} -d' say, or make a pack of it by `quire pack --from`",
          compression.program);
  }
  return Corrupt("this is no tar archive: it has no header at byte {}", at_);
}

Result<bool> TarReader::FindHeader() {
  if (HasBlockAt(at_)) {
    auto is_valid = LoadHeader();
    if (!is_valid || *is_valid) return is_valid;
    return IsZeroBlock(header_.block()) ? FindHeaderBehindZeros() : FindHeaderBehindBrokenOne();
  }
  return FindHeaderBehindZeros();
}

Result<uint64_t> TarReader::FindEndOfZeros() {
  const uint64_t limit = window_.size_bytes() - at_ > kMaxZeroBytes ? at_ + kMaxZeroBytes : window_.size_bytes();
  uint64_t at = at_;
  while (at < limit) {
    const uint64_t length = std::min<uint64_t>(kTarBlockBytes, window_.size_bytes() - at);
    const auto block = window_.At(at, length);
    if (!block) return std::unexpected(block.error());
    if (!IsZeroBlock(*block)) break;
    at += length;
  }
  return at;
}

Result<bool> TarReader::FindHeaderBehindZeros() {
  if (HasExtensions())
    Fault(long_path_, fmt::format("the archive ends at byte {}, before the member of a header", at_));
  ForgetExtensions();
  const uint64_t zeros_at = at_;
  const auto zeros_end = FindEndOfZeros();
  if (!zeros_end) return std::unexpected(zeros_end.error());
  at_ = *zeros_end;
  if (at_ == window_.size_bytes()) return false;
  const uint64_t zero_bytes = at_ - zeros_at;
  const bool is_end = zero_bytes >= 2 * kTarBlockBytes;
  if (is_end) global_ = {};  // another archive may follow
  if (zero_bytes >= kMaxZeroBytes) {
    Fault("", fmt::format("{} MiB of zeros at byte {}: what stands behind them is not read", kMaxZeroBytes >> 20,
                          zeros_at));
    return false;
  }
  if (HasBlockAt(at_)) {
    auto is_valid = LoadHeader();
    if (!is_valid || *is_valid) return is_valid;
    if (!is_end) return FindHeaderBehindBrokenOne();
  }
  if (is_end)
    Fault("", fmt::format("behind the end of the archive, at byte {}, stands what is no archive", at_));
  else
    Fault("", fmt::format("the archive is cut: it ends within a header, at byte {}{}", at_, BehindLastMember()));
  return false;
}

Result<bool> TarReader::FindHeaderBehindBrokenOne() {
  ForgetExtensions();
  const uint64_t broken_at = at_;
  while (at_ - broken_at < kMaxSearchBytes) {
    at_ += kTarBlockBytes;
    if (!HasBlockAt(at_)) break;
    auto is_valid = LoadHeader();
    if (!is_valid) return is_valid;
    if (!*is_valid || !header_.HasMagic()) continue;
    Fault("", fmt::format("broken header at byte {}{}: the next one is at byte {}, what stands between is not read",
                          broken_at, BehindLastMember(), at_));
    return true;
  }
  Fault("", fmt::format("broken header at byte {}{}, and no other within {} KiB: the rest is not read", broken_at,
                        BehindLastMember(), kMaxSearchBytes >> 10));
  return false;
}

std::string TarReader::BehindLastMember() const {
  return last_path_.empty() ? "" : fmt::format(", behind '{}'", EscapeName(last_path_));
}

bool TarReader::PassData(std::string_view path, uint64_t stored_bytes) {
  const uint64_t rest_bytes = window_.size_bytes() - std::min(window_.size_bytes(), data_at_);
  if (stored_bytes > rest_bytes || data_at_ > window_.size_bytes()) {
    Fault(path,
          fmt::format("the archive is cut: of the {} bytes at byte {} it has {}", stored_bytes, data_at_, rest_bytes));
    is_done_ = true;
    return false;
  }
  // The last member may lack what fills up its last block.
  at_ = data_at_ + std::min(AlignUp(stored_bytes, kTarBlockBytes), rest_bytes);
  return true;
}

Result<void> TarReader::TakeExtension() {
  const char type = header_.type();
  if (type == 'g') return TakeGlobalRecords();
  Result<bool> taken = false;
  if (type == 'K') {
    taken = TakeData(kMaxTarPathBytes, "the name of its target", long_target_);
    has_long_target_ = true;
  } else if (type == 'L') {
    taken = TakeData(kMaxTarPathBytes, "its name", long_path_);
    has_long_path_ = true;
  } else {
    taken = TakeData(kMaxPaxBytes, "its pax header", pax_bytes_);
    has_pax_ = true;
  }
  if (!taken) return Propagate(std::move(taken));
  return {};
}

Result<bool> TarReader::TakeData(uint64_t max_bytes, std::string_view what, std::string& into) {
  const uint64_t size_bytes = header_.size_bytes();
  into.clear();
  if (!PassData("", size_bytes)) return false;
  if (size_bytes > max_bytes) {
    fault_ = fmt::format("{} has {} bytes, of {} at most", what, size_bytes, max_bytes);
    return false;
  }
  into.resize(size_bytes);
  if (auto copied = window_.Copy(data_at_, std::as_writable_bytes(std::span(into))); !copied)
    return Propagate(std::move(copied));
  return true;
}

Result<void> TarReader::TakeGlobalRecords() {
  // Its texts are kept apart from it: the next global header takes the place of some of them only. What stands before
  // it may be of the member that follows it.
  std::string fault_before = std::exchange(fault_, {});
  std::string bytes;
  const auto taken = TakeData(kMaxPaxBytes, "a global pax header", bytes);
  if (!taken) return std::unexpected(taken.error());
  if (*taken) {
    records_.Reset(global_);
    if (const auto decoded = DecodePaxRecords(bytes, records_); !decoded) fault_ = "global " + decoded.error().message;
    global_ = records_.values;
    const auto keep = [](std::optional<std::string_view>& text, std::string& kept) {
      if (!text) return;
      kept = std::string(*text);
      text = kept;
    };
    keep(global_.path, global_path_);
    keep(global_.link_target, global_target_);
  }
  if (!fault_.empty()) Fault("", fault_);
  fault_ = std::move(fault_before);
  return {};
}

void TarReader::ForgetExtensions() {
  has_pax_ = has_long_path_ = has_long_target_ = false;
  long_path_.clear();
  fault_.clear();
}

TarReader::TypeMeaning TarReader::MeaningOf(char type) {
  switch (type) {
    case '1':
      return {.kind = MemberKind::kHardLink};
    case '2':
      return {.kind = MemberKind::kSymlink, .has_data = false};
    case '3':
    case '4':
      return {.kind = std::nullopt, .has_data = false, .left_out = "a device, which a pack does not hold"};
    case '5':
      return {.kind = MemberKind::kDirectory, .has_data = false};
    case '6':
      return {.kind = std::nullopt, .has_data = false, .left_out = "a FIFO, which a pack does not hold"};
    case 'D':
      return {.kind = MemberKind::kDirectory};
    case 'A':  // Solaris: an access list
    case 'V':  // GNU: the name of the archive
      return {};
    case 'I':
      return {.kind = std::nullopt, .left_out = "an inode without its data, as star writes for changes"};
    case 'M':
      return {.kind = std::nullopt, .left_out = "the rest of a file that begins in another volume"};
    case 'N':
      return {.kind = std::nullopt, .left_out = "a list of long names as GNU tar wrote them before 1993"};
    default:
      return {.kind = MemberKind::kFile};
  }
}

Result<bool> TarReader::ReadMember(Member& member) {
  records_.Reset(global_);
  Result<void> served = has_pax_ ? DecodePaxRecords(pax_bytes_, records_) : Result<void>();
  SetPath(member);
  member.runs.clear();
  TypeMeaning meaning = MeaningOf(header_.type());
  if (meaning.kind == MemberKind::kFile && member.path.ends_with('/')) meaning.kind = MemberKind::kDirectory;
  // Blocks of the map stand between header and data, so they are read whatever else is wrong.
  if (header_.type() == 'S') {
    auto read = ReadOldSparseMap(member.runs);
    if (!read && !IsOfMember(read.error())) return Propagate(std::move(read));
    if (served) served = std::move(read);
  }
  const auto stored_bytes = StoredBytes(meaning);
  if (!stored_bytes) return std::unexpected(stored_bytes.error());
  if (!PassData(member.path, *stored_bytes)) return false;

  if (!meaning.kind) {
    if (!meaning.left_out.empty()) Fault(member.path, meaning.left_out);
    return false;
  }
  member.kind = *meaning.kind;
  if (served && !fault_.empty()) served = Corrupt("{}", fault_);
  if (served) served = SetAttributes(member);
  if (served) served = SetTarget(member);
  if (served) served = SetRuns(*stored_bytes, member);
  if (served) {
    last_path_ = member.path;
    return true;
  }
  if (!IsOfMember(served.error())) return Propagate(std::move(served));
  Fault(member.path, served.error().message);
  return false;
}

void TarReader::SetPath(Member& member) const {
  if (records_.sparse_name)
    member.path = *records_.sparse_name;
  else if (records_.values.path)
    member.path = *records_.values.path;
  else if (has_long_path_)
    member.path = UpToNul(long_path_);
  else
    header_.CopyPathTo(member.path);
}

Result<void> TarReader::SetAttributes(Member& member) {
  const auto mode = header_.mode();
  if (!mode) return Corrupt("its mode is no number");
  constexpr int64_t kModeBits = 07777;
  member.mode = static_cast<uint32_t>(*mode & kModeBits);

  const PaxValues& values = records_.values;
  const auto uid = DecodeOwner("uid", values.uid ? values.uid : header_.uid());
  if (!uid) return std::unexpected(uid.error());
  const auto gid = DecodeOwner("gid", values.gid ? values.gid : header_.gid());
  if (!gid) return std::unexpected(gid.error());
  member.uid = *uid;
  member.gid = *gid;

  timespec mtime = {};
  if (values.mtime) {
    mtime = *values.mtime;
  } else {
    const auto seconds = header_.mtime();
    if (!seconds) return Corrupt("its time is no number");
    mtime.tv_sec = *seconds;
  }
  member.mtime = EncodeMtime(mtime);
  EncodePaxXattrs(records_.xattrs, member.xattrs);
  member.crc32.reset();
  member.content.clear();
  return {};
}

Result<void> TarReader::SetTarget(Member& member) const {
  member.target.clear();
  if (member.kind != MemberKind::kSymlink && member.kind != MemberKind::kHardLink) return {};
  if (records_.values.link_target)
    member.target = *records_.values.link_target;
  else
    member.target = has_long_target_ ? UpToNul(long_target_) : header_.link_target();
  if (member.target.empty()) return Corrupt("a link to nothing");
  return {};
}

Result<void> TarReader::SetRuns(uint64_t stored_bytes, Member& member) {
  member.size_bytes = 0;
  if (member.kind != MemberKind::kFile) {
    member.runs.clear();
    return {};
  }
  if (header_.type() == 'S') {
    const auto size = header_.sparse_size();
    if (!size || *size < 0) return Corrupt("its size is no number");
    member.size_bytes = static_cast<uint64_t>(*size);
    return PlaceSparsePieces(member.size_bytes, data_at_, stored_bytes, member.runs);
  }
  if (records_.sparse_size) return SetPaxSparseRuns(stored_bytes, member);
  if (records_.has_sparse_map || records_.sparse_major > 0)
    return Corrupt("pax header: a sparse file without its size");
  member.size_bytes = stored_bytes;
  if (stored_bytes > 0) member.runs.push_back({.file_offset = 0, .offset = data_at_, .length_bytes = stored_bytes});
  return {};
}

Result<void> TarReader::SetPaxSparseRuns(uint64_t stored_bytes, Member& member) {
  member.size_bytes = *records_.sparse_size;
  uint64_t map_bytes = 0;
  if (records_.sparse_major == 0) {
    std::swap(member.runs, records_.sparse_map);
  } else if (records_.sparse_major == 1 && records_.sparse_minor == 0) {
    auto read = ReadSparseMapInData(stored_bytes, member.runs);
    if (!read) return Propagate(std::move(read));
    map_bytes = *read;
  } else {
    return Unsupported("a sparse file of pax form {}.{}, of which 0.0, 0.1 and 1.0 are read", records_.sparse_major,
                       records_.sparse_minor);
  }
  return PlaceSparsePieces(member.size_bytes, data_at_ + map_bytes, stored_bytes - map_bytes, member.runs);
}

Result<void> TarReader::ReadOldSparseMap(std::vector<MemberRun>& pieces) {
  if (!header_.IsGnu()) return Unsupported("a sparse file in star's own form: make the archive with GNU tar");
  Result<void> added;
  std::span<const std::byte> block = header_.block();
  TarSparseBlock layout = kSparseInHeader;
  while (true) {
    for (size_t i = 0; added && i < layout.entry_count; ++i) {
      const auto entry = DecodeSparseEntry(block, layout, i);
      if (!entry) break;
      if (!entry->offset || *entry->offset < 0 || !entry->length_bytes || *entry->length_bytes < 0)
        added = Corrupt("its sparse map has what is no number");
      else
        added =
            AddSparsePiece(static_cast<uint64_t>(*entry->offset), static_cast<uint64_t>(*entry->length_bytes), pieces);
    }
    if (!IsSparseMapContinued(block, layout)) return added;
    const uint64_t next_at = data_at_;
    data_at_ += kTarBlockBytes;
    if (!HasBlockAt(next_at)) return added;  // PassData tells that the archive is cut
    const auto next = window_.At(next_at, kTarBlockBytes);
    if (!next) return std::unexpected(next.error());
    block = *next;
    layout = kSparseBehindHeader;
  }
}

Result<uint64_t> TarReader::ReadSparseMapInData(uint64_t stored_bytes, std::vector<MemberRun>& pieces) {
  SparseMapText map;
  for (uint64_t at = 0; at < stored_bytes;) {
    const auto block = window_.At(data_at_ + at, std::min<uint64_t>(kTarBlockBytes, stored_bytes - at));
    if (!block) return std::unexpected(block.error());
    at += block->size();
    const auto is_complete = map.Take(AsText(*block), pieces);
    if (!is_complete) return std::unexpected(is_complete.error());
    if (*is_complete) return at;
  }
  return Corrupt("its sparse map goes on behind its data");
}

Result<uint64_t> TarReader::StoredBytes(const TypeMeaning& meaning) {
  if (!meaning.has_data) return 0;
  const uint64_t size_bytes = records_.values.size_bytes.value_or(header_.size_bytes());
  if (meaning.kind != MemberKind::kHardLink || size_bytes == 0 || has_pax_) return size_bytes;
  // Cpio tells the size of the file that a hard link names, and stores it but once.
  if (!HasBlockAt(data_at_)) return 0;
  const auto block = window_.At(data_at_, kTarBlockBytes);
  if (!block) return std::unexpected(block.error());
  TarHeader next;
  next.Load(*block);
  return next.IsValid() || IsZeroBlock(*block) ? 0 : size_bytes;
}

}  // namespace quire
