// SPDX-License-Identifier: Apache-2.0
#include "format/import/left_out.h"

#include <fmt/format.h>

namespace quire {

std::optional<std::string> DescribeLeftOut(const Superblock& superblock) {
  if (superblock.order != PackOrder::kArchives || superblock.left_out == 0) return std::nullopt;
  const std::string what = superblock.left_out == 1
                               ? "1 member of the archives is"
                               : fmt::format("{} members of the archives are", superblock.left_out);
  return fmt::format("{} left out of this index: 'quire index ARCHIVE -o NAME.quire' names which, and why", what);
}

}  // namespace quire
