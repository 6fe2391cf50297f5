// SPDX-License-Identifier: Apache-2.0
#include "tools/interrupt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <system_error>
#include <thread>

namespace quire {
namespace {

constexpr std::array<int, 4> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

std::atomic<bool> interrupted = false;
std::atomic<int> caught_signal = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free, "a handler sets them");

// What the handler writes. Never freed: a signal may come while the process ends.
const std::string* report = nullptr;

void SetHandlers(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  for (const int signal : kSignals) {
    struct sigaction before{};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

}  // namespace

void ReportInterrupts(std::string_view command) {
  // A terminal's line begins with the ^C that it echoed.
  report = new std::string(fmt::format("{}{}: interrupted\n", isatty(STDERR_FILENO) != 0 ? "\n" : "", command));
  SetHandlers([](int signal) {
    static_cast<void>(!write(STDERR_FILENO, report->data(), report->size()));
    raise(signal);  // SA_RESETHAND: with its default action, once this handler has returned
  });
}

const std::atomic<bool>* CatchInterrupts() {
  SetHandlers([](int signal) {
    caught_signal = signal;
    interrupted = true;
  });
  return &interrupted;
}

const std::atomic<bool>* InterruptFlag() { return &interrupted; }

void HandleInterruptsInAThread() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kSignals) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // threads that are started later inherit it
  try {
    std::thread([signals] {
      pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
      while (true) pause();
    }).detach();
  } catch (const std::system_error&) {  // no further thread: they run in this one then
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  }
}

void ForgetInterrupts() { SetHandlers(SIG_DFL); }

void EndIfInterrupted() {
  const int signal = caught_signal;
  if (signal == 0) return;
  std::fflush(nullptr);
  ForgetInterrupts();
  raise(signal);
}

}  // namespace quire
