// Goal: the pack worked by hand in FORMAT.md is the pack that the writer makes, byte for byte.
// Method: the lines "OFFSET: HEX BYTES" of FORMAT.md are all 16-byte rows of the pack that are not zero.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

std::vector<std::string> RowsOfTheDocument() {
  std::ifstream document(QUIRE_SOURCE_DIR "/format/FORMAT.md");
  const std::regex row("^    ([0-9a-f]{5}: [0-9a-f ]{47}).*");
  std::vector<std::string> rows;
  std::smatch match;
  for (std::string line; std::getline(document, line);)
    if (std::regex_match(line, match, row)) rows.push_back(match[1]);
  return rows;
}

std::vector<std::string> RowsOf(const std::string& bytes) {
  std::vector<std::string> rows;
  for (size_t at = 0; at < bytes.size(); at += 16) {
    const std::string chunk = bytes.substr(at, 16);
    if (chunk.find_first_not_of('\0') == std::string::npos) continue;
    std::string row = fmt::format("{:05x}:", at);
    for (const char byte : chunk) row += fmt::format(" {:02x}", static_cast<unsigned char>(byte));
    row.resize(6 + 48, ' ');
    rows.push_back(row);
  }
  return rows;
}

TEST(WorkedExample, IsWhatTheWriterWrites) {
  const TemporaryFolder folder;
  MemoryTree().AddFile("a", "hi\n").AddSymlink("l", "a").WriteTo(folder / "example.quire");
  const std::string pack = ReadFile(folder / "example.quire");
  EXPECT_EQ(RowsOf(pack), RowsOfTheDocument());
}

}  // namespace
}  // namespace quire
