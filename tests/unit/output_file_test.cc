// SPDX-License-Identifier: Apache-2.0
// Goal: an output has its name only when it is complete, and replaces only what it may.
#include "format/write/output_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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

TEST(OutputFile, KeepsTheFinishedFileWhereItsNameWasTakenMeanwhile) {
  const TemporaryFolder folder;
  for (const bool replace : {false, true}) {
    const std::string path = folder / (replace ? "replaced" : "new");
    auto output = ValueOrDie(OutputFile::Create(path, replace));
    OkOrDie(output->file().WriteAll(0, std::as_bytes(std::span("ours", 4))));
    if (replace)
      std::filesystem::create_symlink("theirs", path);
    else
      WriteFile(path, "theirs");
    const auto committed = output->Commit();
    ASSERT_FALSE(committed.has_value());
    EXPECT_EQ(committed.error().system_errno, EEXIST);
    const std::string kept = folder / output->temporary_name();
    EXPECT_NE(committed.error().message.find(kept), std::string::npos) << committed.error().message;
    output.reset();
    EXPECT_EQ(ReadFile(kept), "ours");
    EXPECT_EQ(std::filesystem::is_symlink(path), replace);
    EXPECT_EQ(ReadFile(path), replace ? "" : "theirs");
  }
}

TEST(OutputFile, FollowsASymlinkToAFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "there");
  WriteFile(folder / "there/file", "old");
  std::filesystem::create_symlink("there/file", folder / "link");
  EXPECT_EQ(OutputFile::Create(folder / "link", false).error().system_errno, EEXIST);
  const auto output = ValueOrDie(OutputFile::Create(folder / "link", true));
  EXPECT_EQ(std::filesystem::path(output->folder()).filename(), "there");
  OkOrDie(output->file().WriteAll(0, std::as_bytes(std::span("new", 3))));
  OkOrDie(output->Commit());
  EXPECT_EQ(ReadFile(folder / "there/file"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
}

TEST(OutputFile, TemporaryNamesDiffer) {
  const TemporaryFolder folder;
  const auto one = ValueOrDie(OutputFile::Create(folder / "out", false));
  const auto other = ValueOrDie(OutputFile::Create(folder / "out", false));
  EXPECT_NE(one->temporary_name(), other->temporary_name());
}

TEST(OutputFile, ANameOfTheLongestKindIsTaken) {
  const TemporaryFolder folder;
  const std::string longest(255, 'n');
  OkOrDie(ValueOrDie(OutputFile::Create(folder / longest, true))->Commit());
  EXPECT_TRUE(std::filesystem::exists(folder / longest));
  EXPECT_EQ(OutputFile::Create(folder / (longest + "n"), false).error().system_errno, ENAMETOOLONG);
}

// What could never get its name is refused before anything is written.
TEST(OutputFile, RefusesWhatItCannotMake) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "folder");
  std::filesystem::create_symlink("nowhere", folder / "dangling");
  std::filesystem::create_symlink("loop", folder / "loop");
  WriteFile(folder / "file", "");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  const std::vector<std::pair<std::string, int>> refused = {{folder / "folder", EISDIR},
                                                            {folder / "folder/", EISDIR},
                                                            {folder / "dangling", ENOENT},
                                                            {folder / "loop", ELOOP},
                                                            {folder / "fifo", EEXIST},
                                                            {folder / "missing/out", ENOENT},
                                                            {folder / "file/out", ENOTDIR},
                                                            {folder / "new/", ENOENT},
                                                            {"/dev/null", EEXIST},
                                                            {"/proc/self/nothing", ENOENT},
                                                            {"", EISDIR}};
  for (const auto& [path, error] : refused) {
    const auto created = OutputFile::Create(path, true);
    ASSERT_FALSE(created.has_value()) << path;
    EXPECT_EQ(created.error().system_errno, error) << created.error().message;
    EXPECT_TRUE(created.error().message.starts_with(path)) << created.error().message;
  }
  EXPECT_EQ(EntriesIn(folder.path()), 5U);
}

}  // namespace
}  // namespace quire
