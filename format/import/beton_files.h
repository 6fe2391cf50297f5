// SPDX-License-Identifier: Apache-2.0
// What files show of the values in a .beton file: texts of numbers, and what stands before pixels and arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "format/result.h"

namespace quire {

// A line. Numbers of 64 bits are as Python prints them: the fewest digits that mean the same number.
std::string IntText(int64_t value);
std::string FloatText(double value);

// Of a binary PPM, which the pixels follow: three bytes each, by rows.
std::string PpmHeader(uint64_t width, uint64_t height);

struct NpyArray {
  std::string header;  // of a .npy file of version 1.0; the data follows, in C order
  uint64_t data_bytes = 0;
};

// `type`: as numpy's `json.dumps(dtype.descr)` has it, '[["", "<f4"]]' say. The error (kUnsupported or kCorrupt) says
// why no .npy file is made of such arrays. REQUIRES: at most 32 dimensions.
Result<NpyArray> DescribeNpy(std::string_view type, std::span<const uint64_t> shape);

// What ExtensionOf looks at.
inline constexpr size_t kSignatureBytes = 12;

// The extension that names of files have whose content begins with `begin`; empty where it is none of the kinds of
// images and sounds that are known.
std::string_view ExtensionOf(std::span<const std::byte> begin);

}  // namespace quire
