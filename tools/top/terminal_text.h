// SPDX-License-Identifier: Apache-2.0
// Text in columns of a terminal. All of it is UTF-8 and fit for a terminal (format/escaping.h). How wide a character is
// the locale says: of one that it does not know, one column.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

enum class Charset : bool { kAscii, kUtf8 };  // what the terminal shows

size_t ColumnsOf(std::string_view text);

// What can be shown of `text`: in kAscii each other character is '?'.
std::string Showable(std::string_view text, Charset charset);

// `text` in exactly `columns`: spaces follow, or what is too much is cut off at its end or, of a path, at its
// beginning, where "…" (kAscii: "~") says so.
enum class Cut : bool { kEnd, kBeginning };
std::string Fit(std::string_view text, size_t columns, Charset charset, Cut cut = Cut::kEnd);

// All of `text`, in lines of at most `columns`, which are cut anywhere. None where it is empty.
std::vector<std::string> Wrap(std::string_view text, size_t columns, Charset charset);

// The last values of `values`, a character each, in exactly `columns`; the newest is at the right. `top` is what fills
// a character, and 0 or less is a space. In kAscii the heights are " _.-=+*#@".
std::string Sparkline(const auto& values, double top, size_t columns, Charset charset);

// The character for a value between 0 and 1: a space for 0.
std::string_view SparkCharacter(double share, Charset charset);

std::string Sparkline(const auto& values, double top, size_t columns, Charset charset) {
  const size_t shown = values.size() < columns ? values.size() : columns;
  std::string line(columns - shown, ' ');
  for (size_t i = values.size() - shown; i < values.size(); ++i)
    line += SparkCharacter(top <= 0 ? 0 : values[i] / top, charset);
  return line;
}

}  // namespace quire
