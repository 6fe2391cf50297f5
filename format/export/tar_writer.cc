// SPDX-License-Identifier: Apache-2.0
#include "format/export/tar_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

#include "format/coding.h"
#include "format/import/tar_header.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr size_t kTapeRecordBytes = 20 * kTarBlockBytes;
constexpr std::string_view kPosixMagic{"ustar\00000", 8};
constexpr std::string_view kGnuMagic{"ustar  \0", 8};

struct Field {
  size_t at;
  size_t bytes;
};
constexpr Field kName = {.at = 0, .bytes = 100};
constexpr Field kMode = {.at = 100, .bytes = 8};
constexpr Field kUid = {.at = 108, .bytes = 8};
constexpr Field kGid = {.at = 116, .bytes = 8};
constexpr Field kSize = {.at = 124, .bytes = 12};
constexpr Field kMtime = {.at = 136, .bytes = 12};
constexpr Field kSum = {.at = 148, .bytes = 8};
constexpr size_t kTypeAt = 156;
constexpr Field kLink = {.at = 157, .bytes = 100};
constexpr size_t kMagicAt = 257;
constexpr Field kPrefix = {.at = 345, .bytes = 155};
constexpr Field kRealSize = {.at = 483, .bytes = 12};  // of an old GNU sparse file
constexpr size_t kSparseNumberBytes = 12;

// Whether `value` fits the octal digits of a field, behind which a NUL stands.
constexpr bool FitsOctal(int64_t value, Field field) {
  return value >= 0 && static_cast<uint64_t>(value) >> (3 * (field.bytes - 1)) == 0;
}

class HeaderBlock {
 public:
  HeaderBlock(char type, TarFormat format) : format_(format) {
    block_[kTypeAt] = type;
    PutText({.at = kMagicAt, .bytes = 8}, format == TarFormat::kPax ? kPosixMagic : kGnuMagic);
  }
  // A block of an old GNU sparse map, which has no fields of a header.
  HeaderBlock() : format_(TarFormat::kGnu) {}

  void PutText(Field field, std::string_view text) {
    std::ranges::copy(text.substr(0, field.bytes), block_.begin() + static_cast<ptrdiff_t>(field.at));
  }

  // What does not fit is 0 in pax, where a record has it. GNU has the big-endian number behind a first bit of 1.
  void PutNumber(Field field, int64_t value) {
    if (FitsOctal(value, field)) return PutText(field, fmt::format("{:0{}o}", value, field.bytes - 1));
    if (format_ == TarFormat::kPax) return PutNumber(field, 0);
    for (size_t i = 0; i < field.bytes; ++i) {
      const size_t shift = 8 * (field.bytes - 1 - i);
      block_[field.at + i] = static_cast<char>(shift >= 64 ? (value < 0 ? -1 : 0) : value >> shift);
    }
    block_[field.at] = static_cast<char>(static_cast<uint8_t>(block_[field.at]) | 0x80);
  }

  void PutFlag(size_t at) { block_[at] = 1; }

  void AppendTo(std::string& archive) {
    PutText(kSum, "        ");
    uint32_t sum = 0;
    for (const char byte : block_) sum += static_cast<uint8_t>(byte);
    PutText(kSum, fmt::format("{:06o}", sum));
    block_[kSum.at + 6] = '\0';
    AppendBlockTo(archive);
  }
  // Of a block that has no sum.
  void AppendBlockTo(std::string& archive) const { archive.append(block_.data(), block_.size()); }

 private:
  const TarFormat format_;
  std::array<char, kTarBlockBytes> block_ = {};
};

struct SplitName {
  std::string_view prefix;
  std::string_view name;
};

// The path in the two fields of ustar, of which the first ends before a '/'; empty where they do not hold it. GNU tar
// uses no prefix.
std::optional<SplitName> Split(std::string_view path, TarFormat format) {
  if (path.size() <= kName.bytes) return SplitName{.prefix = {}, .name = path};
  if (format == TarFormat::kGnu) return std::nullopt;
  // The last '/' that leaves the name something: that of a directory ends in one.
  const size_t slash = path.substr(0, std::min(path.size() - 1, kPrefix.bytes + 1)).rfind('/');
  if (slash == path.npos || slash == 0 || path.size() - slash - 1 > kName.bytes) return std::nullopt;
  return SplitName{.prefix = path.substr(0, slash), .name = path.substr(slash + 1)};
}

// "LENGTH KEY=VALUE\n", where the length counts its own digits.
void AppendRecord(std::string_view key, std::string_view value, std::string& records) {
  const size_t others = key.size() + value.size() + 3;
  size_t length = others + 1;
  while (length != others + fmt::formatted_size("{}", length)) length = others + fmt::formatted_size("{}", length);
  fmt::format_to(std::back_inserter(records), "{} {}=", length, key);
  records += value;
  records += '\n';
}

