// SPDX-License-Identifier: Apache-2.0
// A map as text: lines for people, and between them a picture of cells in colour, or in letters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "tools/map/map_report.h"

namespace quire {

enum class ColourDepth : uint8_t { kNone, kEight, k256, kFull };

struct TerminalStyle {
  size_t columns = 80;
  ColourDepth colours = ColourDepth::kNone;
  bool has_blocks = false;  // U+2580 can be shown: two cells in a character
};

enum class ColourChoice : uint8_t { kAuto, kAlways, kNever };

// What suits the terminal, or whatever standard output is. `columns`: of the terminal, 0 where it is none.
// `variable`: getenv(3); LC_ALL, LC_CTYPE and LANG say whether it shows UTF-8, TERM and COLORTERM how many colours it
// has, and NO_COLOR that none are wanted.
TerminalStyle ChooseTerminalStyle(ColourChoice choice, size_t columns,
                                  const std::function<const char*(const char*)>& variable);

// No line of it is wider than style.columns, but for names. Ends with a newline.
std::string DrawForTerminal(const MapReport& report, const TerminalStyle& style);

}  // namespace quire
