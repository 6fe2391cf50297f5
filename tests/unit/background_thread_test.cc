// Goal: no exception that leaves a thread's work ends the program, and each is told of once.
#include "cache/background_thread.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <new>
#include <sstream>
#include <stdexcept>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

// What is logged while it lives.
class Log {
 public:
  Log() {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~Log() { spdlog::set_default_logger(before_); }
  [[nodiscard]] std::string text() const { return text_.str(); }

 private:
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream text_;
};

TEST(BackgroundThread, AnExceptionEndsTheThreadAndNotTheProgram) {
  const Log log;
  for (int times = 0; times < 2; ++times) {
    auto thread = ValueOrDie(StartBackgroundThread("test-throws", [] { throw std::bad_alloc(); }));
    thread.join();
  }
  const std::string text = log.text();
  EXPECT_NE(text.find("test-throws: std::bad_alloc"), std::string::npos) << text;
  EXPECT_EQ(text.find("test-throws"), text.rfind("test-throws")) << "logged twice: " << text;
}

TEST(BackgroundThread, AStepThatThrowsSaysSo) {
  const Log log;
  EXPECT_TRUE(RunStep("test-step", [] {}));
  EXPECT_FALSE(RunStep("test-step", [] { throw std::runtime_error("the reason"); }));
  EXPECT_FALSE(RunStep("test-other", [] { throw 1; }));
  EXPECT_NE(log.text().find("the reason"), std::string::npos);
  EXPECT_NE(log.text().find("test-other"), std::string::npos);
}

}  // namespace
}  // namespace quire
