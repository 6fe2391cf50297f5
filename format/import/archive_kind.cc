// SPDX-License-Identifier: Apache-2.0
#include "format/import/archive_kind.h"

#include <array>
#include <cstddef>
#include <string>

namespace quire {
namespace {

struct Kind {
  uint64_t offset;
  std::string_view magic;
  std::string_view name;
};

constexpr std::array<Kind, 11> kKinds = {{{0, "7z\xbc\xaf\x27\x1c", "a 7z archive"},
                                          {0, "Rar!\x1a\x07", "a rar archive"},
                                          {0, std::string_view("MSCF\0\0\0\0", 8), "a cabinet"},
                                          {0, "070701", "a cpio archive"},
                                          {0, "070702", "a cpio archive"},
                                          {0, "070707", "a cpio archive"},
                                          {0, "\xc7\x71", "a cpio archive"},
                                          {0, "xar!", "a xar archive"},
                                          {0, "!<arch>\n", "an ar archive"},
                                          {0, "\xed\xab\xee\xdb", "an RPM package"},
                                          {32769, "CD001", "an ISO 9660 image"}}};

}  // namespace

Result<std::string_view> FindArchiveKind(const File& file) {
  for (const Kind& kind : kKinds) {
    std::string bytes(kind.magic.size(), '\0');
    const auto got = file.ReadUpTo(kind.offset, std::as_writable_bytes(std::span(bytes)));
    if (!got) return std::unexpected(got.error());
    if (*got == bytes.size() && bytes == kind.magic) return kind.name;
  }
  return std::string_view();
}

}  // namespace quire