// Seconds with as many digits behind the point as it needs: "-1.5" is half a second before -1.
std::string EncodeTime(const timespec& time) {
  int64_t seconds = time.tv_sec;
  int64_t ns = time.tv_nsec;
  const bool is_negative = seconds < 0;
  if (is_negative) {
    constexpr int64_t kNsPerS = 1'000'000'000;
    seconds = -seconds - (ns > 0 ? 1 : 0);
    ns = ns > 0 ? kNsPerS - ns : 0;
  }
  std::string text = fmt::format("{}{}", is_negative ? "-" : "", seconds);
  if (ns == 0) return text;
  text += fmt::format(".{:09}", ns);
  text.resize(text.find_last_not_of('0') + 1);
  return text;
}

// A key ends at the first '=', so that GNU tar writes %3D for one in a name, and %25 for a '%'.
std::string EncodeXattrKey(std::string_view name) {
  std::string key = "SCHILY.xattr.";
  for (const char character : name) {
    if (character == '=')
      key += "%3D";
    else if (character == '%')
      key += "%25";
    else
      key += character;
  }
  return key;
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The path of a header that tells of the next one. Programs that do not know it make it a file.
std::string PaxHeaderPath(std::string_view path) {
  constexpr std::string_view kFolder = "PaxHeaders/";
  return fmt::format("{}{}", kFolder, BaseName(path).substr(0, kName.bytes - kFolder.size()));
}

// As GNU tar has it, but for the number of its process: the path of what programs make that know no sparse files.
std::string SparsePath(std::string_view path) {
  const std::string_view base = BaseName(path);
  return fmt::format("{}GNUSparseFile.0/{}", path.substr(0, path.size() - base.size()), base);
}

// Appends a member whose data are a text: a pax header, or a long name of GNU's.
void AppendTextMember(char type, std::string_view path, std::string_view text, TarFormat format, std::string& archive) {
  HeaderBlock header(type, format);
  header.PutText(kName, path);
  header.PutNumber(kMode, format == TarFormat::kPax ? 0644 : 0);
  header.PutNumber(kUid, 0);
  header.PutNumber(kGid, 0);
  header.PutNumber(kSize, static_cast<int64_t>(text.size()));
  header.PutNumber(kMtime, 0);
  header.AppendTo(archive);
  archive += text;
  archive.append(TarPaddingBytes(text.size()), '\0');
}

// With the empty piece at the end of the file that tells GNU tar of a hole there.
std::vector<TarRange> SparsePieces(const TarMember& member) {
  std::vector<TarRange> pieces = member.data;
  const uint64_t end = pieces.empty() ? 0 : pieces.back().file_offset + pieces.back().length_bytes;
  if (end < member.size_bytes || pieces.empty()) pieces.push_back({.file_offset = member.size_bytes});
  return pieces;
}

// The map of pax form 1.0: it stands before the data, in whole blocks.
std::string SparseMap(const TarMember& member) {
  const std::vector<TarRange> pieces = SparsePieces(member);
  std::string map = fmt::format("{}\n", pieces.size());
  for (const TarRange& piece : pieces)
    fmt::format_to(std::back_inserter(map), "{}\n{}\n", piece.file_offset, piece.length_bytes);
  map.append(TarPaddingBytes(map.size()), '\0');
  return map;
}

char TypeOf(MemberKind kind) {
  switch (kind) {
    case MemberKind::kFile:
      return '0';
    case MemberKind::kHardLink:
      return '1';
    case MemberKind::kSymlink:
      return '2';
    case MemberKind::kDirectory:
      return '5';
  }
  return '0';
}

// The fields that need no record of their own.
void PutAttributes(const TarMember& member, int64_t stored_bytes, HeaderBlock& header) {
  header.PutNumber(kMode, member.mode);
  header.PutNumber(kUid, member.uid);
  header.PutNumber(kGid, member.gid);
  header.PutNumber(kSize, stored_bytes);
  header.PutNumber(kMtime, member.mtime.tv_sec);
  header.PutText(kLink, member.target);
}

void AppendPax(const TarMember& member, std::string_view path, std::string& archive) {
  const std::string map = member.is_sparse ? SparseMap(member) : std::string();
  const auto stored_bytes = static_cast<int64_t>(map.size() + TarDataBytes(member));
  const auto split = Split(path, TarFormat::kPax);

  std::string records;
  if (!split && !member.is_sparse) AppendRecord("path", path, records);
  if (member.target.size() > kLink.bytes) AppendRecord("linkpath", member.target, records);
  if (!FitsOctal(stored_bytes, kSize)) AppendRecord("size", fmt::format("{}", stored_bytes), records);
  if (!FitsOctal(member.uid, kUid)) AppendRecord("uid", fmt::format("{}", member.uid), records);
  if (!FitsOctal(member.gid, kGid)) AppendRecord("gid", fmt::format("{}", member.gid), records);
  if (member.mtime.tv_nsec != 0 || !FitsOctal(member.mtime.tv_sec, kMtime))
    AppendRecord("mtime", EncodeTime(member.mtime), records);
  if (member.is_sparse) {
    AppendRecord("GNU.sparse.major", "1", records);
    AppendRecord("GNU.sparse.minor", "0", records);
    AppendRecord("GNU.sparse.name", path, records);
    AppendRecord("GNU.sparse.realsize", fmt::format("{}", member.size_bytes), records);
  }
  for (const Xattr& xattr : member.xattrs) AppendRecord(EncodeXattrKey(xattr.name), AsText(xattr.value), records);
  if (!records.empty()) AppendTextMember('x', PaxHeaderPath(member.path), records, TarFormat::kPax, archive);

  HeaderBlock header(TypeOf(member.kind), TarFormat::kPax);
  if (member.is_sparse) {
    header.PutText(kName, SparsePath(path));
  } else {
    header.PutText(kName, split ? split->name : path);
    header.PutText(kPrefix, split ? split->prefix : std::string_view());
  }
  PutAttributes(member, stored_bytes, header);
  header.AppendTo(archive);
  archive += map;
}

// The pieces from number `first` on that one block of an old GNU map has; the number of the next.
size_t PutSparseBlock(std::span<const TarRange> pieces, size_t first, const TarSparseBlock& layout,
                      HeaderBlock& block) {
  const size_t end = std::min(pieces.size(), first + layout.entry_count);
  size_t at = layout.entries_at;
  for (size_t i = first; i < end; ++i) {
    block.PutNumber({.at = at, .bytes = kSparseNumberBytes}, static_cast<int64_t>(pieces[i].file_offset));
    block.PutNumber({.at = at + kSparseNumberBytes, .bytes = kSparseNumberBytes},
                    static_cast<int64_t>(pieces[i].length_bytes));
    at += 2 * kSparseNumberBytes;
  }
  if (end < pieces.size()) block.PutFlag(layout.is_continued_at);
  return end;
}

void AppendGnu(const TarMember& member, std::string_view path, std::string& archive) {
  constexpr std::string_view kLongName = "././@LongLink";
  const auto append_long = [&](char type, std::string text) {
    text += '\0';  // it counts
    AppendTextMember(type, kLongName, text, TarFormat::kGnu, archive);
  };
  if (member.target.size() > kLink.bytes) append_long('K', member.target);
  if (path.size() > kName.bytes) append_long('L', std::string(path));
  HeaderBlock header(member.is_sparse ? 'S' : TypeOf(member.kind), TarFormat::kGnu);
  header.PutText(kName, path);
  PutAttributes(member, static_cast<int64_t>(TarDataBytes(member)), header);
  if (!member.is_sparse) return header.AppendTo(archive);
  header.PutNumber(kRealSize, static_cast<int64_t>(member.size_bytes));
  const std::vector<TarRange> pieces = SparsePieces(member);
  size_t next = PutSparseBlock(pieces, 0, kSparseInHeader, header);
  header.AppendTo(archive);
  while (next < pieces.size()) {
    HeaderBlock block;
    next = PutSparseBlock(pieces, next, kSparseBehindHeader, block);
    block.AppendBlockTo(archive);
  }
}

}  // namespace

uint64_t TarDataBytes(const TarMember& member) {
  if (!member.is_sparse) return member.kind == MemberKind::kFile ? member.size_bytes : 0;
  uint64_t bytes = 0;
  for (const TarRange& range : member.data) bytes += range.length_bytes;
  return bytes;
}

void AppendTarHeader(const TarMember& member, TarFormat format, std::string& archive) {
  assert(!member.path.empty() && !member.path.ends_with('/') && !member.path.contains('\0'));
  const std::string path = member.kind == MemberKind::kDirectory ? member.path + '/' : member.path;
  if (format == TarFormat::kPax)
    AppendPax(member, path, archive);
  else
    AppendGnu(member, path, archive);
}

uint64_t TarPaddingBytes(uint64_t data_bytes) { return AlignUp(data_bytes, kTarBlockBytes) - data_bytes; }

uint64_t TarEndBytes(uint64_t archive_bytes) {
  return AlignUp(archive_bytes + 2 * kTarBlockBytes, kTapeRecordBytes) - archive_bytes;
}

}  // namespace quire
