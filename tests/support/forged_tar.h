// SPDX-License-Identifier: Apache-2.0
// Blocks of tar archives as no program writes them, for tests of what reads archives.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/coding.h"
#include "format/rounding.h"

namespace quire {

inline constexpr size_t kForgedBlockBytes = 512;
inline constexpr std::string_view kPosixTarMagic{
    "ustar\0"
    "00",
    8};
inline constexpr std::string_view kGnuTarMagic{"ustar  \0", 8};
inline const std::string kTarEnd(2 * kForgedBlockBytes, '\0');

// Makes the sum good again. REQUIRES: `header` is one block.
inline void RepairTarSum(std::span<std::byte> header) {
  assert(header.size() == kForgedBlockBytes);
  const auto field = header.subspan(148, 8);
  std::ranges::fill(field, std::byte{' '});
  uint32_t sum = 0;
  for (const std::byte byte : header) sum += static_cast<uint32_t>(byte);
  std::ranges::copy(AsBytes(fmt::format("{:06o}", sum)), field.begin());
  field[6] = std::byte{0};
}

struct TarFields {
  std::string name = "file";
  char type = '0';
  uint64_t size_bytes = 0;
  std::string target = {};
  std::string_view magic = kPosixTarMagic;
  std::string prefix = {};
  // What is written over the block last: (at, bytes).
  std::vector<std::pair<size_t, std::string>> patches = {};
};

inline std::string TarBlock(const TarFields& fields) {
  std::string block(kForgedBlockBytes, '\0');
  const auto put = [&block](size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  put(0, fields.name);
  put(100, "0000644");
  put(108, "0001750");
  put(116, "0001751");
  put(124, fmt::format("{:011o}", fields.size_bytes));
  put(136, "07265557145");
  put(156, std::string(1, fields.type));
  put(157, fields.target);
  put(257, fields.magic);
  put(345, fields.prefix);
  for (const auto& [at, bytes] : fields.patches) put(at, bytes);
  RepairTarSum(std::as_writable_bytes(std::span(block)));
  return block;
}

// `data` and what fills up its last block.
inline std::string TarData(std::string data) {
  data.resize(AlignUp(data.size(), kForgedBlockBytes));
  return data;
}

// A header, which tells the size of `data`, and the data.
inline std::string TarMember(TarFields fields, const std::string& data) {
  fields.size_bytes = data.size();
  return TarBlock(fields) + TarData(data);
}

inline std::string PaxRecord(std::string_view key, std::string_view value) {
  const size_t bytes = key.size() + value.size() + 3;  // a space, '=', a newline
  size_t total = bytes + 1;
  while (total != bytes + std::to_string(total).size()) total = bytes + std::to_string(total).size();
  return fmt::format("{} {}={}\n", total, key, value);
}

inline std::string PaxHeader(const std::string& records, char type = 'x') {
  return TarMember({.name = "PaxHeaders/x", .type = type}, records);
}

}  // namespace quire
