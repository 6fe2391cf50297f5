// SPDX-License-Identifier: Apache-2.0
#include "format/import/pax_records.h"

#include <linux/limits.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <tuple>
#include <utility>

#include "format/escaping.h"
#include "format/import/sparse_map.h"
#include "format/pack/geometry.h"
#include "format/write/index_tables.h"

namespace quire {
namespace {

constexpr std::string_view kSparsePrefix = "GNU.sparse.";
constexpr std::string_view kSchilyPrefix = "SCHILY.xattr.";
constexpr std::string_view kLibarchivePrefix = "LIBARCHIVE.xattr.";
constexpr std::string_view kUserPrefix = "user.";

// A record is longer than what it becomes in a list, so no list is longer than its header.
static_assert(kMaxPaxBytes <= kMaxXattrListBytes && kLibarchivePrefix.size() > kXattrHeaderBytes &&
              kSchilyPrefix.size() > kXattrHeaderBytes);

struct PaxRecord {
  std::string_view key;
  std::string_view value;
};

// Takes the record that `bytes` begins with off it. REQUIRES: `bytes` is not empty.
std::optional<PaxRecord> TakeRecord(std::string_view& bytes) {
  const size_t space = bytes.substr(0, 20).find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto length = DecodeDecimal(bytes.substr(0, space));
  if (!length || *length > bytes.size() || *length < space + 2 || bytes[*length - 1] != '\n') return std::nullopt;
  const std::string_view record = bytes.substr(space + 1, *length - space - 2);
  const size_t equals = record.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  bytes.remove_prefix(*length);
  return PaxRecord{.key = record.substr(0, equals), .value = record.substr(equals + 1)};
}

std::unexpected<Error> BadValue(const PaxRecord& record) {
  constexpr size_t kShownBytes = 40;
  return Corrupt("pax header: {} has the impossible value '{}'", EscapeName(record.key),
                 EscapeName(record.value.substr(0, kShownBytes)));
}

std::optional<int64_t> DecodeSigned(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  const auto number = DecodeDecimal(text.substr(is_negative ? 1 : 0));
  if (!number) return std::nullopt;
  const auto value = static_cast<int64_t>(*number);
  return is_negative ? -value : value;
}

// Seconds and a fraction of any length, which is cut towards the past.
std::optional<timespec> DecodeTime(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  const auto seconds = DecodeDecimal(text.substr(0, point));
  if (!seconds) return std::nullopt;
  constexpr int64_t kNsPerS = 1'000'000'000;
  int64_t ns = 0;
  bool has_more = false;
  int64_t unit = kNsPerS / 10;
  for (const char digit : text.substr(std::min(point + 1, text.size()))) {
    if (digit < '0' || digit > '9') return std::nullopt;
    ns += unit * (digit - '0');
    has_more |= unit == 0 && digit != '0';
    unit /= 10;
  }
  auto whole = static_cast<int64_t>(*seconds);
  if (!is_negative) return timespec{.tv_sec = whole, .tv_nsec = ns};
  ns += has_more ? 1 : 0;
  whole = -whole - (ns > 0 ? 1 : 0);
  return timespec{.tv_sec = whole, .tv_nsec = ns > 0 ? kNsPerS - ns : 0};
}

// Sets `into` to the decoded value, and to nothing where the value is empty.
template <typename T>
Result<void> TakeNumber(const PaxRecord& record, std::optional<T> (&decode)(std::string_view), std::optional<T>& into) {
  if (record.value.empty()) {
    into.reset();
    return {};
  }
  const auto value = decode(record.value);
  if (!value) return BadValue(record);
  into = value;
  return {};
}

Result<void> TakeText(const PaxRecord& record, std::optional<std::string_view>& into) {
  if (record.value.empty()) {
    into.reset();
    return {};
  }
  if (record.value.size() > kMaxTarPathBytes)
    return Corrupt("pax header: {} has {} bytes, of {} at most", record.key, record.value.size(), kMaxTarPathBytes);
  if (record.value.contains('\0')) return BadValue(record);
  into = record.value;
  return {};
}

// "OFFSET,LENGTH,OFFSET,LENGTH".
Result<void> TakeSparseMap(const PaxRecord& record, std::vector<MemberRun>& map) {
  map.clear();
  std::string_view rest = record.value;
  const auto take = [&rest] {
    const size_t comma = std::min(rest.find(','), rest.size());
    const auto number = DecodeDecimal(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    return number;
  };
  while (!rest.empty()) {
    const auto offset = take();
    const auto length = take();
    if (!offset || !length) return BadValue(record);
    if (auto added = AddSparsePiece(*offset, *length, map); !added) return added;
  }
  return {};
}

// The three forms of GNU tar: 0.0 has an "offset" and a "numbytes" for each piece, 0.1 a "map", 1.0 "major" and
// "minor".
Result<void> TakeSparse(const PaxRecord& record, PaxRecords& records) {
  const std::string_view key = record.key.substr(kSparsePrefix.size());
  if (key == "name") return TakeText(record, records.sparse_name);
  if (key == "numblocks") return {};  // told by the pieces themselves
  if (key == "map") {
    records.has_sparse_map = true;
    return TakeSparseMap(record, records.sparse_map);
  }
  const auto number = DecodeDecimal(record.value);
  if (!number) return BadValue(record);
  if (key == "size" || key == "realsize") records.sparse_size = number;
  if (key == "major") records.sparse_major = *number;
  if (key == "minor") records.sparse_minor = *number;
  if (key == "offset") {
    records.has_sparse_map = true;
    return AddSparsePiece(*number, 0, records.sparse_map);
  }
  if (key == "numbytes") {
    if (records.sparse_map.empty()) return BadValue(record);
    records.sparse_map.back().length_bytes = *number;
  }
  return {};
}

// The value of a digit, or -1.
constexpr std::array<int8_t, 256> kBase64Digits = [] {
  std::array<int8_t, 256> digits = {};
  digits.fill(-1);
  int8_t value = 0;
  for (const char digit : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
    digits[static_cast<uint8_t>(digit)] = value++;
  return digits;
}();

// Libarchive writes no '=' at the end, other programs may.
std::optional<std::string> DecodeBase64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const char character : text) {
    const int8_t digit = kBase64Digits[static_cast<uint8_t>(character)];
    if (digit < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(digit)) & 0xfff;
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    bytes += static_cast<char>(bits >> bit_count & 0xff);
  }
  if (bit_count == 6) return std::nullopt;  // a digit that ends no byte
  return bytes;
}

int HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// Replaces each %XX of `text` that `is_code` wants replaced; all else stays.
template <typename IsCode>
std::string DecodePercents(std::string_view text, const IsCode& is_code) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    const bool may_be_code = text[at] == '%' && at + 2 < text.size();
    const int high = may_be_code ? HexDigit(text[at + 1]) : -1;
    const int low = may_be_code ? HexDigit(text[at + 2]) : -1;
    if (high >= 0 && low >= 0 && is_code(static_cast<char>(high << 4 | low))) {
      decoded += static_cast<char>(high << 4 | low);
      at += 2;
    } else {
      decoded += text[at];
    }
  }
  return decoded;
}

