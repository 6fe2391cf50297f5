// SPDX-License-Identifier: Apache-2.0
// One header block of a tar archive: the fields of V7, ustar, GNU and star headers, decoded from untrusted bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace quire {

inline constexpr size_t kTarBlockBytes = 512;

// An octal number with spaces before it and a space or NUL behind it, or, as GNU writes what octal digits do not hold,
// a big-endian number of two's complement behind a first bit of 1. A field without digits is 0. Empty where it is no
// number, or none of 64 bits.
std::optional<int64_t> DecodeTarNumber(std::span<const std::byte> field);

bool IsZeroBlock(std::span<const std::byte> block);

// What one entry of a sparse map says. Empty where the map ends.
struct TarSparseEntry {
  std::optional<int64_t> offset;
  std::optional<int64_t> length_bytes;
};

// Where one block of an old GNU sparse map has its entries.
struct TarSparseBlock {
  size_t entries_at = 0;
  size_t entry_count = 0;
  size_t is_continued_at = 0;
};
inline constexpr TarSparseBlock kSparseInHeader = {.entries_at = 386, .entry_count = 4, .is_continued_at = 482};
inline constexpr TarSparseBlock kSparseBehindHeader = {.entries_at = 0, .entry_count = 21, .is_continued_at = 504};
// REQUIRES: `block` has kTarBlockBytes, and number < layout.entry_count.
std::optional<TarSparseEntry> DecodeSparseEntry(std::span<const std::byte> block, const TarSparseBlock& layout,
                                                size_t number);
bool IsSparseMapContinued(std::span<const std::byte> block, const TarSparseBlock& layout);

class TarHeader {
 public:
  // Takes a copy. REQUIRES: `block` has kTarBlockBytes.
  void Load(std::span<const std::byte> block);

  // Whether the sum is that of the block, and the size a number: what a reader must know to find the next header. Some
  // old programs sum bytes as signed numbers, so either sum is good.
  [[nodiscard]] bool IsValid() const;
  // Whether it says to be ustar or of a later format: so few bytes of data look like one that it may be searched for.
  [[nodiscard]] bool HasMagic() const;
  [[nodiscard]] bool IsGnu() const;
  [[nodiscard]] bool IsStar() const;

  [[nodiscard]] char type() const { return static_cast<char>(block_[156]); }
  // REQUIRES: IsValid().
  [[nodiscard]] uint64_t size_bytes() const;
  [[nodiscard]] std::optional<int64_t> mode() const;
  [[nodiscard]] std::optional<int64_t> uid() const;
  [[nodiscard]] std::optional<int64_t> gid() const;
  [[nodiscard]] std::optional<int64_t> mtime() const;
  [[nodiscard]] std::string_view link_target() const;
  // Replaces `path` by the prefix, if there is one, and the name.
  void CopyPathTo(std::string& path) const;
  // Of the whole file, of an old GNU sparse one.
  [[nodiscard]] std::optional<int64_t> sparse_size() const;
  [[nodiscard]] std::span<const std::byte> block() const { return block_; }

 private:
  [[nodiscard]] std::span<const std::byte> Field(size_t at, size_t bytes) const {
    return std::span(block_).subspan(at, bytes);
  }
  [[nodiscard]] std::string_view Text(size_t at, size_t bytes) const;
  [[nodiscard]] bool HasGoodSum() const;

  std::array<std::byte, kTarBlockBytes> block_ = {};
};

}  // namespace quire
