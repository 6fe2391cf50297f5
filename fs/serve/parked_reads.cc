// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/parked_reads.h"

namespace quire {

ParkedRead& ParkedReads::Take() {
  const MutexLock lock(mutex_);
  ParkedRead* read = first_free_;
  if (read != nullptr) {
    first_free_ = read->next_free;
    *read = ParkedRead();
  } else {
    read = &all_.emplace_back();
  }
  ++count_;
  return *read;
}

void ParkedReads::Return(ParkedRead& read) {
  const MutexLock lock(mutex_);
  read.next_free = first_free_;
  first_free_ = &read;
  --count_;
  if (count_.get() == 0) none_left_.notify_all();
}

void ParkedReads::WaitUntilNone() const {
  MutexLock lock(mutex_);
  none_left_.wait(lock, [this] { return count_.get() == 0; });
}

}  // namespace quire
