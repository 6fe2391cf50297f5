// SPDX-License-Identifier: Apache-2.0
// Texts of the program as markdown, for the programs that print its tables for manual pages.
#pragma once

#include <string>
#include <string_view>

namespace quire {

// So that every sign stands for itself.
inline std::string EscapeMarkdown(std::string_view text) {
  constexpr std::string_view kMarkup = "\\`*_{}[]()<>#+-.!|~^$@'\"=:";
  std::string escaped;
  for (const char c : text) {
    if (kMarkup.contains(c)) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace quire
