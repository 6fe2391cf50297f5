// SPDX-License-Identifier: Apache-2.0
#include "format/import/zip_records.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>

#include "format/coding.h"

namespace quire {
namespace {

// Identifiers of extra fields: 4.5.2, 4.6.1.
constexpr uint16_t kZip64Id = 0x0001;
constexpr uint16_t kNtfsId = 0x000A;
constexpr uint16_t kTimestampId = 0x5455;
constexpr uint16_t kUnix1Id = 0x5855;
constexpr uint16_t kUnicodePathId = 0x7075;
constexpr uint16_t kUnix2Id = 0x7855;
constexpr uint16_t kUnixNId = 0x7875;

using Bytes = std::span<const std::byte>;

std::optional<timespec> UnixTimeAt(Bytes field, size_t at) {
  if (field.size() < at + 4) return std::nullopt;
  // Info-ZIP says that it is signed.
  return timespec{.tv_sec = static_cast<int32_t>(LoadUint<4>(field, at)), .tv_nsec = 0};
}

// "Extended Timestamp": a byte that says which times are there, the first being the time of change.
std::optional<timespec> DecodeTimestamp(Bytes field) {
  if (field.empty() || (LoadUint<1>(field, 0) & 1U) == 0) return std::nullopt;
  return UnixTimeAt(field, 1);
}

// 4.5.5: 4 bytes, then attributes of a tag and a length each; tag 1 has three times of 100 ns since 1601.
std::optional<timespec> DecodeNtfsTime(Bytes field) {
  constexpr uint64_t kTicksPerS = 10'000'000;
  constexpr int64_t kEpochS = -11'644'473'600;  // 1601-01-01
  if (field.size() < 4) return std::nullopt;
  for (Bytes rest = field.subspan(4); rest.size() >= 4;) {
    const size_t bytes = LoadUint<2>(rest, 2);
    if (bytes > rest.size() - 4) break;
    if (LoadUint<2>(rest, 0) == 1 && bytes >= 8) {
      const uint64_t ticks = LoadUint<8>(rest, 4);
      if (ticks == 0) break;  // not known
      return timespec{.tv_sec = static_cast<int64_t>(ticks / kTicksPerS) + kEpochS,
                      .tv_nsec = static_cast<long>(ticks % kTicksPerS * 100)};
    }
    rest = rest.subspan(4 + bytes);
  }
  return std::nullopt;
}

// Takes a length in one byte and a number of that length off the start of `rest`.
std::optional<uint32_t> TakeOwner(Bytes& rest) {
  if (rest.empty()) return std::nullopt;
  const size_t bytes = LoadUint<1>(rest, 0);
  if (bytes > rest.size() - 1) return std::nullopt;
  uint64_t owner = 0;
  for (size_t i = bytes; i > 0; --i) {
    if (owner > std::numeric_limits<uint32_t>::max() >> 8U) return std::nullopt;
    owner = owner << 8U | LoadUint<1>(rest, i);
  }
  rest = rest.subspan(1 + bytes);
  return static_cast<uint32_t>(owner);
}

struct Owners {
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

// "Info-ZIP New Unix Extra Field".
Owners DecodeUnixN(Bytes field) {
  if (field.empty() || LoadUint<1>(field, 0) != 1) return {};  // another version
  Bytes rest = field.subspan(1);
  const auto uid = TakeOwner(rest);
  const auto gid = uid ? TakeOwner(rest) : std::nullopt;
  return gid ? Owners{.uid = uid, .gid = gid} : Owners{};
}

Owners OwnersAt(Bytes field, size_t at) {
  if (field.size() < at + 4) return {};
  return {.uid = static_cast<uint32_t>(LoadUint<2>(field, at)),
          .gid = static_cast<uint32_t>(LoadUint<2>(field, at + 2))};
}

// Takes a number of `kBytes` off the start of `zip64` into `value`, where that is said to stand there.
template <size_t kBytes, typename T>
bool TakeWhereElsewhere(Bytes& zip64, T& value, uint64_t elsewhere) {
  if (value != elsewhere) return true;
  if (zip64.size() < kBytes) return false;
  value = static_cast<T>(LoadUint<kBytes>(zip64, 0));
  zip64 = zip64.subspan(kBytes);
  return true;
}

}  // namespace

size_t ZipEntryBytes(std::span<const std::byte> fixed) {
  return kZipCentralBytes + LoadUint<2>(fixed, 28) + LoadUint<2>(fixed, 30) + LoadUint<2>(fixed, 32);
}

ZipEntry DecodeZipEntry(std::span<const std::byte> record) {
  assert(record.size() >= kZipCentralBytes && record.size() >= ZipEntryBytes(record));
  const size_t name_bytes = LoadUint<2>(record, 28);
  return {.host = static_cast<uint8_t>(LoadUint<1>(record, 5)),
          .flags = static_cast<uint16_t>(LoadUint<2>(record, 8)),
          .method = static_cast<uint16_t>(LoadUint<2>(record, 10)),
          .dos_time = static_cast<uint16_t>(LoadUint<2>(record, 12)),
          .dos_date = static_cast<uint16_t>(LoadUint<2>(record, 14)),
          .crc32 = static_cast<uint32_t>(LoadUint<4>(record, 16)),
          .stored_bytes = LoadUint<4>(record, 20),
          .size_bytes = LoadUint<4>(record, 24),
          .disk = static_cast<uint32_t>(LoadUint<2>(record, 34)),
          .attributes = static_cast<uint32_t>(LoadUint<4>(record, 38)),
          .header_offset = LoadUint<4>(record, 42),
          .name = AsText(record.subspan(kZipCentralBytes, name_bytes)),
          .extra = record.subspan(kZipCentralBytes + name_bytes, LoadUint<2>(record, 30))};
}

ZipLocalHeader DecodeZipLocalHeader(std::span<const std::byte> fixed) {
  return {.signature = static_cast<uint32_t>(LoadUint<4>(fixed, 0)),
          .flags = static_cast<uint16_t>(LoadUint<2>(fixed, 6)),
          .method = static_cast<uint16_t>(LoadUint<2>(fixed, 8)),
          .crc32 = static_cast<uint32_t>(LoadUint<4>(fixed, 14)),
          .stored_bytes = LoadUint<4>(fixed, 18),
          .size_bytes = LoadUint<4>(fixed, 22),
          .name_bytes = static_cast<uint16_t>(LoadUint<2>(fixed, 26)),
          .extra_bytes = static_cast<uint16_t>(LoadUint<2>(fixed, 28))};
}

ZipExtra DecodeZipExtra(std::span<const std::byte> extra) {
  ZipExtra told;
  std::optional<timespec> timestamp;
  std::optional<timespec> unix1_time;
  std::optional<timespec> ntfs_time;
  Owners unix_n;
  Owners older;
  // What is too short for a field at the end is padding, which some programs align the data by.
  for (Bytes rest = extra; rest.size() >= 4;) {
    const size_t bytes = LoadUint<2>(rest, 2);
    if (bytes > rest.size() - 4) break;
    const Bytes field = rest.subspan(4, bytes);
    switch (LoadUint<2>(rest, 0)) {
      case kZip64Id:
        told.zip64 = field;
        break;
      case kUnicodePathId:
        told.unicode_path = field;
        break;
      case kTimestampId:
        timestamp = DecodeTimestamp(field);
        break;
      case kNtfsId:
        ntfs_time = DecodeNtfsTime(field);
        break;
      case kUnix1Id:  // time of access, time of change, and in local headers the owners
        unix1_time = UnixTimeAt(field, 4);
        if (!older.uid) older = OwnersAt(field, 8);
        break;
      case kUnix2Id:  // of no bytes in the central directory
        if (!older.uid) older = OwnersAt(field, 0);
        break;
      case kUnixNId:
        unix_n = DecodeUnixN(field);
        break;
      default:
        break;
    }
    rest = rest.subspan(4 + bytes);
  }
  told.mtime = timestamp ? timestamp : unix1_time ? unix1_time : ntfs_time;
  const Owners& owners = unix_n.uid ? unix_n : older;
  told.uid = owners.uid;
  told.gid = owners.gid;
  return told;
}

bool TakeZip64(std::span<const std::byte> zip64, ZipEntry& entry) {
  return TakeWhereElsewhere<8>(zip64, entry.size_bytes, kZipElsewhere32) &&
         TakeWhereElsewhere<8>(zip64, entry.stored_bytes, kZipElsewhere32) &&
         TakeWhereElsewhere<8>(zip64, entry.header_offset, kZipElsewhere32) &&
         TakeWhereElsewhere<4>(zip64, entry.disk, kZipElsewhere16);
}

bool TakeZip64(std::span<const std::byte> zip64, ZipLocalHeader& header) {
  return TakeWhereElsewhere<8>(zip64, header.size_bytes, kZipElsewhere32) &&
         TakeWhereElsewhere<8>(zip64, header.stored_bytes, kZipElsewhere32);
}

timespec DecodeDosTime(uint16_t dos_date, uint16_t dos_time) {
  const std::chrono::year year(1980 + (dos_date >> 9U));
  const std::chrono::month month(std::clamp((dos_date >> 5U) & 15U, 1U, 12U));
  const unsigned last_day = static_cast<unsigned>((year / month / std::chrono::last).day());
  const std::chrono::day day(std::clamp(dos_date & 31U, 1U, last_day));
  const std::chrono::seconds in_day = std::chrono::hours(std::min(dos_time >> 11U, 23)) +
                                      std::chrono::minutes(std::min((dos_time >> 5U) & 63U, 59U)) +
                                      std::chrono::seconds(std::min((dos_time & 31U) * 2, 59U));
  const auto time = std::chrono::sys_days(year / month / day) + in_day;
  return {.tv_sec = time.time_since_epoch().count(), .tv_nsec = 0};
}

std::string_view NameOfZipMethod(uint16_t method) {
  switch (method) {
    case 1:
      return "shrink";
    case 2:
    case 3:
    case 4:
    case 5:
      return "reduce";
    case 6:
      return "implode";
    case 9:
      return "deflate64";
    case 10:
      return "PKWARE DCL implode";
    case 12:
      return "bzip2";
    case 14:
      return "lzma";
    case 16:
      return "CMPSC of z/OS";
    case 18:
      return "TERSE";
    case 19:
      return "LZ77 of z/Architecture";
    case 20:  // as 93, by an older release of the specification
    case 93:
      return "zstd";
    case 94:
      return "MP3";
    case 95:
      return "xz";
    case 96:
      return "JPEG";
    case 97:
      return "WavPack";
    case 98:
      return "PPMd";
    default:
      return "unknown";
  }
}

}  // namespace quire
