// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/thread_file_source.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cache/background_thread.h"

namespace quire {

Result<std::unique_ptr<VolumeSource>> ThreadFileSource::Create(SourceFiles files, unsigned threads, int nice,
                                                               std::string remark) {
  const unsigned wanted = threads == 0 ? kPoolThreads : std::min(threads, kMaxPoolThreads);
  std::unique_ptr<ThreadFileSource> source(new ThreadFileSource(std::move(files), std::move(remark)));
  while (source->threads_.size() < wanted) {
    auto thread = StartBackgroundThread("quire-fill", [source = source.get(), nice] {
      if (nice < 0) PutThreadFirst(nice);
      source->Work();
    });
    if (!thread && source->threads_.empty()) return Propagate(std::move(thread));
    if (!thread) break;
    source->threads_.push_back(std::move(*thread));
  }
  return source;
}

ThreadFileSource::~ThreadFileSource() {
  const MutexLock lock(mutex_);
  stop_ = true;
  changed_.notify_all();
}

void ThreadFileSource::Submit(VolumeRead* first) {
  ReadQueue reads;
  size_t count = 0;
  while (first != nullptr) {
    VolumeRead& read = *std::exchange(first, first->next);
    read.got_bytes = 0;
    read.failed_tries = 0;
    reads.Push(read);
    ++count;
  }
  {
    const MutexLock lock(mutex_);
    queue_.Append(reads);
    count = std::min(count, idle_);
  }
  for (; count > 0; --count) changed_.notify_one();
}

std::string ThreadFileSource::Describe() const {
  return fmt::format("pread, {}, {} thread{}{}", DescribeFiles(), threads_.size(), threads_.size() == 1 ? "" : "s",
                     remark_);
}

void ThreadFileSource::Work() {
  MutexLock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return stop_ || !queue_.empty(); });
    --idle_;
    VolumeRead* const read = queue_.Pop();
    if (read == nullptr) return;
    lock.unlock();
    Read(*read);
    lock.lock();
  }
}

void ThreadFileSource::Read(VolumeRead& read) const {
  const SourceFile& file = FileOf(read);
  Settled settled;
  while (!settled.result) {
    const ssize_t got = pread(file.fd(), read.into + read.got_bytes, read.bytes - read.got_bytes,
                              static_cast<off_t>(read.offset + read.got_bytes));
    settled = file.Settle(read, got < 0 ? -errno : got);
    if (settled.pause_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(settled.pause_ms));
  }
  read.done(read, *settled.result);
}

}  // namespace quire
