// SPDX-License-Identifier: Apache-2.0
#include "fs/options/byte_size.h"

#include <cctype>
#include <charconv>
#include <limits>
#include <string>

namespace quire {
namespace {

// By how many bits a unit shifts its number; nothing where it is none.
std::optional<size_t> ShiftOf(std::string_view unit) {
  constexpr std::string_view kUnits = "kmgt";
  std::string letters;
  for (const char letter : unit) letters += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  if (letters.empty() || letters == "b") return 0;
  const size_t power = kUnits.find(letters.front());
  const std::string_view rest = std::string_view(letters).substr(1);
  if (power == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib")) return std::nullopt;
  return 10 * (power + 1);
}

}  // namespace

std::optional<uint64_t> ParseByteSize(std::string_view text) {
  uint64_t whole = 0;
  const auto [whole_end, error] = std::from_chars(text.begin(), text.end(), whole);
  if (error != std::errc()) return std::nullopt;
  std::string_view rest(whole_end, text.end());
  std::string_view fraction;  // its digits
  if (rest.starts_with('.')) {
    fraction = rest.substr(1, rest.find_first_not_of("0123456789", 1) - 1);
    rest.remove_prefix(1 + fraction.size());
    if (fraction.empty()) return std::nullopt;
  }
  const auto shift = ShiftOf(rest);
  if (!shift || (*shift == 0 && !fraction.empty())) return std::nullopt;
  if (whole > std::numeric_limits<uint64_t>::max() >> *shift) return std::nullopt;
  double part = 0;  // of one unit
  double digit = 1;
  for (const char letter : fraction) part += (letter - '0') * (digit /= 10);
  return (whole << *shift) + static_cast<uint64_t>(part * static_cast<double>(uint64_t{1} << *shift));
}

}  // namespace quire
