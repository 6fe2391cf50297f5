// SPDX-License-Identifier: Apache-2.0
#include "tools/map/terminal_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "format/escaping.h"
#include "tools/map/cell_grid.h"
#include "tools/map/level_colours.h"

namespace quire {
namespace {

// With the lines of the summary and the legend, what a terminal of 24 lines shows.
constexpr size_t kMostLines = 14;
constexpr size_t kLeastColumns = 40;
constexpr size_t kUsualColumns = 80;
// A line of a few pages is a dot otherwise.
constexpr size_t kWidestCell = 4;

constexpr std::string_view kUpperHalf = "\xE2\x96\x80";  // U+2580
constexpr std::string_view kFull = "\xE2\x96\x88";       // U+2588
constexpr std::string_view kPlain = "\x1b[0m";

constexpr std::string_view kLetters = "MHPT";  // by level: at least half is there
constexpr std::string_view kSmallLetters = "mhpt";
constexpr std::array<int, kLevels> kEightColours = {31, 33, 36, 32};

// The nearest of a terminal's 256 colours: a cube of 6 by 6 by 6, and greys.
int Of256(Colour colour) {
  constexpr std::array<int, 6> kSteps = {0, 95, 135, 175, 215, 255};
  const auto distance = [colour](int red, int green, int blue) {
    const int r = red - colour.red;
    const int g = green - colour.green;
    const int b = blue - colour.blue;
    return r * r + g * g + b * b;
  };
  const auto nearest = [&](uint8_t value) {
    const auto step = std::ranges::min_element(kSteps, {}, [value](int each) { return std::abs(each - value); });
    return static_cast<int>(step - kSteps.begin());
  };
  const int red = nearest(colour.red);
  const int green = nearest(colour.green);
  const int blue = nearest(colour.blue);
  int best = 16 + 36 * red + 6 * green + blue;
  int best_distance =
      distance(kSteps[static_cast<size_t>(red)], kSteps[static_cast<size_t>(green)], kSteps[static_cast<size_t>(blue)]);
  for (int grey = 0; grey < 24; ++grey) {
    const int value = 8 + 10 * grey;
    if (const int found = distance(value, value, value); found < best_distance) {
      best_distance = found;
      best = 232 + grey;
    }
  }
  return best;
}

class Painter {
 public:
  Painter(const MapReport& report, const TerminalStyle& style)
      : report_(report), style_(style), has_blocks_(style.has_blocks && style.colours >= ColourDepth::k256) {}

  std::string Paint() {
    text_ += EscapeName(report_.source);
    if (report_.mount_point) text_ += " at " + EscapeName(*report_.mount_point);
    text_ += '\n';
    PaintLines(SummaryLine(report_), 0);
    PaintParts();
    PaintLegend();
    for (const std::string& note : NotesOf(report_)) PaintLines(note, 0);
    return std::move(text_);
  }

 private:
  // A single part says how large its cells are below, of several each in its heading.
  void PaintParts() {
    const auto parts = PartsOf(report_);
    if (parts.empty()) return;
    const size_t lines = std::max<size_t>(kMostLines / parts.size(), 1);
    std::string legend =
        has_blocks_ ? "the fuller the colour, the more of it is there" : "capitals: at least half of it is there";
    for (const MapPart& part : parts) {
      const CellGrid grid = MakeGrid(part.volumes, style_.columns, has_blocks_ ? 2 * lines : lines);
      if (parts.size() > 1)
        text_ += fmt::format("{}: {}\n", EscapeName(part.title), DescribeCell(grid.pages_per_cell));
      else
        legend = DescribeCell(grid.pages_per_cell) + "; " + legend;
      PaintGrid(grid);
    }
    PaintLines(legend, 0);
  }

  void PaintGrid(const CellGrid& grid) {
    const size_t width = grid.rows > 1 ? 1 : std::clamp<size_t>(style_.columns / grid.columns, 1, kWidestCell);
    const size_t rows_a_line = has_blocks_ && grid.rows > 1 ? 2 : 1;
    for (size_t row = 0; row < grid.rows; row += rows_a_line) {
      for (size_t column = 0; column < grid.columns; ++column) {
        const Cell* const cell = grid.At(row, column);
        if (cell == nullptr) break;
        for (size_t i = 0; i < width; ++i)
          if (has_blocks_)
            PaintBlock(*cell, rows_a_line == 2 ? grid.At(row + 1, column) : cell);
          else
            PaintLetter(*cell);
      }
      EndColours();
      text_ += '\n';
    }
  }

