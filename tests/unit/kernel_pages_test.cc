// SPDX-License-Identifier: Apache-2.0
// Goal: what the page cache holds of a file is told as it is, by both ways to ask, and not at all where the kernel does
// not tell it.
#include "tools/map/kernel_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "tools/map/page_levels.h"

namespace quire {
namespace {

constexpr uint64_t kBytes = 3 * kPageBytes + 5000;

class KernelPagesTest : public testing::Test {
 protected:
  // Not in memory, of whose files nothing can be dropped.
  KernelPagesTest() {
    const char* const folder = getenv("QUIRE_TEST_DIR");
    path_ = std::string(folder == nullptr ? "/var/tmp" : folder) + "/kernel-pages.XXXXXX";
    file_ = File(mkstemp(path_.data()));
    const std::string page(kPageBytes, 'x');
    for (uint64_t at = 0; at < kBytes; at += kPageBytes)
      EXPECT_TRUE(file_.WriteAll(at, std::as_bytes(std::span(page)).first(std::min<uint64_t>(kPageBytes, kBytes - at)))
                      .has_value());
    EXPECT_EQ(fdatasync(file_.fd()), 0);
    Drop(0, 0);
    EXPECT_EQ(posix_fadvise(file_.fd(), 0, 0, POSIX_FADV_RANDOM), 0);  // no readahead
  }
  ~KernelPagesTest() override { unlink(path_.c_str()); }

  void Drop(uint64_t offset, uint64_t bytes) const {
    EXPECT_EQ(posix_fadvise(file_.fd(), static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED), 0);
  }
  void Read(uint64_t offset, size_t bytes) const {
    std::string into(bytes, '\0');
    EXPECT_TRUE(file_.ReadExactly(offset, std::as_writable_bytes(std::span(into))).has_value());
  }

  std::string path_;
  File file_;
};

using Folios = std::vector<uint16_t>;

TEST_F(KernelPagesTest, TellsWhatWasReadAndNothingElse) {
  EXPECT_EQ(ReadKernelPages(file_.fd(), kBytes).value(), (Folios{0, 0, 0, 0}));
  Read(kPageBytes, kPageBytes);
  Read(3 * kPageBytes, 5000);
  EXPECT_EQ(ReadKernelPages(file_.fd(), kBytes).value(), (Folios{0, kFoliosAPage, 0, 2}));
  EXPECT_EQ(ReadKernelPages(file_.fd(), kBytes).value(), (Folios{0, kFoliosAPage, 0, 2})) << "to ask changed it";
  Drop(0, 0);
  EXPECT_EQ(ReadKernelPages(file_.fd(), kBytes).value(), (Folios{0, 0, 0, 0}));
}

TEST_F(KernelPagesTest, BothWaysTellTheSame) {
  const auto asked = AskCachestat(file_.fd(), kBytes);
  if (!asked) GTEST_SKIP() << asked.error().message;
  Read(0, 4096);
  Read(2 * kPageBytes + (1 << 20), 1 << 20);
  const Folios wanted = AskCachestat(file_.fd(), kBytes).value();
  EXPECT_GE(wanted[0], 1);
  EXPECT_EQ(wanted[1], 0);
  EXPECT_GE(wanted[2], kFoliosAPage / 2);
  EXPECT_EQ(AskMincore(file_.fd(), kBytes).value(), wanted);
}

TEST_F(KernelPagesTest, AFileOfNoBytesHasNoPages) { EXPECT_EQ(ReadKernelPages(file_.fd(), 0).value(), Folios()); }

// Who may not know is told by mincore(2) that all is there.
TEST_F(KernelPagesTest, AnotherUserIsToldNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  ASSERT_EQ(fchmod(file_.fd(), 0644), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(3);
    const File file(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open() || MayAskMincore(file.fd())) _exit(1);
    // Before Linux 6.14 cachestat told everybody.
    const auto told = ReadKernelPages(file.fd(), kBytes);
    if (!told) _exit(told.error().message.contains("owner") || told.error().message.contains("6.5") ? 0 : 2);
    _exit(*told == Folios{0, 0, 0, 0} ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(MayAskMincore(file_.fd()));
}

}  // namespace
}  // namespace quire
