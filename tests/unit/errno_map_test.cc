// SPDX-License-Identifier: Apache-2.0
// Goal: callers get an errno that is true of their own call, and the log gets each cause once, not once a retry.
#include "fs/serve/errno_map.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace quire {
namespace {

Error System(int number) { return SystemError(number, "pread").error(); }

// Catches what is logged while it lives.
class CaughtLog {
 public:
  CaughtLog() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("caught", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~CaughtLog() { spdlog::set_default_logger(before_); }
  [[nodiscard]] std::string text() const { return text_.str(); }
  [[nodiscard]] long lines() const { return std::ranges::count(text_.str(), '\n'); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST(ErrnoMap, EachErrorHasItsErrno) {
  EXPECT_EQ(ErrnoOf(Corrupt("x").error()), EIO);
  EXPECT_EQ(ErrnoOf(Unsupported("x").error()), EIO);
  EXPECT_EQ(ErrnoOf(Invalid("x").error()), EINVAL);
  EXPECT_EQ(ErrnoOf(MakeError(ErrorCode::kNotFound, "x").error()), ENOENT);
}

TEST(ErrnoMap, OnlySystemErrorsThatConcernTheCallerPass) {
  EXPECT_EQ(ErrnoOf(System(EIO)), EIO);
  EXPECT_EQ(ErrnoOf(System(ENOMEM)), ENOMEM);
  EXPECT_EQ(ErrnoOf(System(EBADF)), EIO);
  EXPECT_EQ(ErrnoOf(System(0)), EIO);
}

TEST(ErrnoMap, ALineIsLoggedWithItsCauseAndContext) {
  const CaughtLog log;
  ErrnoMap map;
  EXPECT_EQ(map.Report("read \"/a\"", Corrupt("extent 7: wrong sum").error()), EIO);
  EXPECT_TRUE(log.text().contains("read \"/a\": extent 7: wrong sum"));
}

TEST(ErrnoMap, RepetitionsAreCountedAndLoggedAtPowersOfTen) {
  const CaughtLog log;
  ErrnoMap map;
  for (int i = 0; i < 1000; ++i) map.Report("read", Corrupt("x").error());
  EXPECT_EQ(map.reported(), 1000U);
  EXPECT_EQ(log.lines(), 4);  // the 1st, 10th, 100th and 1000th
  EXPECT_TRUE(log.text().contains("(1000 times)"));
}

TEST(ErrnoMap, DifferentLinesAreBoundedAndStillCounted) {
  const CaughtLog log;
  ErrnoMap map;
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(map.Report("read", Corrupt("{}", i).error()), EIO);
  EXPECT_EQ(map.reported(), 10'000U);
  EXPECT_LT(log.lines(), 5000);
}

}  // namespace
}  // namespace quire
