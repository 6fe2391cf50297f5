// SPDX-License-Identifier: Apache-2.0
#include "format/import/tar_header.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "format/coding.h"

namespace quire {
namespace {

// Where the fields stand: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar, tar.h. A field is (at, bytes).
constexpr size_t kSumAt = 148;
constexpr size_t kSumBytes = 8;
constexpr size_t kPrefixAt = 345;
constexpr size_t kPrefixBytes = 155;
constexpr size_t kStarPrefixBytes = 131;  // two times stand behind it
constexpr size_t kStarMagicAt = 508;
constexpr std::string_view kMagic = "ustar";
constexpr std::string_view kPosixMagic{"ustar\0", 6};
constexpr std::string_view kGnuMagic{"ustar  \0", 8};
constexpr std::string_view kStarMagic{"tar\0", 4};
constexpr size_t kSparseEntryBytes = 24;
constexpr size_t kNumberBytes = 12;

std::optional<int64_t> DecodeBase256(std::span<const std::byte> field) {
  // The first byte has the mark and six bits of the number, of which the mark's neighbour is the sign.
  const auto first = static_cast<uint64_t>(field[0]);
  const bool is_negative = (first & 0x40) != 0;
  uint64_t value = (first & 0x3f) | (is_negative ? ~uint64_t{0x3f} : 0);
  for (const std::byte byte : field.subspan(1)) {
    // The nine highest bits are the sign, so that none is lost.
    if (value >> 55 != (is_negative ? 0x1ffU : 0U)) return std::nullopt;
    value = value << 8 | static_cast<uint64_t>(byte);
  }
  return static_cast<int64_t>(value);
}

}  // namespace

std::optional<int64_t> DecodeTarNumber(std::span<const std::byte> field) {
  assert(!field.empty() && field.size() <= kNumberBytes);
  if ((field[0] & std::byte{0x80}) != std::byte{0}) return DecodeBase256(field);
  const std::string_view text = AsText(field);
  size_t at = 0;
  if (text[0] == '\0') ++at;  // some old programs leave one before the number; GNU tar reads them so
  while (at < text.size() && text[at] == ' ') ++at;
  int64_t value = 0;  // 12 digits have 36 bits
  for (; at < text.size() && text[at] >= '0' && text[at] <= '7'; ++at) value = value << 3 | (text[at] - '0');
  if (at < text.size() && text[at] != ' ' && text[at] != '\0') return std::nullopt;
  return value;
}

bool IsZeroBlock(std::span<const std::byte> block) {
  static constexpr std::array<std::byte, kTarBlockBytes> kZeros = {};
  assert(block.size() <= kZeros.size());
  return std::memcmp(block.data(), kZeros.data(), block.size()) == 0;
}

std::optional<TarSparseEntry> DecodeSparseEntry(std::span<const std::byte> block, const TarSparseBlock& layout,
                                                size_t number) {
  assert(block.size() == kTarBlockBytes && number < layout.entry_count);
  const auto entry = block.subspan(layout.entries_at + number * kSparseEntryBytes, kSparseEntryBytes);
  const auto length = entry.last(kNumberBytes);
  if (length[0] == std::byte{0}) return std::nullopt;  // as GNU tar tells that there are no more
  return TarSparseEntry{.offset = DecodeTarNumber(entry.first(kNumberBytes)), .length_bytes = DecodeTarNumber(length)};
}

bool IsSparseMapContinued(std::span<const std::byte> block, const TarSparseBlock& layout) {
  return block[layout.is_continued_at] != std::byte{0};
}

void TarHeader::Load(std::span<const std::byte> block) {
  assert(block.size() == kTarBlockBytes);
  std::memcpy(block_.data(), block.data(), kTarBlockBytes);
}

bool TarHeader::IsValid() const {
  if (!HasGoodSum()) return false;
  const auto size = DecodeTarNumber(Field(124, kNumberBytes));
  return size && *size >= 0;
}

bool TarHeader::HasGoodSum() const {
  const auto sum_field = Field(kSumAt, kSumBytes);
  const auto told = DecodeTarNumber(sum_field);
  if (!told) return false;
  // The sum counts its own field as spaces.
  uint32_t sum = kSumBytes * ' ';
  for (const std::byte byte : block_) sum += static_cast<uint32_t>(byte);
  for (const std::byte byte : sum_field) sum -= static_cast<uint32_t>(byte);
  if (*told == sum) return true;
  const auto is_high = [](std::byte byte) { return byte >= std::byte{0x80}; };
  const auto high_bytes = std::ranges::count_if(block_, is_high) - std::ranges::count_if(sum_field, is_high);
  return *told == static_cast<int64_t>(sum) - high_bytes * 0x100;
}

bool TarHeader::HasMagic() const { return AsText(block_).substr(257).starts_with(kMagic); }

bool TarHeader::IsGnu() const { return AsText(block_).substr(257).starts_with(kGnuMagic); }

bool TarHeader::IsStar() const { return AsText(block_).substr(kStarMagicAt) == kStarMagic; }

uint64_t TarHeader::size_bytes() const {
  const auto size = DecodeTarNumber(Field(124, kNumberBytes));
  assert(size && *size >= 0);
  return static_cast<uint64_t>(*size);
}

std::optional<int64_t> TarHeader::mode() const { return DecodeTarNumber(Field(100, 8)); }

std::optional<int64_t> TarHeader::uid() const { return DecodeTarNumber(Field(108, 8)); }

std::optional<int64_t> TarHeader::gid() const { return DecodeTarNumber(Field(116, 8)); }

std::optional<int64_t> TarHeader::mtime() const { return DecodeTarNumber(Field(136, kNumberBytes)); }

std::string_view TarHeader::link_target() const { return Text(157, 100); }

void TarHeader::CopyPathTo(std::string& path) const {
  path.clear();
  // GNU headers have other fields where the prefix stands.
  if (AsText(block_).substr(257).starts_with(kPosixMagic)) {
    path = Text(kPrefixAt, IsStar() ? kStarPrefixBytes : kPrefixBytes);
    if (!path.empty()) path += '/';
  }
  path += Text(0, 100);
}

std::optional<int64_t> TarHeader::sparse_size() const { return DecodeTarNumber(Field(483, kNumberBytes)); }

std::string_view TarHeader::Text(size_t at, size_t bytes) const {
  const std::string_view text = AsText(Field(at, bytes));
  return text.substr(0, text.find('\0'));
}

}  // namespace quire
