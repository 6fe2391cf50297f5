// SPDX-License-Identifier: Apache-2.0
// The records of zip archives, decoded. The authorities are PKWARE's APPNOTE.TXT 6.3.10, whose sections are named here,
// and for what it leaves to them, Info-ZIP's notes on extra fields (proginfo/extrafld.txt in the sources of zip 3.0).
// Decoding takes any bytes: what it does not understand it leaves out, and zip_reader.h compares the rest with the
// archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <span>
#include <string_view>

namespace quire {

inline constexpr uint32_t kZipLocalSignature = 0x04034B50;    // 4.3.7
inline constexpr uint32_t kZipCentralSignature = 0x02014B50;  // 4.3.12
inline constexpr uint32_t kZipSumsSignature = 0x05054B50;     // 4.3.13: a digital signature behind the entries
inline constexpr size_t kZipLocalBytes = 30;                  // 4.3.7, before the name
inline constexpr size_t kZipCentralBytes = 46;                // 4.3.12, before the name

// 4.4.1.4: the number stands in the zip64 record or field.
inline constexpr uint16_t kZipElsewhere16 = 0xFFFF;
inline constexpr uint32_t kZipElsewhere32 = 0xFFFFFFFF;

// 4.4.4
inline constexpr uint16_t kZipEncrypted = 1U << 0U;
inline constexpr uint16_t kZipHasDescriptor = 1U << 3U;  // sum and sizes follow the data, and not stand in its header
inline constexpr uint16_t kZipPatched = 1U << 5U;
inline constexpr uint16_t kZipStronglyEncrypted = 1U << 6U;
inline constexpr uint16_t kZipNameIsUtf8 = 1U << 11U;
inline constexpr uint16_t kZipHeaderIsMasked = 1U << 13U;

// 4.4.2.2
inline constexpr uint8_t kZipHostFat = 0;
inline constexpr uint8_t kZipHostUnix = 3;
inline constexpr uint8_t kZipHostHpfs = 6;  // of OS/2
inline constexpr uint8_t kZipHostNtfs = 10;
inline constexpr uint8_t kZipHostVfat = 14;
inline constexpr uint8_t kZipHostDarwin = 19;

// 4.4.5
inline constexpr uint16_t kZipStored = 0;
inline constexpr uint16_t kZipDeflated = 8;
inline constexpr uint16_t kZipAes = 99;

// An entry of the central directory (4.3.12), which is in memory elsewhere.
struct ZipEntry {
  uint8_t host = 0;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint16_t dos_time = 0;
  uint16_t dos_date = 0;
  uint32_t crc32 = 0;
  uint64_t stored_bytes = 0;
  uint64_t size_bytes = 0;
  uint32_t disk = 0;
  uint32_t attributes = 0;     // 4.4.15
  uint64_t header_offset = 0;  // of the local header, from where the archive begins
  std::string_view name;       // as it stands there: see zip_names.h
  std::span<const std::byte> extra;

  [[nodiscard]] bool is_of_unix() const { return host == kZipHostUnix || host == kZipHostDarwin; }
  [[nodiscard]] bool is_of_dos() const {
    return host == kZipHostFat || host == kZipHostHpfs || host == kZipHostNtfs || host == kZipHostVfat;
  }
};

// A local header (4.3.7).
struct ZipLocalHeader {
  uint32_t signature = 0;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint32_t crc32 = 0;
  uint64_t stored_bytes = 0;
  uint64_t size_bytes = 0;
  uint16_t name_bytes = 0;
  uint16_t extra_bytes = 0;
};

// What the extra fields of an entry or a local header (4.5, 4.6) tell.
struct ZipExtra {
  std::span<const std::byte> zip64;         // 4.5.3, what follows its length
  std::span<const std::byte> unicode_path;  // 4.6.9, what follows its length
  std::optional<timespec> mtime;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

// The bytes of the whole record. REQUIRES: `fixed` has kZipCentralBytes.
size_t ZipEntryBytes(std::span<const std::byte> fixed);
// Sizes, offset and disk are those of the entry itself, see TakeZip64. REQUIRES: `record` has ZipEntryBytes of it.
ZipEntry DecodeZipEntry(std::span<const std::byte> record);
// REQUIRES: `fixed` has kZipLocalBytes.
ZipLocalHeader DecodeZipLocalHeader(std::span<const std::byte> fixed);

// Of the times an extended timestamp (0x5455) is taken before Info-ZIP's older field (0x5855), and that before NTFS's
// (4.5.5). Of the owners those of 0x7875 are taken before those of 0x7855 and 0x5855.
ZipExtra DecodeZipExtra(std::span<const std::byte> extra);

// Replaces what an entry or header says elsewhere, which is all that has every bit set, by what the zip64 field has of
// it (4.5.3). False where the field lacks something of that.
bool TakeZip64(std::span<const std::byte> zip64, ZipEntry& entry);
bool TakeZip64(std::span<const std::byte> zip64, ZipLocalHeader& header);

// 4.4.6: in steps of 2 s. No zone is told with it, so it is taken as UTC; what is no date is the nearest one before.
timespec DecodeDosTime(uint16_t dos_date, uint16_t dos_time);

// Of a method that is not served, by 4.4.5; "unknown" for those that are not there.
std::string_view NameOfZipMethod(uint16_t method);

}  // namespace quire
