// SPDX-License-Identifier: Apache-2.0
// Little-endian integers of 1 to 8 bytes in byte spans. Inline: the hit path decodes records with them.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace quire {

static_assert(std::endian::native == std::endian::little, "records are copied as they lie in memory");

// REQUIRES: `at + kBytes <= bytes.size()`.
template <size_t kBytes>
uint64_t LoadUint(std::span<const std::byte> bytes, size_t at) {
  assert(at + kBytes <= bytes.size());
  static_assert(kBytes >= 1 && kBytes <= 8);
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, kBytes);
  return value;
}

// REQUIRES: `at + kBytes <= bytes.size()`, and `value` fits kBytes.
template <size_t kBytes>
void StoreUint(std::span<std::byte> bytes, size_t at, uint64_t value) {
  assert(at + kBytes <= bytes.size() && (kBytes == 8 || value >> (8 * kBytes % 64) == 0));
  static_assert(kBytes >= 1 && kBytes <= 8);
  std::memcpy(bytes.data() + at, &value, kBytes);
}

inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace quire
