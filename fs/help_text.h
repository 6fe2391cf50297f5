// SPDX-License-Identifier: Apache-2.0
// The form of help texts: prose in lines, and lists of what can be given, each with its text beside it. Words are never
// cut; one that is longer than a line has a line of its own.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quire {

// Of every help text: what the narrowest terminal in use shows.
inline constexpr size_t kHelpColumns = 80;

// `text` in lines of at most `columns`, each behind `indent` spaces; no newline at the end.
std::string WrapText(std::string_view text, size_t indent, size_t columns);

// "  label           text", the text in as many lines as it needs; below the label where that is long. Ends with a
// newline.
std::string FormatHelpEntry(std::string_view label, std::string_view text, size_t columns);

}  // namespace quire
