// How much may be pushed into the kernel's page cache: what memory there is, and what comes of it.
//
// What comes of it cannot be seen, since the kernel answers reads of pushed samples without a word. So one sample of
// each page is left out of the push: a control group. When readers go through the samples, they come across these too,
// and those reads are seen: as many pages as had their control read, as large a share of what was pushed has been read,
// as far as anyone can tell. A pushed sample that is read through the daemon after all was dropped before its time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

#include "fs/feed_figures.h"

namespace quire {

// Thread-safe; reads a few files of /proc ten times a second at most.
class PushBudget {
 public:
  using Clock = std::chrono::steady_clock;
  struct Environment {
    std::function<uint64_t()> available_bytes;  // that the process could still use, page cache included
    std::function<Clock::time_point()> now = Clock::now;
  };
  // `data_bytes`: of all samples.
  PushBudget(PushMode mode, uint64_t data_bytes, Environment environment);

  // Whether the samples of a page may be pushed now. `in_run`: the page was read ahead, on a sequential run.
  bool AllowsPage(bool in_run);
  // While readers follow a plan, and not all samples find room, the plan alone says which are worth it.
  void SetPlanActive(bool is_active) { is_plan_active_.store(is_active, std::memory_order_relaxed); }
  // How far ahead of the readers a plan may be pushed; 0: not at all.
  uint64_t PlanBytes();
  // Whether all samples find room in the page cache beside what else needs memory.
  bool DataFits();

  // What was done, and what came of it.
  void PagePushed(uint64_t bytes, bool has_new_control);
  void ControlRead(uint64_t page_bytes);
  void SamplePushed();
  void SampleDropped();

  [[nodiscard]] PushFigures figures() const;

 private:
  uint64_t AvailableLocked();
  bool IsPausedLocked();

  const PushMode mode_;
  const uint64_t data_bytes_;
  const Environment environment_;
  std::atomic<bool> is_plan_active_ = false;
  mutable std::mutex mutex_;  // guards all below
  PushFigures figures_;
  uint64_t available_bytes_ = 0;
  Clock::time_point looked_at_;
  bool has_looked_ = false;
  // Since the last look at what was dropped.
  uint64_t window_pushed_ = 0;
  uint64_t window_dropped_ = 0;
  Clock::time_point paused_until_;
  std::chrono::seconds next_pause_{1};
};

}  // namespace quire
