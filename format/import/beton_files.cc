// SPDX-License-Identifier: Apache-2.0
#include "format/import/beton_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <optional>

#include "format/coding.h"
#include "format/escaping.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr std::string_view kNpyMagic("\x93NUMPY\x01\x00", 8);
constexpr uint64_t kNpyAlign = 64;      // where data begins, as numpy writes it
constexpr size_t kMostTypeDigits = 10;  // of an element's bytes

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes `word` off the front of `text`, and spaces before it.
bool Take(std::string_view& text, std::string_view word) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

// The one type of elements in '[["", "<f4"]]'; empty where it is something else.
std::string_view TypeIn(std::string_view text) {
  if (!Take(text, "[") || !Take(text, "[") || !Take(text, "\"\"") || !Take(text, ",") || !Take(text, "\"")) return {};
  const std::string_view type = text.substr(0, std::min(text.find('"'), text.size()));
  text.remove_prefix(type.size());
  if (!Take(text, "\"") || !Take(text, "]") || !Take(text, "]")) return {};
  return type;
}

// The bytes of an element of `type`: an order of bytes, a letter, a length, and of times a unit in brackets. It goes
// into a header as it is, so nothing else may be in it. None where it is no type of plain values.
std::optional<uint64_t> ElementBytes(std::string_view type) {
  constexpr std::string_view kOrders = "<>|=";
  constexpr std::string_view kKinds = "biufcSUVmM";
  if (type.size() < 3 || !kOrders.contains(type[0]) || !kKinds.contains(type[1])) return std::nullopt;
  const char kind = type[1];
  type.remove_prefix(2);
  uint64_t length = 0;
  size_t digits = 0;
  for (; digits < type.size() && IsDigit(type[digits]); ++digits) {
    if (digits == kMostTypeDigits) return std::nullopt;
    length = length * 10 + static_cast<uint64_t>(type[digits] - '0');
  }
  std::string_view unit = type.substr(digits);
  if (digits == 0) return std::nullopt;
  if (!unit.empty()) {
    if ((kind != 'm' && kind != 'M') || unit.size() < 2 || unit.front() != '[' || unit.back() != ']')
      return std::nullopt;
    unit = unit.substr(1, unit.size() - 2);
    if (!std::ranges::all_of(unit,
                             [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }))
      return std::nullopt;
  }
  return kind == 'U' ? 4 * length : length;
}

std::string TupleText(std::span<const uint64_t> shape) {
  if (shape.size() == 1) return fmt::format("({},)", shape[0]);
  return fmt::format("({})", fmt::join(shape, ", "));
}

}  // namespace

std::string IntText(int64_t value) { return fmt::format("{}\n", value); }

std::string FloatText(double value) {
  std::string text = std::isnan(value) ? "nan" : fmt::format("{}", value);
  // Digits alone are an integer's.
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text + "\n";
}

std::string PpmHeader(uint64_t width, uint64_t height) { return fmt::format("P6\n{} {}\n255\n", width, height); }

Result<NpyArray> DescribeNpy(std::string_view type, std::span<const uint64_t> shape) {
  const std::string_view element = TypeIn(type);
  const auto element_bytes = ElementBytes(element);
  if (!element_bytes)
    return Unsupported("its type '{}' is not one of plain numbers, texts or times: write it again as one of those",
                       EscapeName(type));
  NpyArray array{.header = {}, .data_bytes = *element_bytes};
  for (const uint64_t length : shape)
    if (__builtin_mul_overflow(array.data_bytes, length, &array.data_bytes) || array.data_bytes > kMaxVolumeBytes)
      return Corrupt("its shape {} of {} is larger than any file: the file is damaged", TupleText(shape), element);
  const std::string dictionary =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", element, TupleText(shape));
  const size_t fixed_bytes = kNpyMagic.size() + 2;
  const size_t header_bytes = AlignUp(fixed_bytes + dictionary.size() + 1, kNpyAlign);
  const uint64_t length = header_bytes - fixed_bytes;
  assert(length <= UINT16_MAX);
  array.header.append(kNpyMagic);
  array.header += static_cast<char>(length & 0xFFU);
  array.header += static_cast<char>(length >> 8U);
  array.header += dictionary;
  array.header.resize(header_bytes - 1, ' ');
  array.header += '\n';
  return array;
}

std::string_view ExtensionOf(std::span<const std::byte> begin) {
  struct Kind {
    size_t at;
    std::string_view signature;
    std::string_view extension;
  };
  static constexpr std::array<Kind, 12> kKinds = {{{0, "\xFF\xD8\xFF", "jpg"},
                                                   {0, "\x89PNG\r\n\x1A\n", "png"},
                                                   {0, "GIF8", "gif"},
                                                   {8, "WEBP", "webp"},
                                                   {0, std::string_view("II*\0", 4), "tif"},
                                                   {0, std::string_view("MM\0*", 4), "tif"},
                                                   {8, "WAVE", "wav"},
                                                   {0, "fLaC", "flac"},
                                                   {0, "OggS", "ogg"},
                                                   {0, "ID3", "mp3"},
                                                   {4, "ftyp", "mp4"},
                                                   {0, "\x93NUMPY", "npy"}}};
  const std::string_view text = AsText(begin);
  for (const Kind& kind : kKinds)
    if (text.size() >= kind.at && text.substr(kind.at).starts_with(kind.signature)) return kind.extension;
  return {};
}

}  // namespace quire
