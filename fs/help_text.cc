// SPDX-License-Identifier: Apache-2.0
#include "fs/help_text.h"

#include <ranges>

namespace quire {
namespace {

constexpr size_t kLabelIndent = 2;
constexpr size_t kTextIndent = 24;

}  // namespace

std::string WrapText(std::string_view text, size_t indent, size_t columns) {
  std::string lines;
  size_t used = columns;  // so that the first word begins a line
  for (const auto word : std::views::split(text, ' ')) {
    const std::string_view letters(word.begin(), word.end());
    if (used + 1 + letters.size() > columns) {
      lines += lines.empty() ? "" : "\n";
      lines.append(indent, ' ');
      used = indent;
    } else {
      lines += ' ';
      ++used;
    }
    lines += letters;
    used += letters.size();
  }
  return lines;
}

std::string FormatHelpEntry(std::string_view label, std::string_view text, size_t columns) {
  std::string indented(kLabelIndent, ' ');
  indented += label;
  if (text.empty()) return indented + "\n";
  std::string lines = WrapText(text, kTextIndent, columns);
  if (indented.size() + 2 <= kTextIndent)
    lines.replace(0, indented.size(), indented);
  else
    lines.insert(0, indented + "\n");
  return lines + "\n";
}

}  // namespace quire
