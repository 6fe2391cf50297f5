// Goes ahead of the readers along a plan: brings each sample into memory, and on into the kernel's page cache.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "cache/sample_reader.h"
#include "format/index.h"
#include "fs/kernel_store.h"
#include "fs/kernel_view.h"
#include "fs/plan.h"
#include "fs/push_budget.h"

namespace quire {

class PlanRunner {
 public:
  // All must outlive the runner.
  PlanRunner(const Index& index, SampleReader& samples, Plan& plan, KernelView& view, KernelStore& store,
             PushBudget& budget);
  ~PlanRunner();  // stops

  Result<void> Start();
  // Returns once the thread has ended; reads that it began may still be under way, and end by themselves: the runner
  // must live until the reader is at rest. REQUIRES: requests are still answered, or the mount is gone.
  void Stop();

  // The plan, or the readers' place in it, has changed. Any thread; does not block.
  void Wake();
  // The plan ended, or was forgotten: the cache is told what will be read.
  void FutureChanged();

 private:
  // A read of a sample that is on its way, or has come and waits to be stored.
  struct Planned : SampleRead {
    PlanRunner* runner = nullptr;
    NodeNumber number = 0;
    bool is_marker = false;
    SampleBytes bytes;
    Planned* next = nullptr;
  };
  static constexpr size_t kMaxInFlight = 64;

  void Run(const std::stop_token& stop);
  void Prefetch(const Plan::Step& step);
  void Store(NodeNumber number, const SampleBytes& bytes, bool is_marker);
  static void Arrived(SampleRead& read, Result<SampleBytes> result);
  void TellFuture();
  [[nodiscard]] uint64_t WindowPlaces();

  const Index& index_;
  SampleReader& samples_;
  Plan& plan_;
  KernelView& view_;
  KernelStore& store_;
  PushBudget& budget_;
  const uint64_t mean_sample_bytes_;
  const uint64_t max_in_flight_bytes_;
  bool pushes_again_ = false;  // also what the kernel was given before: it will have dropped it

  std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  bool has_changed_ = false;
  bool future_changed_ = false;
  bool is_stopped_ = false;
  Planned* arrived_ = nullptr;
  Planned** arrived_end_ = &arrived_;
  Planned* free_ = nullptr;
  uint64_t in_flight_bytes_ = 0;  // until they were stored
  std::vector<Planned> planned_;
  std::jthread thread_;
};

}  // namespace quire
