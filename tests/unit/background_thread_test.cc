// SPDX-License-Identifier: Apache-2.0
// Goal: no exception that leaves a thread's work ends the program, and each is told of once. A thread that sleeps is
// woken by what there is to do, and by its stop.
#include "cache/background_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <semaphore>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "cache/log.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

std::string& LoggedText() {
  static std::string text;
  return text;
}

// What is logged while it lives. The threads that log have ended when it is looked at.
class CaughtLog {
 public:
  CaughtLog() {
    LoggedText().clear();
    SetLogWriter([](LogLevel, std::string_view message) { LoggedText().append(message).append("\n"); });
  }
  ~CaughtLog() { SetLogWriter(nullptr); }
  [[nodiscard]] static std::string text() { return LoggedText(); }
};

TEST(BackgroundThread, AnExceptionEndsTheThreadAndNotTheProgram) {
  const CaughtLog log;
  for (int times = 0; times < 2; ++times) {
    auto thread = ValueOrDie(StartBackgroundThread("test-throws", [] { throw std::bad_alloc(); }));
    thread.join();
  }
  const std::string text = log.text();
  EXPECT_NE(text.find("test-throws: std::bad_alloc"), std::string::npos) << text;
  EXPECT_EQ(text.find("test-throws"), text.rfind("test-throws")) << "logged twice: " << text;
}

TEST(BackgroundThread, AStepThatThrowsSaysSo) {
  const CaughtLog log;
  EXPECT_TRUE(RunStep("test-step", [] {}));
  EXPECT_FALSE(RunStep("test-step", [] { throw std::runtime_error("the reason"); }));
  EXPECT_FALSE(RunStep("test-other", [] { throw 1; }));
  EXPECT_NE(log.text().find("the reason"), std::string::npos);
  EXPECT_NE(log.text().find("test-other"), std::string::npos);
}

TEST(BackgroundThread, SleepsUntilItIsWoken) {
  std::counting_semaphore<> turns(0);
  BackgroundThread thread;
  ASSERT_TRUE(thread.Start("test-sleeps", [&](const std::stop_token& stop) {
    while (thread.Sleep(stop)) turns.release();
  }));
  EXPECT_FALSE(turns.try_acquire_for(std::chrono::milliseconds(20)));
  thread.Wake();
  turns.acquire();
  EXPECT_FALSE(turns.try_acquire_for(std::chrono::milliseconds(20))) << "woken twice by one call";
  thread.Stop();  // ends the sleep
  EXPECT_FALSE(thread.is_running());
}

TEST(BackgroundThread, AWakeThatComesBeforeTheSleepIsNotLost) {
  std::binary_semaphore was_woken(0);
  BackgroundThread thread;
  thread.Wake();
  ASSERT_TRUE(thread.Start("test-early", [&](const std::stop_token& stop) {
    if (thread.Sleep(stop)) was_woken.release();
  }));
  was_woken.acquire();
}

TEST(BackgroundThread, WhatItSleptThroughIsKnownAndCanBeForgotten) {
  std::atomic<int> woken = 0;
  BackgroundThread thread;
  thread.Wake();
  ASSERT_TRUE(thread.Start("test-forgets", [&](const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kMoment(1);
    thread.Pause(stop, kMoment);                     // whoever wakes it
    woken += thread.Sleep(stop, kMoment) ? 1 : 0;    // by the call above
    woken += thread.Sleep(stop, kMoment) ? 100 : 0;  // by nothing
    thread.Wake();
    thread.ForgetWakes();
    woken += thread.Sleep(stop, kMoment) ? 100 : 0;
  }));
  while (woken == 0) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  thread.Stop();
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace quire
