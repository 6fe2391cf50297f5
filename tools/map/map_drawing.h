// SPDX-License-Identifier: Apache-2.0
// A map laid out on a page, in boxes and lines of text: what the SVG and the PNG have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/map/map_report.h"

namespace quire {

// All lengths in CSS pixels, from the upper left corner.
struct DrawnBox {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  std::optional<Level> level = {};
  double share = 0;
  std::string title = {};  // what it stands for, in words
};

enum class TextKind : uint8_t { kTitle, kPlain, kMuted };

struct DrawnText {
  double x = 0;
  double baseline = 0;
  TextKind kind = TextKind::kPlain;
  std::string text = {};
};

struct MapDrawing {
  double width = 0;
  double height = 0;
  std::vector<DrawnBox> boxes;
  std::vector<DrawnText> texts;
};

// Lines of text are broken so that they fit where a character is this wide.
inline constexpr double kCharacterWidth = 9;

MapDrawing LayOut(const MapReport& report);

}  // namespace quire
