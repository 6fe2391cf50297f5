// SPDX-License-Identifier: Apache-2.0
// Letters of 5 by 8 pixels, drawn for this, so that a picture of pixels says what it shows without a library for fonts.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace quire {

inline constexpr size_t kGlyphWidth = 5;
inline constexpr size_t kGlyphHeight = 8;  // the last row is below the line
inline constexpr size_t kGlyphBaseline = 7;
inline constexpr size_t kGlyphAdvance = 6;

// Whether the glyph of an ASCII character has ink there; others have a box. REQUIRES: within the glyph.
bool HasInk(char character, size_t x, size_t y);

}  // namespace quire
