// SPDX-License-Identifier: Apache-2.0
#include "format/escaping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace quire {
namespace {

// The code point of the UTF-8 character `bytes`, which is whole.
uint32_t Decode(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes.front());
  if (bytes.size() == 1) return lead;
  uint32_t code_point = lead & (0x7FU >> bytes.size());
  for (const unsigned char byte : bytes.substr(1)) code_point = code_point << 6U | (byte & 0x3FU);
  return code_point;
}

bool IsFit(uint32_t code_point) {
  const auto is_within = [code_point](uint32_t first, uint32_t last) {
    return code_point >= first && code_point <= last;
  };
  const bool is_control = code_point < 0x20 || is_within(0x7F, 0x9F);
  // Unicode's Bidi_Control: marks, embeddings, overrides, isolates.
  const bool sets_direction =
      code_point == 0x061C || is_within(0x200E, 0x200F) || is_within(0x202A, 0x202E) || is_within(0x2066, 0x2069);
  const bool separates_lines = is_within(0x2028, 0x2029);
  return !is_control && !sets_direction && !separates_lines;
}

// The bytes that `text` starts with and that are printed as they are, 0 where the first byte is not.
size_t FitLength(std::string_view text) {
  const size_t length = Utf8Length(text);
  return length > 0 && IsFit(Decode(text.substr(0, length))) ? length : 0;
}

std::string Escape(std::string_view text, std::string_view backslash) {
  std::string escaped;
  while (!text.empty()) {
    const char first = text.front();
    const size_t fit = FitLength(text);
    if (first == '\\') {
      escaped += backslash;
    } else if (fit > 0) {
      escaped += text.substr(0, fit);
    } else if (first == '\n') {
      escaped += "\\n";
    } else if (first == '\t') {
      escaped += "\\t";
    } else {
      // All bytes of a character that is not fit; one byte of what is no character.
      const size_t length = std::max<size_t>(Utf8Length(text), 1);
      for (const unsigned char byte : text.substr(0, length)) escaped += fmt::format("\\x{:02x}", byte);
      text.remove_prefix(length);
      continue;
    }
    text.remove_prefix(std::max<size_t>(fit, 1));
  }
  return escaped;
}

}  // namespace

size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto continues = [&](size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  if (text.empty()) return 0;
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead < 0xF0) {
    const bool shortest = lead != 0xE0 || at(1) >= 0xA0;
    const bool surrogate = lead == 0xED && at(1) >= 0xA0;
    return continues(1) && continues(2) && shortest && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead < 0xF5) {
    const bool in_range = (lead != 0xF0 || at(1) >= 0x90) && (lead != 0xF4 || at(1) < 0x90);
    return continues(1) && continues(2) && continues(3) && in_range ? 4 : 0;
  }
  return 0;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool IsFitForTerminal(std::string_view text) {
  while (!text.empty()) {
    const size_t length = FitLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string EscapeName(std::string_view name) { return Escape(name, "\\\\"); }

std::string EscapeLine(std::string_view text) { return Escape(text, "\\"); }

}  // namespace quire
