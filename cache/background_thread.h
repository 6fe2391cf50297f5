// Threads of the cache's own: they take no signal away from the program, and top(1) and debuggers show their name.
#pragma once

#include <pthread.h>

#include <concepts>
#include <csignal>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "format/result.h"

namespace quire {

// Runs `body`, which may take a std::stop_token, in a new thread that blocks all signals. `name`: at most 15
// characters. kSystem where there can be no further thread.
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
      if constexpr (std::invocable<Body, const std::stop_token&>)
        body(stop);
      else
        body();
    });
  } catch (const std::system_error& error) {
    thread = SystemError(error.code().value(), "cannot start a thread");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace quire
