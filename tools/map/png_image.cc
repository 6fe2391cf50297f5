// SPDX-License-Identifier: Apache-2.0
#include "tools/map/png_image.h"

#include <zlib.h>

#include <algorithm>

#include "format/escaping.h"
#include "tools/map/pixel_font.h"

namespace quire {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";

void AppendNumber(uint32_t number, std::string& to) {
  for (const int shift : {24, 16, 8, 0}) to += static_cast<char>(number >> shift & 0xFFU);
}

// Length, name, data, and the CRC-32 of the latter two.
void AppendChunk(std::string_view name, std::string_view data, std::string& to) {
  AppendNumber(static_cast<uint32_t>(data.size()), to);
  const size_t begin = to.size();
  to += name;
  to += data;
  const auto* const bytes = reinterpret_cast<const Bytef*>(to.data() + begin);
  AppendNumber(static_cast<uint32_t>(crc32(0, bytes, static_cast<uInt>(to.size() - begin))), to);
}

std::string Compress(const std::string& bytes) {
  uLongf packed_bytes = compressBound(static_cast<uLong>(bytes.size()));
  std::string packed(packed_bytes, '\0');
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &packed_bytes, reinterpret_cast<const Bytef*>(bytes.data()),
                static_cast<uLong>(bytes.size()), Z_BEST_COMPRESSION) != Z_OK)
    return "";
  packed.resize(packed_bytes);
  return packed;
}

}  // namespace

PngImage::PngImage(uint32_t width, uint32_t height, Colour ground)
    : width_(width), height_(height), pixels_(size_t{width} * height, ground) {}

void PngImage::Fill(int64_t x, int64_t y, int64_t width, int64_t height, Colour colour) {
  const int64_t right = std::min<int64_t>(x + width, width_);
  const int64_t bottom = std::min<int64_t>(y + height, height_);
  for (int64_t row = std::max<int64_t>(y, 0); row < bottom; ++row)
    for (int64_t column = std::max<int64_t>(x, 0); column < right; ++column)
      pixels_[static_cast<size_t>(row * width_ + column)] = colour;
}

void PngImage::Write(int64_t x, int64_t baseline, std::string_view text, uint32_t scale, Colour colour) {
  for (; !text.empty(); text.remove_prefix(std::max<size_t>(Utf8Length(text), 1)), x += kGlyphAdvance * scale)
    for (size_t row = 0; row < kGlyphHeight; ++row)
      for (size_t column = 0; column < kGlyphWidth; ++column)
        if (HasInk(text.front(), column, row))
          Fill(x + static_cast<int64_t>(column * scale),
               baseline + (static_cast<int64_t>(row) - static_cast<int64_t>(kGlyphBaseline)) * scale, scale, scale,
               colour);
}

std::string PngImage::Encode(std::string_view title) const {
  std::string rows;
  rows.reserve(size_t{height_} * (size_t{width_} * 3 + 1));
  for (uint32_t row = 0; row < height_; ++row) {
    rows += '\0';  // no filter
    for (uint32_t column = 0; column < width_; ++column) {
      const Colour pixel = At(column, row);
      for (const uint8_t part : {pixel.red, pixel.green, pixel.blue}) rows += static_cast<char>(part);
    }
  }
  const std::string packed = Compress(rows);
  if (packed.empty()) return "";
  std::string head;
  AppendNumber(width_, head);
  AppendNumber(height_, head);
  head += '\x08';                         // bits a colour
  head += '\x02';                         // red, green and blue
  head += std::string_view("\0\0\0", 3);  // deflate, filters by row, not interlaced
  // International text, as it is: keyword, not packed, no language, no translated keyword.
  std::string text = "Title";
  text += std::string_view("\0\0\0\0\0", 5);
  text += title;
  std::string png(kSignature);
  AppendChunk("IHDR", head, png);
  AppendChunk("iTXt", text, png);
  AppendChunk("IDAT", packed, png);
  AppendChunk("IEND", "", png);
  return png;
}

}  // namespace quire
