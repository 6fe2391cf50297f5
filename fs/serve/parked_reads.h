// SPDX-License-Identifier: Apache-2.0
// Requests that wait for the disk while no thread waits with them.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "cache/sample_reader.h"
#include "format/locked_count.h"
#include "format/mutex.h"
#include "fs/libfuse.h"
#include "fs/serve/read_handover.h"

namespace quire {

class SampleReads;

// A read, and who is to be told of its end.
struct ParkedRead : SampleRead {
  SampleReads* reads = nullptr;
  fuse_req_t request = nullptr;
  fuse_ino_t inode = 0;
  uint64_t waits_since_ns = 0;
  NodeNumber number = 0;
  // Of a read that is recorded: when it came (0: it is not). Of that and one that is watched: the thread that asked.
  uint64_t began_ns = 0;
  uint32_t process = 0;
  bool is_watched = false;
  std::shared_ptr<ReadHandover> handover;  // where another thread must answer: then that one is told
  ParkedRead* next_free = nullptr;         // of ParkedReads
};

// Where they live. Memory is reused, so that a mount whose readers are no more than before allocates nothing. The
// kernel sets the limit: one read for each thread that waits in read(2) or in a page fault, and its background
// requests. Thread-safe; nothing blocks but WaitUntilNone.
class ParkedReads {
 public:
  // Gives a fresh one, which the caller owns until Return.
  ParkedRead& Take();
  // Takes back one whose request was answered, and whose bytes nobody holds. Does not allocate.
  void Return(ParkedRead& read);

  [[nodiscard]] size_t count() const { return count_.get(); }  // taken and not returned; takes no lock
  void WaitUntilNone() const;

 private:
  mutable Mutex mutex_;
  mutable ConditionVariable none_left_;
  std::deque<ParkedRead> all_ QUIRE_GUARDED_BY(mutex_);
  ParkedRead* first_free_ QUIRE_GUARDED_BY(mutex_) = nullptr;
  LockedCount count_;
};

}  // namespace quire
