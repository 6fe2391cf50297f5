// SPDX-License-Identifier: Apache-2.0
// Goal: a file that is not what the scan saw is an error that says what happened, never other bytes.
#include "format/write/sample_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

#include "format/coding.h"
#include "format/write/tree_scanner.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

// By openat2, and by what does without.
class SampleSourceTest : public testing::TestWithParam<SourceRoot::Walk> {
 protected:
  SampleSourceTest() {
    std::filesystem::create_directory(source_folder_ / "folder");
    WriteFile(file_, "0123456789");
    WriteFile(large_, Noise(kLargeBytes, 1));
    ScanIt();
  }
  void ScanIt() {
    WorkerPool pool(1);
    const ScanOptions options{.on_unreadable = [](const auto&, const auto&) { FAIL(); }};
    ValueOrDie(ScanTree(root_, options, pool, tables_, identities_));
  }
  Result<std::string> ReadSample(const std::string& path, uint64_t offset, size_t bytes) {
    std::string text(bytes, '\0');
    for (NodeNumber node = 0; node < tables_.nodes.size(); ++node)
      if (tables_.PathOf(node) == path)
        if (auto read = source_.Read(node, offset, std::as_writable_bytes(std::span(text))); !read)
          return Propagate(std::move(read));
    return text;
  }
  Result<std::string> Read(uint64_t offset, size_t bytes) { return ReadSample("folder/file", offset, bytes); }
  Result<std::string> ReadLarge(uint64_t offset, size_t bytes) { return ReadSample("folder/large", offset, bytes); }
  void ExpectRefused(std::string_view why) { ExpectRefused(Read(0, 10), why); }
  static void ExpectRefused(const Result<std::string>& read, std::string_view why) {
    ASSERT_FALSE(read.has_value());
    EXPECT_NE(read.error().message.find(why), std::string::npos) << read.error().message;
  }
  static void CopyMtime(const struct stat& from, const std::string& to) {
    const std::array<timespec, 2> times = {from.st_atim, from.st_mtim};
    ASSERT_EQ(utimensat(AT_FDCWD, to.c_str(), times.data(), 0), 0);
  }
  static struct stat StatusOf(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status;
  }

  static constexpr uint64_t kLargeBytes = 2 * kPageBytes + 100;
  TemporaryFolder source_folder_;
  TemporaryFolder scratch_;
  std::string folder_ = source_folder_ / "folder";
  std::string file_ = folder_ + "/file";
  std::string large_ = folder_ + "/large";
  SourceRoot root_ = ValueOrDie(SourceRoot::Open(source_folder_.path(), GetParam()));
  IndexTables tables_{scratch_.path()};
  Spool<SourceIdentity> identities_{scratch_.path()};
  DirectorySource source_{root_, tables_, identities_};
};

INSTANTIATE_TEST_SUITE_P(Walks, SampleSourceTest,
                         testing::Values(SourceRoot::Walk::kKernel, SourceRoot::Walk::kByComponent));

TEST_P(SampleSourceTest, AnUnchangedFileIsRead) {
  EXPECT_EQ(Read(0, 10).value(), "0123456789");
  EXPECT_EQ(Read(3, 4).value(), "3456");
}

TEST_P(SampleSourceTest, AFileThatGrewIsRefused) {
  WriteFile(file_, "0123456789x");
  ExpectRefused("10 bytes, then 11");
}

TEST_P(SampleSourceTest, AFileThatShrankIsRefused) {
  WriteFile(file_, "012345678");
  ExpectRefused("10 bytes, then 9");
}

TEST_P(SampleSourceTest, AFileWrittenAgainIsRefused) {
  const std::array<timespec, 2> times = {timespec{.tv_sec = 1, .tv_nsec = 0}, timespec{.tv_sec = 1, .tv_nsec = 1}};
  WriteFile(file_, "9876543210");
  utimensat(AT_FDCWD, file_.c_str(), times.data(), 0);
  ExpectRefused("mtime");
}

TEST_P(SampleSourceTest, AFileThatVanishedIsRefused) {
  unlink(file_.c_str());
  ExpectRefused("No such file");
}

TEST_P(SampleSourceTest, AFileReplacedByAFifoIsRefusedWithoutWaiting) {
  unlink(file_.c_str());
  mkfifo(file_.c_str(), 0600);
  ExpectRefused("replaced");
}

