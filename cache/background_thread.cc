// SPDX-License-Identifier: Apache-2.0
#include "cache/background_thread.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <string_view>
#include <utility>

#include "cache/log.h"

namespace quire {
namespace {

// More names than the program has. No allocation: what is reported is a want of memory, most often.
constexpr size_t kMaxNames = 16;

// Whether `name` is reported for the first time.
bool IsFirst(const char* name) {
  static Mutex mutex;
  static std::array<std::string_view, kMaxNames> reported;  // guarded by `mutex`, as is `count`
  static size_t count = 0;
  const MutexLock lock(mutex);
  const auto known = std::span(reported).first(count);
  if (std::ranges::find(known, std::string_view(name)) != known.end() || count == kMaxNames) return false;
  reported[count++] = name;
  return true;
}

}  // namespace

Result<void> BackgroundThread::Start(const char* name, std::function<void(const std::stop_token&)> run) {
  auto thread = StartBackgroundThread(name, std::move(run));
  if (!thread) return Propagate(std::move(thread));
  thread_ = *std::move(thread);
  return {};
}

void BackgroundThread::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void BackgroundThread::Wake() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(is_woken_, true)) return;
  }
  woken_.notify_one();
}

bool BackgroundThread::Sleep(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  woken_.wait(lock, stop, [this]() QUIRE_REQUIRES(mutex_) { return is_woken_; });
  return std::exchange(is_woken_, false);
}

bool BackgroundThread::Sleep(const std::stop_token& stop, std::chrono::nanoseconds at_most) {
  MutexLock lock(mutex_);
  woken_.wait_for(lock, stop, at_most, [this]() QUIRE_REQUIRES(mutex_) { return is_woken_; });
  return std::exchange(is_woken_, false);
}

void BackgroundThread::Pause(const std::stop_token& stop, std::chrono::nanoseconds time) {
  MutexLock lock(mutex_);
  woken_.wait_for(lock, stop, time, [] { return false; });
}

void BackgroundThread::ForgetWakes() {
  const MutexLock lock(mutex_);
  is_woken_ = false;
}

void PutThreadFirst(int nice) { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice); }

void ReportThreadException(const char* thread_name) noexcept {
  try {
    if (!IsFirst(thread_name)) return;
    try {
      throw;
    } catch (const std::exception& error) {
      Log(LogLevel::kError, "thread {}: {}; it is logged once", thread_name, error.what());
    } catch (...) {
      Log(LogLevel::kError, "thread {}: an exception of no known kind; it is logged once", thread_name);
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch): without memory for a line of the log there is no way to tell
  }
}

}  // namespace quire
