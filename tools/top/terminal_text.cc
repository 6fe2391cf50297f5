// SPDX-License-Identifier: Apache-2.0
#include "tools/top/terminal_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cwchar>

#include "format/escaping.h"

namespace quire {
namespace {

struct Character {
  std::string_view bytes;
  size_t columns;
};

size_t WidthOf(std::string_view bytes) {
  if (bytes.size() == 1) return 1;
  wchar_t code_point = static_cast<unsigned char>(bytes.front()) & (0x7F >> bytes.size());
  for (const char byte : bytes.substr(1)) code_point = code_point << 6 | (static_cast<unsigned char>(byte) & 0x3F);
  const int width = wcwidth(code_point);
  return width < 0 ? 1 : static_cast<size_t>(width);
}

std::vector<Character> Split(std::string_view text) {
  std::vector<Character> characters;
  while (!text.empty()) {
    const std::string_view bytes = text.substr(0, std::max<size_t>(Utf8Length(text), 1));
    characters.push_back({bytes, WidthOf(bytes)});
    text.remove_prefix(bytes.size());
  }
  return characters;
}

constexpr std::array<const char*, 9> kUtf8Heights = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<const char*, 9> kAsciiHeights = {" ", "_", ".", "-", "=", "+", "*", "#", "@"};

}  // namespace

size_t ColumnsOf(std::string_view text) {
  size_t columns = 0;
  for (const Character& character : Split(text)) columns += character.columns;
  return columns;
}

std::string Showable(std::string_view text, Charset charset) {
  if (charset == Charset::kUtf8) return std::string(text);
  std::string shown;
  for (const Character& character : Split(text))
    shown += character.bytes.size() == 1 ? character.bytes : std::string_view("?");
  return shown;
}

std::string Fit(std::string_view text, size_t columns, Charset charset, Cut cut) {
  std::string shown = Showable(text, charset);
  size_t used = ColumnsOf(shown);
  if (used > columns) {
    if (columns == 0) return "";
    std::vector<Character> characters = Split(shown);
    std::string kept;
    if (cut == Cut::kBeginning) std::ranges::reverse(characters);
    used = 1;  // the mark
    size_t count = 0;
    while (used + characters[count].columns <= columns) used += characters[count++].columns;
    characters.resize(count);
    if (cut == Cut::kBeginning) std::ranges::reverse(characters);
    for (const Character& character : characters) kept += character.bytes;
    const char* const mark = charset == Charset::kUtf8 ? "…" : "~";
    shown = cut == Cut::kBeginning ? mark + kept : kept + mark;
  }
  return shown + std::string(columns - used, ' ');
}

std::vector<std::string> Wrap(std::string_view text, size_t columns, Charset charset) {
  std::vector<std::string> lines;
  size_t used = columns;
  for (const std::string shown = Showable(text, charset); const Character& character : Split(shown)) {
    if (used + character.columns > columns) {
      lines.emplace_back();
      used = 0;
    }
    lines.back() += character.bytes;
    used += character.columns;
  }
  return lines;
}

std::string_view SparkCharacter(double share, Charset charset) {
  const auto& heights = charset == Charset::kUtf8 ? kUtf8Heights : kAsciiHeights;
  const auto highest = static_cast<double>(heights.size() - 1);
  return heights[static_cast<size_t>(std::clamp(std::ceil(share * highest), 0.0, highest))];
}

}  // namespace quire
