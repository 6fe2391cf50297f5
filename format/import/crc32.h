// SPDX-License-Identifier: Apache-2.0
// CRC-32 as zip archives have it (APPNOTE.TXT 4.4.7): the sum of a member, and of a name that an extra field replaces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quire {

inline constexpr std::array<uint32_t, 256> kCrc32Table = [] {
  std::array<uint32_t, 256> table = {};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1U) ^ ((sum & 1U) != 0 ? 0xEDB88320U : 0U);
    table[byte] = sum;
  }
  return table;
}();

// A byte at a time, which is too slow for samples: for names and targets, which are short.
constexpr uint32_t Crc32(std::span<const std::byte> bytes) {
  uint32_t sum = ~0U;
  for (const std::byte byte : bytes) sum = (sum >> 8U) ^ kCrc32Table[(sum ^ static_cast<uint32_t>(byte)) & 0xFFU];
  return ~sum;
}

}  // namespace quire
