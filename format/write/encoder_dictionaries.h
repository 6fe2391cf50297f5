// SPDX-License-Identifier: Apache-2.0
// The dictionaries of a pack that is being made, one for each kind of sample that gains by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/result.h"
#include "format/write/frame_encoder.h"

namespace quire {

// The suffix of a name in small letters, ".json"; empty where it has none of at most 8 letters and digits.
std::string SuffixOf(std::string_view name);

// What kind of sample it is whose name is `name`, and whose first bytes are `head`: its suffix, or without one "text",
// "markup", "braces" or "binary", by its first bytes.
std::string KindOfSample(std::string_view name, std::span<const std::byte> head);

// Immutable once it is filled, so any thread may ask.
class EncoderDictionaries {
 public:
  struct Choice {
    uint8_t number = 0;                             // of its record; 0: none
    const EncoderDictionary* dictionary = nullptr;  // null: none
  };

  // Adds a dictionary for samples of `kind`, for the level at which they are compressed; kInvalid where the bytes are
  // none. REQUIRES: there are at most 254, and none for this kind.
  Result<void> Add(const std::string& kind, std::vector<std::byte> bytes, int level);
  [[nodiscard]] Choice Find(std::string_view name, std::span<const std::byte> head) const;
  [[nodiscard]] size_t count() const { return bytes_.size(); }
  // Those of dictionary `number`, from 1 on.
  [[nodiscard]] std::span<const std::byte> bytes(size_t number) const { return bytes_[number - 1]; }

 private:
  std::unordered_map<std::string, uint8_t> numbers_;  // by kind
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<EncoderDictionary> ready_;
};

}  // namespace quire
