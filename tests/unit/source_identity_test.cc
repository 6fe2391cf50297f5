// SPDX-License-Identifier: Apache-2.0
// Goal: a file that is another, or another version, is never taken for the one that was looked at.
#include "format/write/source_identity.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class CheckUnchangedTest : public testing::Test {
 protected:
  void ExpectRefused(std::string_view why) const {
    const auto checked = CheckUnchanged(IdentityOf(before_), now_, file_);
    ASSERT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().code, ErrorCode::kUnreadable);
    EXPECT_NE(checked.error().message.find(why), std::string::npos) << checked.error().message;
  }

  TemporaryFolder folder_;
  File file_ = ValueOrDie(File::Open(folder_ / "file", O_CREAT | O_RDWR, 0600));
  struct stat before_ = [this] {
    struct stat status{};
    EXPECT_EQ(fstat(file_.fd(), &status), 0);
    return status;
  }();
  struct stat now_ = before_;
};

TEST_F(CheckUnchangedTest, TheSameIsAccepted) {
  now_.st_atim.tv_sec += 1;
  EXPECT_TRUE(CheckUnchanged(IdentityOf(before_), now_, file_).has_value());
}

TEST_F(CheckUnchangedTest, AnotherInodeIsRefused) {
  ++now_.st_ino;
  ExpectRefused("replaced");
}

TEST_F(CheckUnchangedTest, AnotherDeviceIsRefused) {
  ++now_.st_dev;
  ExpectRefused("replaced");
}

TEST_F(CheckUnchangedTest, AnotherSizeIsRefused) {
  now_.st_size = 7;
  ExpectRefused("0 bytes, then 7");
}

TEST_F(CheckUnchangedTest, AnotherMtimeIsRefused) {
  now_.st_mtim.tv_nsec ^= 1;
  ExpectRefused("mtime");
}

TEST_F(CheckUnchangedTest, AnotherCtimeIsRefused) {
  now_.st_ctim.tv_nsec ^= 1;
  ExpectRefused("ctime");
}

// Of a file whose ctime lies so far behind, or with a negative age in front of, this moment.
struct stat StatusOfAge(milliseconds age) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  const int64_t then_ns = (int64_t{now.tv_sec} * 1'000'000'000) + now.tv_nsec - (age.count() * 1'000'000) + 1;
  struct stat status{};
  status.st_ctim = {.tv_sec = then_ns / 1'000'000'000, .tv_nsec = then_ns % 1'000'000'000};
  return status;
}

TEST(AwaitTellingCtime, AnOldChangeIsNotWaitedFor) {
  EXPECT_FALSE(AwaitTellingCtime(StatusOfAge(milliseconds(1000))));
  EXPECT_FALSE(AwaitTellingCtime({}));
}

TEST(AwaitTellingCtime, AChangeOfAnotherClockIsNotWaitedFor) {
  EXPECT_FALSE(AwaitTellingCtime(StatusOfAge(milliseconds(-3'600'000))));
}

TEST(AwaitTellingCtime, AYoungChangeIsWaitedFor) {
  const struct stat status = StatusOfAge(milliseconds(0));
  EXPECT_TRUE(AwaitTellingCtime(status));
  EXPECT_FALSE(AwaitTellingCtime(status));
}

TEST(AwaitTellingCtime, WholeSecondsAreWaitedFor) {
  struct stat status{};
  status.st_ctim.tv_sec = time(nullptr) - 1;
  const auto start = steady_clock::now();
  EXPECT_TRUE(AwaitTellingCtime(status));
  EXPECT_FALSE(AwaitTellingCtime(status));
  EXPECT_LT(steady_clock::now() - start, milliseconds(1500));
}

}  // namespace
}  // namespace quire
