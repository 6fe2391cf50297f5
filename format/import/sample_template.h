// SPDX-License-Identifier: Apache-2.0
// Names of files that have none where they lie: made of the number of a sample and the name of a field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace quire {

inline constexpr std::string_view kDefaultSampleTemplate = "{index:08d}.{field}";

class SampleTemplate {
 public:
  // `text`: a path with '{index}' or '{index:08d}', which fills up with zeros to so many digits, and with '{field}'.
  // The error is kInvalid: what is wrong, and what can be there.
  static Result<SampleTemplate> Parse(std::string_view text);

  // Sets `path`, without the extension of the file's kind.
  void Expand(uint64_t index, std::string_view field, std::string& path) const;

 private:
  enum class Kind : uint8_t { kText, kIndex, kField };
  struct Part {
    Kind kind = Kind::kText;
    std::string text = {};
    unsigned digits = 0;
  };

  [[nodiscard]] bool Has(Kind kind) const;

  std::vector<Part> parts_;
};

}  // namespace quire
