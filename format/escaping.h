// SPDX-License-Identifier: Apache-2.0
// Names and messages made fit for a terminal. Names in packs and on disks are anybody's bytes: none of them may steer a
// terminal, begin a line of a log, or make text read in another order than it is written.
//
// Terminals are taken to read UTF-8. Fit for one is all of UTF-8 but control characters (C0, DEL, C1), characters that
// set the direction of text, and those that separate lines; and nothing that is not UTF-8 (RFC 3629: shortest forms, no
// surrogates). The bytes of what is not fit become \n, \t or \xHH, as in C. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quire {

// The bytes of the UTF-8 character that `text` starts with, 0 where it starts with none.
size_t Utf8Length(std::string_view text);
bool IsUtf8(std::string_view text);

// Whether `text` is printed as it is: EscapeLine changes nothing.
bool IsFitForTerminal(std::string_view text);

// A name that is shown by itself, in a listing or between quotes. Backslashes are doubled, so that two names never look
// the same, and `printf %b` gives the name back.
std::string EscapeName(std::string_view name);

// One line of text that may hold names, escaped or not: backslashes stay as they are, so nothing is escaped twice.
std::string EscapeLine(std::string_view text);

}  // namespace quire
