// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/extract_report.h"

#include <utility>

#include "format/open_files.h"
#include "tools/progress.h"

namespace quire {
namespace {

bool EveryEntryMeetsIt(const Error& error) {
  return IsOutOfFiles(error) ||
         (error.code == ErrorCode::kSystem &&
          (error.system_errno == ENOSPC || error.system_errno == EDQUOT || error.system_errno == EROFS));
}

}  // namespace

Error AtEntry(const Index& index, NodeNumber place, Error error) {
  const auto path = index.GetPath(place);
  error.message = fmt::format(
      "'{}': {}", path ? EscapeName(path->empty() ? "." : *path) : fmt::format("(node {})", place), error.message);
  return error;
}

ExtractReport::ExtractReport(const Index& index, bool keep_going, const std::atomic<bool>* interrupted,
                             std::function<void(const std::string&)> on_fault)
    : index_(index), keep_going_(keep_going), interrupted_(interrupted), on_fault_(std::move(on_fault)) {}

void ExtractReport::Fault(NodeNumber place, Error error) { Fault(AtEntry(index_, place, std::move(error))); }

void ExtractReport::Fault(Error error) {
  const MutexLock lock(mutex_);
  if (ended_by_) return;  // the others meet the same
  ++faults_;
  if (keep_going_ && !EveryEntryMeetsIt(error)) return on_fault_(error.message);
  ended_by_ = std::move(error);
  is_ended_ = true;
}

bool ExtractReport::is_ended() const { return is_ended_.load(std::memory_order_relaxed) || is_interrupted(); }

bool ExtractReport::is_ended_by_an_entry() const {
  const MutexLock lock(mutex_);
  return ended_by_ && !EveryEntryMeetsIt(*ended_by_);
}

std::optional<Error> ExtractReport::ended_by() const {
  const MutexLock lock(mutex_);
  return ended_by_;
}

}  // namespace quire
