// SPDX-License-Identifier: Apache-2.0
// `.quire/plan`: how programs hand in a plan. The mount is read-only, so that the kernel asks nothing needlessly (a
// mount that could be written to has its attributes asked for after each read), and on such a mount a regular file
// cannot be written by anyone. A named pipe can: it is the kernel's own, and only its name is ours.
//
// The daemon is its reader, by the name in its own mount, like everybody else. Having it open all the time would keep
// the mount from being unmounted. So it is opened when somebody looks the name up, as open(2) does before it waits for
// a reader, and closed once nobody writes. A program that opens it to read is not a reader of plans, and would wait for
// one to be written: it finds the pipe's end at once.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>

#include "cache/background_thread.h"
#include "format/file.h"
#include "format/result.h"
#include "fs/feed/plan.h"
#include "fs/feed/plan_parser.h"

namespace quire {

class PlanPipe {
 public:
  // Writes into `plan` what comes; calls `changed` after each piece, and with true at a plan's end.
  PlanPipe(const Index& index, NodeNumber root, Plan& plan, std::string mount_point,
           std::function<void(bool is_end)> changed);

  // `device`: of the mount.
  Result<void> Start(dev_t device);
  // REQUIRES: requests are still answered, or the mount is gone: the thread may be looking the name up.
  void Stop() { thread_.Stop(); }

  // Somebody looked the name up. Any thread; does not block.
  void LookedUp() { thread_.Wake(); }

  [[nodiscard]] uint64_t unknown() const { return unknown_.load(std::memory_order_relaxed); }

 private:
  void Run(const std::stop_token& stop);
  bool WaitUntilLookedUp(std::chrono::milliseconds at_most, const std::stop_token& stop);
  [[nodiscard]] File Open(int access_mode) const;
  void ReadPlans(const File& pipe, std::chrono::milliseconds patience, const std::stop_token& stop);
  void TakeBytes(std::span<const char> bytes, const std::stop_token& stop);
  void EndPlan();
  void AbandonPlan();

  Plan& plan_;
  const std::string mount_point_;
  const std::function<void(bool is_end)> changed_;
  PlanParser parser_;
  dev_t device_ = 0;
  bool is_in_plan_ = false;
  std::atomic<uint64_t> unknown_ = 0;
  BackgroundThread thread_;  // last: it uses all above
};

}  // namespace quire