void AddXattr(std::string name, std::string_view value, bool is_schily, std::vector<PaxXattr>& xattrs) {
  // What no file system of Linux takes is not kept.
  if (!name.starts_with(kUserPrefix) || name.size() == kUserPrefix.size() || name.size() > XATTR_NAME_MAX ||
      name.contains('\0') || value.size() > XATTR_SIZE_MAX)
    return;
  xattrs.push_back(
      {.name = std::move(name), .value = std::string(value), .is_schily = is_schily, .number = xattrs.size()});
}

Result<void> TakeXattr(const PaxRecord& record, std::vector<PaxXattr>& xattrs) {
  if (record.key.starts_with(kSchilyPrefix)) {
    // A key ends at the first '='; GNU tar writes %3D for one in a name, and %25 for a '%'.
    const auto is_code = [](char code) { return code == '=' || code == '%'; };
    AddXattr(DecodePercents(record.key.substr(kSchilyPrefix.size()), is_code), record.value, true, xattrs);
    return {};
  }
  const auto value = DecodeBase64(record.value);
  if (!value) return BadValue(record);
  AddXattr(DecodePercents(record.key.substr(kLibarchivePrefix.size()), [](char) { return true; }), *value, false,
           xattrs);
  return {};
}

Result<void> TakeValue(const PaxRecord& record, PaxRecords& records) {
  PaxValues& values = records.values;
  if (record.key == "path") return TakeText(record, values.path);
  if (record.key == "linkpath") return TakeText(record, values.link_target);
  if (record.key == "size") return TakeNumber(record, DecodeDecimal, values.size_bytes);
  if (record.key == "mtime") return TakeNumber(record, DecodeTime, values.mtime);
  if (record.key == "uid") return TakeNumber(record, DecodeSigned, values.uid);
  if (record.key == "gid") return TakeNumber(record, DecodeSigned, values.gid);
  if (record.key.starts_with(kSparsePrefix)) return TakeSparse(record, records);
  if (record.key.starts_with(kSchilyPrefix) || record.key.starts_with(kLibarchivePrefix))
    return TakeXattr(record, records.xattrs);
  // Star's sparse files have holes where no record says; no writer but star has them.
  if (record.key == "SCHILY.realsize")
    return MakeError(ErrorCode::kUnsupported, "a sparse file in star's own form: make the archive with GNU tar");
  return {};
}

}  // namespace

void PaxRecords::Reset(const PaxValues& inherited) {
  values = inherited;
  sparse_name.reset();
  sparse_size.reset();
  sparse_major = sparse_minor = 0;
  has_sparse_map = false;
  sparse_map.clear();
  xattrs.clear();
}

Result<void> DecodePaxRecords(std::string_view bytes, PaxRecords& records) {
  assert(bytes.size() <= kMaxPaxBytes);
  const size_t all_bytes = bytes.size();
  // Some writers fill the last block up with NULs that they count as the header's.
  while (!bytes.empty() && bytes.front() != '\0') {
    const size_t at = all_bytes - bytes.size();
    const auto record = TakeRecord(bytes);
    if (!record) return Corrupt("pax header: no record at its byte {}", at);
    if (auto taken = TakeValue(*record, records); !taken) return taken;
  }
  return {};
}

void EncodePaxXattrs(std::vector<PaxXattr>& xattrs, std::string& list) {
  list.clear();
  if (xattrs.empty()) return;
  // Of equal names the one that counts becomes the last.
  std::ranges::sort(xattrs, {}, [](const PaxXattr& xattr) {
    return std::tuple(std::string_view(xattr.name), xattr.is_schily, xattr.number);
  });
  for (size_t i = 0; i < xattrs.size(); ++i) {
    if (i + 1 == xattrs.size() || xattrs[i + 1].name != xattrs[i].name)
      list += EncodeXattr(xattrs[i].name, xattrs[i].value);
  }
}

std::optional<uint64_t> DecodeDecimal(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.starts_with('-')) return std::nullopt;
  return static_cast<uint64_t>(value);
}

}  // namespace quire
