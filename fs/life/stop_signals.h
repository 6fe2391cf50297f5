// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGQUIT, SIGTERM and SIGHUP as events for one thread, so that a session can be ended in order: a handler
// could only set a flag, and what stores into the kernel must be stopped while requests are still answered. SIGHUP need
// not be the end: daemons open their log anew by it.
#pragma once

#include <csignal>
#include <functional>
#include <stop_token>

#include "cache/background_thread.h"
#include "format/result.h"

namespace quire {

class StopSignals {
 public:
  // From now on the signals wait for Listen, whichever thread they come to. One that was ignored stays ignored; of
  // SIGHUP Listen is told all the same, but it ends nothing then. SIGPIPE is ignored from now on. SIGCHLD is not: where
  // it was, nobody would learn how a child of ours ended.
  // REQUIRES: no other thread runs, or all block these signals.
  StopSignals();
  ~StopSignals();  // they are as they were before
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // In a thread of its own: calls `hangup` for each SIGHUP, which says whether it dealt with it, and `stop` with the
  // number of the first signal that was not. Where an exception leaves `hangup`, it has dealt with it.
  Result<void> Listen(std::function<bool()> hangup, std::function<void(int signal)> stop);
  // Returns once neither is running or will be called.
  void Ignore() { thread_.Stop(); }

 private:
  void Run(const std::stop_token& ended);

  sigset_t signals_;
  bool is_hangup_ignored_ = false;
  sigset_t mask_before_;
  struct sigaction pipe_before_ = {};
  struct sigaction child_before_ = {};
  std::function<bool()> hangup_;
  std::function<void(int signal)> stop_;
  BackgroundThread thread_;  // last: it uses all above
};

}  // namespace quire
