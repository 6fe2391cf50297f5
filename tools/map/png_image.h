// SPDX-License-Identifier: Apache-2.0
// Pixels, and the PNG of them (RFC 2083): colours of 8 bits, no filter, packed by zlib, which is linked anyway. What
// libpng has beside that (reading, palettes, interlacing, colour profiles) is of no use here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/map/level_colours.h"

namespace quire {

class PngImage {
 public:
  PngImage(uint32_t width, uint32_t height, Colour ground);

  [[nodiscard]] uint32_t width() const { return width_; }
  [[nodiscard]] uint32_t height() const { return height_; }
  [[nodiscard]] Colour At(uint32_t x, uint32_t y) const { return pixels_[size_t{y} * width_ + x]; }

  // What lies outside of the image is left out.
  void Fill(int64_t x, int64_t y, int64_t width, int64_t height, Colour colour);
  // In letters of pixel_font.h, of which each pixel is a square of `scale`.
  void Write(int64_t x, int64_t baseline, std::string_view text, uint32_t scale, Colour colour);

  // `title`: tells programs what the image is. Nothing where memory is short.
  [[nodiscard]] std::string Encode(std::string_view title) const;

 private:
  uint32_t width_;
  uint32_t height_;
  std::vector<Colour> pixels_;
};

}  // namespace quire