TEST_P(SampleSourceTest, AFileReplacedByASymlinkIsNotFollowed) {
  unlink(file_.c_str());
  ASSERT_EQ(symlink("/etc/passwd", file_.c_str()), 0);
  ExpectRefused("replaced");
}

TEST_P(SampleSourceTest, AFolderReplacedByASymlinkIsNotFollowed) {
  const std::string outside = scratch_ / "outside";
  ASSERT_EQ(rename(folder_.c_str(), outside.c_str()), 0);
  ASSERT_EQ(symlink(outside.c_str(), folder_.c_str()), 0);  // the very same file, but outside
  ExpectRefused("replaced");
}

TEST_P(SampleSourceTest, AnotherFileOfEqualSizeAndMtimeIsRefused) {
  const std::string other = scratch_ / "other";
  WriteFile(other, "9876543210");
  CopyMtime(StatusOf(file_), other);
  ASSERT_EQ(rename(other.c_str(), file_.c_str()), 0);
  ExpectRefused("replaced");
}

TEST_P(SampleSourceTest, AFileRewrittenWhoseMtimeIsSetBackIsRefused) {
  const struct stat before = StatusOf(file_);
  OkOrDie(ValueOrDie(File::Open(file_, O_WRONLY)).WriteAll(0, AsBytes("9876543210")));
  CopyMtime(before, file_);
  ExpectRefused("ctime");
}

TEST_P(SampleSourceTest, ALargeFileRewrittenBetweenItsExtentsIsRefused) {
  ASSERT_TRUE(ReadLarge(0, kPageBytes).has_value());
  const struct stat before = StatusOf(large_);
  OkOrDie(ValueOrDie(File::Open(large_, O_WRONLY)).WriteAll(kPageBytes, AsBytes("other")));
  CopyMtime(before, large_);
  ExpectRefused(ReadLarge(kPageBytes, kPageBytes), "ctime");
}

TEST_P(SampleSourceTest, ALargeFileReplacedBetweenItsExtentsIsRefused) {
  ASSERT_TRUE(ReadLarge(0, kPageBytes).has_value());
  const std::string other = scratch_ / "other";
  WriteFile(other, Noise(kLargeBytes, 2));
  CopyMtime(StatusOf(large_), other);
  ASSERT_EQ(rename(other.c_str(), large_.c_str()), 0);
  EXPECT_FALSE(ReadLarge(kPageBytes, kPageBytes).has_value());
}

TEST_P(SampleSourceTest, AllExtentsOfALargeFileComeFromOneDescriptor) {
  const std::string content = Noise(kLargeBytes, 1);
  EXPECT_EQ(ReadLarge(0, kPageBytes).value(), content.substr(0, kPageBytes));
  ASSERT_EQ(rename(folder_.c_str(), (source_folder_ / "renamed").c_str()), 0);
  EXPECT_EQ(ReadLarge(kPageBytes, kPageBytes).value(), content.substr(kPageBytes, kPageBytes));
  EXPECT_EQ(ReadLarge(2 * kPageBytes, 100).value(), content.substr(2 * kPageBytes));
  ExpectRefused("No such file");
}

TEST_P(SampleSourceTest, ManyLargeFilesTakeAFewDescriptors) {
  for (int i = 0; i < 300; ++i) {
    const std::string path = source_folder_ / fmt::format("sparse{}", i);
    WriteFile(path, fmt::format("{:05}", i));
    ASSERT_EQ(truncate(path.c_str(), 100'000), 0);
  }
  IndexTables tables(scratch_.path());
  Spool<SourceIdentity> identities(scratch_.path());
  WorkerPool pool(1);
  const ScanOptions options{.on_unreadable = [](const auto&, const auto&) { FAIL(); }};
  const ScannedTree tree = ValueOrDie(ScanTree(root_, options, pool, tables, identities));
  ASSERT_EQ(tree.sparse.size(), 300U);
  const DirectorySource source(root_, tables, identities);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few = {.rlim_cur = 128, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  for (int round = 0; round < 2; ++round)
    for (const auto& [node, ranges] : tree.sparse) {
      std::string text(5, '\0');
      const auto read = source.Read(node, 0, std::as_writable_bytes(std::span(text)));
      EXPECT_TRUE(read.has_value()) << read.error().message;
      EXPECT_EQ("sparse" + std::to_string(std::stoi(text)), tables.PathOf(node));
    }
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace quire
