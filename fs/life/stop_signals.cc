// SPDX-License-Identifier: Apache-2.0
#include "fs/life/stop_signals.h"

#include <pthread.h>

#include <cerrno>
#include <ctime>
#include <utility>

namespace quire {
namespace {

constexpr const char* kThreadName = "quire-signals";
constexpr timespec kLookEvery = {.tv_sec = 0, .tv_nsec = 50'000'000};  // whether the thread shall end

bool IsIgnored(int signal) {
  struct sigaction action = {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  // Nohup wants that a program does not end by it. It may still open its log anew: what is blocked waits, ignored or
  // not.
  is_hangup_ignored_ = IsIgnored(SIGHUP);
  sigaddset(&signals_, SIGHUP);
  for (const int signal : {SIGINT, SIGTERM, SIGQUIT})
    if (!IsIgnored(signal)) sigaddset(&signals_, signal);
  pthread_sigmask(SIG_BLOCK, &signals_, &mask_before_);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before_);
  struct sigaction usual = {};
  usual.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &usual, &child_before_);
}

StopSignals::~StopSignals() {
  Ignore();
  sigaction(SIGCHLD, &child_before_, nullptr);
  sigaction(SIGPIPE, &pipe_before_, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

Result<void> StopSignals::Listen(std::function<bool()> hangup, std::function<void(int signal)> stop) {
  hangup_ = std::move(hangup);
  stop_ = std::move(stop);
  return thread_.Start(kThreadName, [this](const std::stop_token& ended) { Run(ended); });
}

void StopSignals::Run(const std::stop_token& ended) {
  while (!ended.stop_requested()) {
    const int signal = sigtimedwait(&signals_, nullptr, &kLookEvery);
    bool is_dealt_with = signal == SIGHUP;
    if (signal == SIGHUP) RunStep(kThreadName, [&] { is_dealt_with = hangup_() || is_hangup_ignored_; });
    if (is_dealt_with) continue;
    if (signal > 0) return stop_(signal);
  }
}

}  // namespace quire
