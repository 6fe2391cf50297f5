// SPDX-License-Identifier: Apache-2.0
#include "tools/export/exporter.h"

#include <algorithm>
#include <utility>

#include "format/coding.h"
#include "format/worker_pool.h"
#include "tools/extract/extract_report.h"

namespace quire {

Exporter::Exporter(const Pack& pack, const ExportPlan& plan, const ExportOptions& options, ArchiveOutput& output,
                   ExportCounters& counters)
    : index_(pack.index()),
      plan_(plan),
      options_(options),
      composer_(pack, plan, options.style),
      output_(output),
      counters_(counters) {}

Result<void> Exporter::Run() {
  if (plan_.tasks.empty()) {
    if (plan_.archives == 0) return {};
    if (auto begun = output_.Begin(0); !begun) return begun;
    return output_.End();
  }
  WorkerPool pool(static_cast<unsigned>(std::clamp<uint64_t>(plan_.tasks.size(), 1, options_.jobs)));
  return pool.ForEach(plan_.tasks.size(), [this](uint64_t number) {
    try {
      auto done = RunTask(number);
      if (!done) End();
      return done;
    } catch (...) {
      End();  // the others would wait for this one's turn
      throw;
    }
  });
}

Result<void> Exporter::RunTask(uint64_t number) {
  ComposedTask composed = TakeMemory();
  composer_.Compose(plan_.tasks[number], composed);
  if (!AwaitTurn(number)) return MakeError(ErrorCode::kInterrupted, "interrupted");
  if (options_.interrupted != nullptr && *options_.interrupted)
    return MakeError(ErrorCode::kInterrupted, "interrupted");
  if (auto written = Write(number, composed); !written) return written;
  PassTurn();
  ReturnMemory(std::move(composed));
  return {};
}

bool Exporter::AwaitTurn(uint64_t number) {
  MutexLock lock(mutex_);
  turned_.wait(lock, [this, number]() QUIRE_REQUIRES(mutex_) { return turn_ == number || is_ended_; });
  return !is_ended_;
}

void Exporter::PassTurn() {
  const MutexLock lock(mutex_);
  ++turn_;
  turned_.notify_all();
}

void Exporter::End() {
  const MutexLock lock(mutex_);
  is_ended_ = true;
  turned_.notify_all();
}

Result<void> Exporter::Write(uint64_t number, ComposedTask& composed) {
  const ExportTask& task = plan_.tasks[number];
  const auto archive_of = [this](uint64_t other) { return plan_.tasks[other].archive; };
  if (number == 0 || archive_of(number - 1) != task.archive)
    if (auto begun = output_.Begin(task.archive); !begun) return begun;
  if (task.is_part && task.from == 0) large_sample_at_ = output_.bytes();
  const bool is_rest_of_left_out = task.is_part && task.from > 0 && IsLeftOut(plan_.members[task.first].place);
  if (!is_rest_of_left_out) {
    for (const ComposedTask::Fault& fault : composed.faults)
      if (auto left_out = LeaveOut(task, fault); !left_out) return left_out;
    if (!left_out_.empty()) DropLinks(composed);
    if (auto written = output_.Write(AsBytes(composed.bytes)); !written) return written;
    counters_.members += composed.members;
  }
  counters_.bytes += composed.sample_bytes;
  if (number + 1 < plan_.tasks.size() && archive_of(number + 1) == task.archive) return {};
  ++counters_.archives;
  return output_.End();
}

Result<void> Exporter::LeaveOut(const ExportTask& task, const ComposedTask::Fault& fault) {
  const bool is_partly_written = task.is_part && output_.bytes() > large_sample_at_;
  if (!options_.keep_going || (is_partly_written && !output_.CanTakeBack())) {
    Error error = AtEntry(index_, fault.place, fault.error);
    error.message +=
        is_partly_written && options_.keep_going
            ? "; a part of it is written already, which a pipe does not give back: export to a file with -o"
            : "; --keep-going writes the others";
    return std::unexpected(std::move(error));
  }
  options_.on_fault(fault.place, fault.error);
  ++counters_.faults;
  left_out_.insert(fault.place);
  return is_partly_written ? output_.TakeBack(large_sample_at_) : Result<void>();
}

void Exporter::DropLinks(ComposedTask& composed) {
  for (auto link = composed.links.rbegin(); link != composed.links.rend(); ++link) {
    if (!IsLeftOut(link->first)) continue;
    composed.bytes.erase(link->begin, link->end - link->begin);
    --composed.members;
    options_.on_fault(link->place, {ErrorCode::kCorrupt, 0, "is a hard link to a sample that is left out"});
    ++counters_.faults;
  }
}

ComposedTask Exporter::TakeMemory() {
  const MutexLock lock(mutex_);
  if (memory_.empty()) return {};
  ComposedTask composed = std::move(memory_.back());
  memory_.pop_back();
  return composed;
}

void Exporter::ReturnMemory(ComposedTask composed) {
  const MutexLock lock(mutex_);
  memory_.push_back(std::move(composed));
}

}  // namespace quire
