// SPDX-License-Identifier: Apache-2.0
#include "tools/map/png_picture.h"

#include <cmath>

#include "format/escaping.h"
#include "tools/map/level_colours.h"
#include "tools/map/map_drawing.h"
#include "tools/map/pixel_font.h"
#include "tools/map/png_image.h"

namespace quire {
namespace {

constexpr double kPixels = 2;       // for one of the page, so that the letters of pixels are no coarser than the cells
constexpr uint32_t kTextScale = 3;  // 9 of the page a character: kCharacterWidth
constexpr uint32_t kTitleScale = 4;
static_assert(kGlyphAdvance * kTextScale == kCharacterWidth * kPixels);
constexpr Colour kWhite = {0xff, 0xff, 0xff};
constexpr Colour kInk = {0x1f, 0x23, 0x28};
constexpr Colour kMuted = {0x5b, 0x65, 0x70};

int64_t PixelsOf(double length) { return std::lround(length * kPixels); }

}  // namespace

std::string DrawPng(const MapReport& report) {
  const MapDrawing drawing = LayOut(report);
  PngImage image(static_cast<uint32_t>(PixelsOf(drawing.width)), static_cast<uint32_t>(PixelsOf(drawing.height)),
                 kWhite);
  for (const DrawnBox& box : drawing.boxes)
    image.Fill(PixelsOf(box.x), PixelsOf(box.y), PixelsOf(box.width), PixelsOf(box.height),
               ColourOf(kLightColours, kLightNothing, box.level, box.share));
  for (const DrawnText& text : drawing.texts)
    image.Write(PixelsOf(text.x), PixelsOf(text.baseline), text.text,
                text.kind == TextKind::kTitle ? kTitleScale : kTextScale,
                text.kind == TextKind::kMuted ? kMuted : kInk);
  return image.Encode("quire map of " + EscapeName(report.source));
}

}  // namespace quire
