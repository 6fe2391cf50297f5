// SPDX-License-Identifier: Apache-2.0
// Goal: the pack worked by hand in FORMAT.md is the pack that the writer makes, byte for byte.
// Method: the lines "OFFSET: HEX BYTES" of FORMAT.md are all 16-byte rows of the pack that are not zero.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr size_t kRowColumns = 6 + 48;  // "0abcd:" and 16 times " 00"

std::vector<std::string> RowsOfTheDocument() {
  constexpr std::string_view kIndent = "    ";
  std::ifstream document(QUIRE_SOURCE_DIR "/format/FORMAT.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(document, line);) {
    const bool is_row =
        line.starts_with(kIndent) && line.find_first_not_of("0123456789abcdef", kIndent.size()) == 9 && line[9] == ':';
    if (is_row) rows.push_back(line.substr(kIndent.size(), kRowColumns));
  }
  return rows;
}

std::vector<std::string> RowsOf(const std::string& bytes) {
  std::vector<std::string> rows;
  for (size_t at = 0; at < bytes.size(); at += 16) {
    const std::string chunk = bytes.substr(at, 16);
    if (chunk.find_first_not_of('\0') == std::string::npos) continue;
    std::string row = fmt::format("{:05x}:", at);
    for (const char byte : chunk) row += fmt::format(" {:02x}", static_cast<unsigned char>(byte));
    row.resize(kRowColumns, ' ');
    rows.push_back(row);
  }
  return rows;
}

TEST(WorkedExample, IsWhatTheWriterWrites) {
  const TemporaryFolder folder;
  MemoryTree().AddFile("a", "hi\n").AddSymlink("l", "a").WriteTo(folder / "example.quire");
  const std::string pack = ReadFile(folder / "example.quire");
  EXPECT_EQ(RowsOf(pack), RowsOfTheDocument()) << "the pack:\n" << fmt::format("{}", fmt::join(RowsOf(pack), "\n"));
}

}  // namespace
}  // namespace quire
