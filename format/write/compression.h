// SPDX-License-Identifier: Apache-2.0
// Whether and how `quire pack` compresses samples, and what came of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "format/result.h"

namespace quire {

struct Compression {
  static constexpr int kDefaultLevel = 3;  // zstd's own
  // Beyond are levels for windows of megabytes, which no frame of 256 KiB fills.
  static constexpr int kMaxLevel = 19;

  int level = kDefaultLevel;  // 1 to kMaxLevel
  // Small samples too; otherwise those that follow each other are compressed together.
  bool is_each_alone = false;
  // Where it is: of each dictionary; 0: none are made; empty: chosen for each kind.
  std::optional<uint32_t> dictionary_bytes = {};
};

// "zstd" or "zstd:LEVEL", and "auto", "none" or a size.
Result<Compression> ParseCompression(std::string_view codec, bool is_each_alone, std::string_view dictionaries);

struct CompressionReport {
  uint64_t samples = 0;       // that are compressed
  uint64_t sample_bytes = 0;  // of these
  uint64_t coded_bytes = 0;   // what they came to
  uint64_t left_samples = 0;  // that are as they were, since it would not have saved enough
  uint64_t left_bytes = 0;
  uint64_t vain_bytes = 0;  // of those, what was compressed for nothing; the others were told by a probe
  uint64_t dictionaries = 0;
  uint64_t dictionary_bytes = 0;
};

// What must be saved, of 100, lest a sample be left as it is: a reader decodes for it.
inline constexpr uint64_t kLeastSavedPercent = 5;

}  // namespace quire
