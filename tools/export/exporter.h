// SPDX-License-Identifier: Apache-2.0
// Writes the archives of a plan: threads read and compose tasks side by side, and write what they have in turn, in the
// order of the plan.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "format/mutex.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "tools/export/archive_output.h"
#include "tools/export/export_plan.h"
#include "tools/export/task_composer.h"

namespace quire {

struct ExportOptions {
  ExportStyle style;
  bool keep_going = false;
  unsigned jobs = 4;                               // 1 to kMaxJobs; a task of up to 3 MiB of samples for each
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: ends with kInterrupted, soon
  // Called for each member that is left out, by one thread at a time, in the order of the archives.
  std::function<void(NodeNumber, const Error&)> on_fault;
};

struct ExportCounters {
  std::atomic<uint64_t> members = 0;
  std::atomic<uint64_t> bytes = 0;  // of samples
  std::atomic<uint64_t> archives = 0;
  std::atomic<uint64_t> faults = 0;
};

class Exporter {
 public:
  // All must outlive it.
  Exporter(const Pack& pack, const ExportPlan& plan, const ExportOptions& options, ArchiveOutput& output,
           ExportCounters& counters);

  // Writes everything. An archive that is not complete has no name then. Without keep_going the first fault ends it,
  // and is the error; a large sample that turns out to be damaged when a part of it was written ends it in any case
  // where the output takes nothing back. Blocks. Called once.
  Result<void> Run();

 private:
  Result<void> RunTask(uint64_t number);
  // Waits until all tasks before this one are written; false where the export has ended.
  bool AwaitTurn(uint64_t number);
  void PassTurn();
  void End();

  // In turn.
  Result<void> Write(uint64_t number, ComposedTask& composed);
  Result<void> LeaveOut(const ExportTask& task, const ComposedTask::Fault& fault);
  void DropLinks(ComposedTask& composed);
  [[nodiscard]] bool IsLeftOut(NodeNumber place) const { return left_out_.contains(place); }

  ComposedTask TakeMemory();
  void ReturnMemory(ComposedTask composed);

  const Index& index_;
  const ExportPlan& plan_;
  const ExportOptions& options_;
  const TaskComposer composer_;
  ArchiveOutput& output_;
  ExportCounters& counters_;

  // Of the thread whose turn it is, without the mutex.
  std::unordered_set<NodeNumber> left_out_;
  uint64_t large_sample_at_ = 0;  // where in the archive the last large sample begins

  Mutex mutex_;
  ConditionVariable turned_;
  uint64_t turn_ QUIRE_GUARDED_BY(mutex_) = 0;
  bool is_ended_ QUIRE_GUARDED_BY(mutex_) = false;
  std::vector<ComposedTask> memory_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
