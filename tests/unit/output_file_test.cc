// Goal: an output has its name only when it is complete, and replaces only what it may.
#include "format/output_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

size_t EntriesIn(const std::string& folder) {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

TEST(OutputFile, HasNoNameUntilItIsCommitted) {
  const TemporaryFolder folder;
  auto output = ValueOrDie(OutputFile::Create(folder / "out", false));
  OkOrDie(output->file().WriteAll(0, std::as_bytes(std::span("new", 3))));
  EXPECT_EQ(EntriesIn(folder.path()), 0U);
  OkOrDie(output->Commit());
  EXPECT_EQ(ReadFile(folder / "out"), "new");
  EXPECT_EQ(EntriesIn(folder.path()), 1U);
}

TEST(OutputFile, LeavesNothingWhenItIsGivenUp) {
  const TemporaryFolder folder;
  ValueOrDie(OutputFile::Create(folder / "out", false));
  EXPECT_EQ(EntriesIn(folder.path()), 0U);
}

TEST(OutputFile, ReplacesOnlyWhenAsked) {
  const TemporaryFolder folder;
  WriteFile(folder / "out", "old");
  EXPECT_EQ(OutputFile::Create(folder / "out", false).error().system_errno, EEXIST);
  auto output = ValueOrDie(OutputFile::Create(folder / "out", true));
  EXPECT_EQ(ReadFile(folder / "out"), "old");
  OkOrDie(output->Commit());
  EXPECT_EQ(ReadFile(folder / "out"), "");
  EXPECT_EQ(EntriesIn(folder.path()), 1U);
}

TEST(OutputFile, DoesNotReplaceWhatAppearedMeanwhile) {
  const TemporaryFolder folder;
  auto output = ValueOrDie(OutputFile::Create(folder / "out", false));
  WriteFile(folder / "out", "theirs");
  EXPECT_FALSE(output->Commit().has_value());
  output.reset();
  EXPECT_EQ(ReadFile(folder / "out"), "theirs");
  EXPECT_EQ(EntriesIn(folder.path()), 1U);
}

}  // namespace
}  // namespace quire
