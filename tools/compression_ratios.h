// SPDX-License-Identifier: Apache-2.0
// What compression came to in a pack, by the suffix of samples: for `quire info`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

struct CompressionRatio {
  std::string suffix = {};  // ".json"; empty for names without one
  uint64_t samples = 0;
  uint64_t sample_bytes = 0;  // of their extents, each once
  uint64_t stored_bytes = 0;  // what those take in the pack
};

struct CompressionRatios {
  std::vector<CompressionRatio> suffixes;  // by sample_bytes, the most first
  uint64_t dictionaries = 0;
  uint64_t dictionary_bytes = 0;

  [[nodiscard]] CompressionRatio Total() const;
};

// Of the samples that the generation has. Reads all of the index. What of it is damaged is left out; `quire verify`
// tells of that. Errors: kSystem, where it cannot be read. REQUIRES: index.has_frames().
Result<CompressionRatios> FindCompressionRatios(const Index& index);

}  // namespace quire
