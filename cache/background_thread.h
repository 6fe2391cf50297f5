// SPDX-License-Identifier: Apache-2.0
// Threads of the cache's own: they take no signal away from the program, top(1) and debuggers show their name, and no
// exception that leaves what they run ends the program.
#pragma once

#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <concepts>
#include <csignal>
#include <functional>
#include <new>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "format/mutex.h"
#include "format/result.h"

namespace quire {

// Logs the exception that is being handled, once for each `thread_name`, which must be a literal. Call it in a catch
// clause only.
void ReportThreadException(const char* thread_name) noexcept;

// Gives the calling thread a nice value below 0. Only root may, and CAP_SYS_NICE: everybody else's threads take turns.
void PutThreadFirst(int nice);

// Runs `step`; false where an exception left it, which is logged. A thread that works in turns runs each of them so:
// what one turn could not do for want of memory, another may.
template <typename Step>
bool RunStep(const char* thread_name, Step&& step) noexcept {
  try {
    std::forward<Step>(step)();
    return true;
  } catch (...) {
    ReportThreadException(thread_name);
    return false;
  }
}

// Runs `body`, which may take a std::stop_token, in a new thread that blocks all signals. `name`: a literal of at most
// 15 characters. An exception that leaves `body` ends the thread and is logged. kSystem where there can be no further
// thread.
template <typename Body>
Result<std::jthread> StartBackgroundThread(const char* name, Body body) {
  // A thread inherits its starter's mask. Blocked in itself it would be open to signals for a moment.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<std::jthread> thread;
  try {
    thread = std::jthread([name, body = std::move(body)](const std::stop_token& stop) mutable {
      pthread_setname_np(pthread_self(), name);
      RunStep(name, [&] {
        if constexpr (std::invocable<Body, const std::stop_token&>)
          body(stop);
        else
          body();
      });
    });
  } catch (const std::system_error& error) {
    thread =
        SystemError(error.code().value(), "cannot start a thread ('ulimit -u' and pids.max say how many there may be)");
  } catch (const std::bad_alloc&) {
    thread = SystemError(ENOMEM, "cannot start a thread");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

// A thread that can be stopped, and sleeps while there is nothing to do.
class BackgroundThread {
 public:
  BackgroundThread() = default;
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;
  ~BackgroundThread() { Stop(); }

  // Runs `run` as StartBackgroundThread does. Once.
  Result<void> Start(const char* name, std::function<void(const std::stop_token&)> run);
  // Asks the thread to end, and returns when it has. Does nothing where there is none.
  void Stop();
  [[nodiscard]] bool is_running() const { return thread_.joinable(); }

  // Any thread; does not block. There is something to do: the thread wakes, or does not fall asleep the next time.
  void Wake();

  // The rest is for the thread itself.
  // Sleeps until Wake, a stop, or `at_most` from now. Whether it was woken.
  bool Sleep(const std::stop_token& stop);
  bool Sleep(const std::stop_token& stop, std::chrono::nanoseconds at_most);
  // Sleeps for so long or until a stop; Wake does not end it.
  void Pause(const std::stop_token& stop, std::chrono::nanoseconds time);
  // What it was woken for since it last slept is done.
  void ForgetWakes();

 private:
  Mutex mutex_;
  ConditionVariable woken_;
  bool is_woken_ QUIRE_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace quire
