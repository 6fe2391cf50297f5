// SPDX-License-Identifier: Apache-2.0
#include "format/write/compression.h"

#include <charconv>

#include "format/pack/geometry.h"

namespace quire {
namespace {

constexpr uint32_t kLeastDictionaryBytes = 1 << 10;  // of less zstd makes none

// The whole of `text` as a number.
std::optional<uint32_t> ParseNumber(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<Compression> ParseCompression(std::string_view codec, bool is_each_alone, std::string_view dictionaries) {
  Compression compression{.is_each_alone = is_each_alone};
  const std::string_view name = codec.substr(0, codec.find(':'));
  if (name != "zstd") return Invalid("--compress {}: the way to compress is zstd, or zstd:LEVEL", codec);
  if (name.size() < codec.size()) {
    const auto level = ParseNumber(codec.substr(name.size() + 1));
    if (!level || *level < 1 || *level > Compression::kMaxLevel)
      return Invalid("--compress {}: a level is a number from 1 to {}", codec, Compression::kMaxLevel);
    compression.level = static_cast<int>(*level);
  }
  if (dictionaries == "none") compression.dictionary_bytes = 0;
  if (dictionaries == "none" || dictionaries == "auto") return compression;
  const bool is_kib = dictionaries.ends_with('K');
  const auto bytes = ParseNumber(dictionaries.substr(0, dictionaries.size() - (is_kib ? 1 : 0)));
  const uint64_t size = uint64_t{bytes.value_or(0)} * (is_kib ? 1024 : 1);
  if (size < kLeastDictionaryBytes || size > kMaxDictionaryBytes)
    return Invalid("--dict {}: auto, none, or the size of a dictionary, from {}K to {}K", dictionaries,
                   kLeastDictionaryBytes >> 10, kMaxDictionaryBytes >> 10);
  compression.dictionary_bytes = static_cast<uint32_t>(size);
  return compression;
}

}  // namespace quire
