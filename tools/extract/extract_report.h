// SPDX-License-Identifier: Apache-2.0
// How far an extraction is, what went wrong, and whether it goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "format/mutex.h"
#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// Thread-safe.
class ExtractReport {
 public:
  // `on_fault` gets a line for each fault, by one thread at a time, where `keep_going`. `interrupted` may be null.
  ExtractReport(const Index& index, bool keep_going, const std::atomic<bool>* interrupted,
                std::function<void(const std::string&)> on_fault);

  // The entry `place` is not made. Where that ends the extraction: the first fault unless it keeps going, and any that
  // every further entry would meet, such as a full disk.
  void Fault(NodeNumber place, Error error);
  // The same of what is no entry.
  void Fault(Error error);

  // Nothing more is to be begun: a fault ended it, or a signal.
  [[nodiscard]] bool is_ended() const;
  [[nodiscard]] bool is_interrupted() const { return interrupted_ != nullptr && *interrupted_; }
  // What ended it, if a fault did.
  [[nodiscard]] std::optional<Error> ended_by() const;
  // Whether that was a fault of one entry, which stays, and the others may do without.
  [[nodiscard]] bool is_ended_by_an_entry() const;
  [[nodiscard]] uint64_t faults() const { return faults_; }

  std::atomic<uint64_t> entries_total = 0;  // without the pack's root, as in all counts of entries
  std::atomic<uint64_t> entries_done = 0;   // that are there, whole: of folders, when all that is in them is
  std::atomic<uint64_t> bytes_total = 0;
  std::atomic<uint64_t> bytes_done = 0;  // of what was left out, too

 private:
  const Index& index_;
  const bool keep_going_;
  const std::atomic<bool>* const interrupted_;
  const std::function<void(const std::string&)> on_fault_;
  std::atomic<uint64_t> faults_ = 0;
  std::atomic<bool> is_ended_ = false;
  mutable Mutex mutex_;  // held while on_fault_ is called
  std::optional<Error> ended_by_ QUIRE_GUARDED_BY(mutex_);
};

// "'a/b': " and what is wrong with that entry.
Error AtEntry(const Index& index, NodeNumber place, Error error);

}  // namespace quire