  // Of two cells, one above the other; below the last row there is none.
  void PaintBlock(const Cell& upper, const Cell* lower) {
    const auto colour_of = [](const Cell& cell) {
      return ColourOf(kDarkColours, kDarkNothing, cell.level, cell.share);
    };
    std::string wanted = Code(38, colour_of(upper));
    const bool is_full = lower == &upper;
    if (!is_full) wanted += lower != nullptr ? Code(48, colour_of(*lower)) : "\x1b[49m";
    Switch(wanted);
    text_ += is_full ? kFull : kUpperHalf;
  }

  void PaintLetter(const Cell& cell) {
    char letter = '.';
    std::string wanted;
    if (cell.level) {
      const auto level = static_cast<size_t>(*cell.level);
      letter = (cell.share >= 0.5 ? kLetters : kSmallLetters)[level];
      wanted = LetterCode(*cell.level);
    }
    if (wanted.empty()) EndColours();
    Switch(wanted);
    text_ += letter;
  }

  void PaintLegend() {
    for (const Level level : kAllLevels) {
      const auto described = DescribeLevel(report_, level);
      if (!described) continue;
      if (has_blocks_) {
        Switch(Code(38, kDarkColours[static_cast<size_t>(level)]));
        text_ += kFull;
        text_ += kFull;
      } else {
        Switch(LetterCode(level));
        text_ += kLetters[static_cast<size_t>(level)];
        text_ += kSmallLetters[static_cast<size_t>(level)];
      }
      EndColours();
      constexpr size_t kIndent = 14;
      text_ += fmt::format(" {:<11}", kLevelNames[static_cast<size_t>(level)]);
      PaintLines(*described, kIndent);
    }
  }

  // Text broken between words, where the first `indent` columns of its first line are written already.
  void PaintLines(std::string_view words, size_t indent) {
    size_t column = indent;
    bool is_first = true;
    while (!words.empty()) {
      const size_t end = std::min(words.find(' '), words.size());
      if (!is_first && column + 1 + end > style_.columns) {
        text_ += '\n' + std::string(indent, ' ');
        column = indent;
        is_first = true;
      }
      if (!is_first) text_ += ' ';
      text_ += words.substr(0, end);
      column += end + (is_first ? 0 : 1);
      is_first = false;
      words.remove_prefix(std::min(end + 1, words.size()));
    }
    text_ += '\n';
  }

  [[nodiscard]] std::string Code(int ground, Colour colour) const {
    if (style_.colours == ColourDepth::kFull)
      return fmt::format("\x1b[{};2;{};{};{}m", ground, colour.red, colour.green, colour.blue);
    return fmt::format("\x1b[{};5;{}m", ground, Of256(colour));
  }

  [[nodiscard]] std::string LetterCode(Level level) const {
    if (style_.colours == ColourDepth::kNone) return "";
    if (style_.colours == ColourDepth::kEight)
      return fmt::format("\x1b[{}m", kEightColours[static_cast<size_t>(level)]);
    return Code(38, kDarkColours[static_cast<size_t>(level)]);
  }

  void Switch(const std::string& code) {
    if (code == current_) return;
    text_ += code;
    current_ = code;
  }
  void EndColours() {
    if (!current_.empty()) text_ += kPlain;
    current_.clear();
  }

  const MapReport& report_;
  const TerminalStyle& style_;
  const bool has_blocks_;
  std::string text_;
  std::string current_;  // the colours that are switched on
};

}  // namespace

TerminalStyle ChooseTerminalStyle(ColourChoice choice, size_t columns,
                                  const std::function<const char*(const char*)>& variable) {
  const auto text_of = [&](const char* name) {
    const char* const value = variable(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  TerminalStyle style{.columns = columns == 0 ? kUsualColumns : std::max(columns, kLeastColumns)};
  std::string_view locale;
  for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    locale = text_of(name);
    if (!locale.empty()) break;  // what comes later counts for nothing: setlocale(3)
  }
  style.has_blocks = locale.contains("UTF-8") || locale.contains("utf8") || locale.contains("UTF8");
  const std::string_view terminal = text_of("TERM");
  const bool may_colour = columns > 0 && !terminal.empty() && terminal != "dumb" && text_of("NO_COLOR").empty();
  if (choice == ColourChoice::kNever || (choice == ColourChoice::kAuto && !may_colour)) return style;
  const std::string_view depth = text_of("COLORTERM");
  if (depth == "truecolor" || depth == "24bit" || terminal.contains("direct")) {
    style.colours = ColourDepth::kFull;
  } else if (terminal.contains("256color") || terminal.empty() || terminal == "dumb") {
    style.colours = ColourDepth::k256;  // who asks for colours that go into a file knows who will show them
  } else {
    style.colours = ColourDepth::kEight;
  }
  return style;
}

std::string DrawForTerminal(const MapReport& report, const TerminalStyle& style) {
  return Painter(report, style).Paint();
}

}  // namespace quire
