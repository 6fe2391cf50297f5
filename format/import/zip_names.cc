// SPDX-License-Identifier: Apache-2.0
#include "format/import/zip_names.h"

#include <algorithm>
#include <array>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/escaping.h"

namespace quire {
namespace {

// Of the bytes 0x80 to 0xFF, by Unicode's table CP437.TXT; those below are ASCII. No character is above U+FFFF.
constexpr std::array<uint16_t, 128> kCp437 = {
    0x00C7, 0x00FC, 0x00E9, 0x00E2, 0x00E4, 0x00E0, 0x00E5, 0x00E7, 0x00EA, 0x00EB, 0x00E8, 0x00EF, 0x00EE,
    0x00EC, 0x00C4, 0x00C5, 0x00C9, 0x00E6, 0x00C6, 0x00F4, 0x00F6, 0x00F2, 0x00FB, 0x00F9, 0x00FF, 0x00D6,
    0x00DC, 0x00A2, 0x00A3, 0x00A5, 0x20A7, 0x0192, 0x00E1, 0x00ED, 0x00F3, 0x00FA, 0x00F1, 0x00D1, 0x00AA,
    0x00BA, 0x00BF, 0x2310, 0x00AC, 0x00BD, 0x00BC, 0x00A1, 0x00AB, 0x00BB, 0x2591, 0x2592, 0x2593, 0x2502,
    0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255D, 0x255C, 0x255B, 0x2510, 0x2514,
    0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F, 0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
    0x256C, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256B, 0x256A, 0x2518, 0x250C,
    0x2588, 0x2584, 0x258C, 0x2590, 0x2580, 0x03B1, 0x00DF, 0x0393, 0x03C0, 0x03A3, 0x03C3, 0x00B5, 0x03C4,
    0x03A6, 0x0398, 0x03A9, 0x03B4, 0x221E, 0x03C6, 0x03B5, 0x2229, 0x2261, 0x00B1, 0x2265, 0x2264, 0x2320,
    0x2321, 0x00F7, 0x2248, 0x00B0, 0x2219, 0x00B7, 0x221A, 0x207F, 0x00B2, 0x25A0, 0x00A0};

constexpr size_t kUnicodePathHeaderBytes = 5;  // 4.6.9: the version, then the sum of the name that it stands for

// Empty where the field is of another version, or of another name: a program that knew no such field renamed the
// member.
std::string_view UnicodePathOf(const ZipEntry& entry, const ZipExtra& extra) {
  const auto field = extra.unicode_path;
  if (field.size() <= kUnicodePathHeaderBytes || LoadUint<1>(field, 0) != 1) return {};
  if (LoadUint<4>(field, 1) != Crc32(AsBytes(entry.name))) return {};
  return AsText(field.subspan(kUnicodePathHeaderBytes));
}

bool IsAscii(std::string_view text) {
  return std::ranges::none_of(text, [](char byte) { return static_cast<unsigned char>(byte) >= 0x80; });
}

}  // namespace

void AppendCp437(std::string_view text, std::string& utf8) {
  for (const unsigned char byte : text) {
    const unsigned code_point = byte < 0x80 ? byte : kCp437[byte - 0x80];
    if (code_point < 0x80) {
      utf8 += static_cast<char>(code_point);
    } else if (code_point < 0x800) {
      utf8 += static_cast<char>(0xC0U | code_point >> 6U);
      utf8 += static_cast<char>(0x80U | (code_point & 0x3FU));
    } else {
      utf8 += static_cast<char>(0xE0U | code_point >> 12U);
      utf8 += static_cast<char>(0x80U | (code_point >> 6U & 0x3FU));
      utf8 += static_cast<char>(0x80U | (code_point & 0x3FU));
    }
  }
}

void DecodeZipPath(const ZipEntry& entry, const ZipExtra& extra, std::string& path) {
  path.clear();
  const bool is_marked = (entry.flags & kZipNameIsUtf8) != 0;
  if (const auto replaced = is_marked ? std::string_view() : UnicodePathOf(entry, extra); !replaced.empty())
    path = replaced;
  else if (is_marked || IsAscii(entry.name) || (entry.is_of_unix() && IsUtf8(entry.name)))
    path = entry.name;
  else
    AppendCp437(entry.name, path);
  if (entry.is_of_dos()) std::ranges::replace(path, '\\', '/');
}

}  // namespace quire
