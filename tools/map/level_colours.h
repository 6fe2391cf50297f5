// SPDX-License-Identifier: Apache-2.0
// The colours of levels, those of Okabe and Ito that charts have too: the colour-blind can tell them apart.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tools/map/page_levels.h"

namespace quire {

struct Colour {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;

  bool operator==(const Colour&) const = default;
};

// On paper, and on dark ground; kNoPage: of what is nowhere.
inline constexpr std::array<Colour, kLevels> kLightColours = {
    Colour{0xd5, 0x5e, 0x00}, {0xe6, 0x9f, 0x00}, {0x00, 0x72, 0xb2}, {0x00, 0x9e, 0x73}};
inline constexpr std::array<Colour, kLevels> kDarkColours = {
    Colour{0xf0, 0x83, 0x3a}, {0xf0, 0xb9, 0x3a}, {0x4a, 0xa3, 0xdf}, {0x2d, 0xbd, 0x92}};
inline constexpr Colour kLightNothing = {0xe6, 0xe9, 0xed};
inline constexpr Colour kDarkNothing = {0x3a, 0x3f, 0x45};
// The classes that tools/bench/chart.h has for the same.
inline constexpr std::array<std::string_view, kLevels> kColourClasses = {"qc-1", "qc-4", "qc-0", "qc-2"};

// How much of the colour a cell has of which `share` is there: what is there at all is seen.
constexpr double ShadeOf(double share) { return share <= 0 ? 0 : 0.3 + 0.7 * share; }

// `over` laid over `under`, of which 1 - `part` is still seen.
constexpr Colour Blend(Colour under, Colour over, double part) {
  const auto mix = [part](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a + (b - a) * part + 0.5); };
  return {mix(under.red, over.red), mix(under.green, over.green), mix(under.blue, over.blue)};
}

constexpr Colour ColourOf(const std::array<Colour, kLevels>& colours, Colour nothing, std::optional<Level> level,
                          double share) {
  return level ? Blend(nothing, colours[static_cast<size_t>(*level)], ShadeOf(share)) : nothing;
}

}  // namespace quire
