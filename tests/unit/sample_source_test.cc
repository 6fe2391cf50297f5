// Goal: a file that is not what the scan saw is an error that says what happened, never other bytes.
#include "format/sample_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/coding.h"
#include "format/tree_scanner.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class SampleSourceTest : public testing::Test {
 protected:
  SampleSourceTest() {
    WriteFile(file_, "0123456789");
    WorkerPool pool(1);
    const ScanOptions options{
        .root = source_folder_.path(), .exclude = {}, .on_unreadable = [](const auto&, const auto&) { FAIL(); }};
    ValueOrDie(ScanTree(options, pool, tables_));
    source_ = ValueOrDie(DirectorySource::Open(source_folder_.path(), tables_));
  }
  Result<std::string> Read(uint64_t offset, size_t bytes) {
    std::string text(bytes, '\0');
    if (auto read = source_->Read(1, offset, std::as_writable_bytes(std::span(text))); !read)
      return Propagate(std::move(read));
    return text;
  }
  void ExpectRefused(std::string_view why) {
    const auto read = Read(0, 10);
    ASSERT_FALSE(read.has_value());
    EXPECT_NE(read.error().message.find(why), std::string::npos) << read.error().message;
  }

  TemporaryFolder source_folder_;
  TemporaryFolder scratch_;
  std::string file_ = source_folder_ / "file";
  IndexTables tables_{scratch_.path()};
  std::unique_ptr<DirectorySource> source_;
};

TEST_F(SampleSourceTest, AnUnchangedFileIsRead) {
  EXPECT_EQ(Read(0, 10).value(), "0123456789");
  EXPECT_EQ(Read(3, 4).value(), "3456");
}

TEST_F(SampleSourceTest, AFileThatGrewIsRefused) {
  WriteFile(file_, "0123456789x");
  ExpectRefused("10 bytes, then 11");
}

TEST_F(SampleSourceTest, AFileThatShrankIsRefused) {
  WriteFile(file_, "012345678");
  ExpectRefused("10 bytes, then 9");
}

TEST_F(SampleSourceTest, AFileWrittenAgainIsRefused) {
  const std::array<timespec, 2> times = {timespec{.tv_sec = 1, .tv_nsec = 0}, timespec{.tv_sec = 1, .tv_nsec = 1}};
  WriteFile(file_, "9876543210");
  utimensat(AT_FDCWD, file_.c_str(), times.data(), 0);
  ExpectRefused("mtime");
}

TEST_F(SampleSourceTest, AFileThatVanishedIsRefused) {
  unlink(file_.c_str());
  ExpectRefused("No such file");
}

TEST_F(SampleSourceTest, AFileReplacedByAFifoIsRefusedWithoutWaiting) {
  unlink(file_.c_str());
  mkfifo(file_.c_str(), 0600);
  ExpectRefused("replaced");
}

TEST_F(SampleSourceTest, AFileReplacedByASymlinkIsNotFollowed) {
  unlink(file_.c_str());
  ASSERT_EQ(symlink("/etc/passwd", file_.c_str()), 0);
  EXPECT_FALSE(Read(0, 10).has_value());
}

}  // namespace
}  // namespace quire
