// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/thread_file_source.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace quire {

Result<std::unique_ptr<VolumeSource>> ThreadFileSource::Create(SourceFiles files, unsigned threads, int nice,
                                                               std::string remark) {
  std::unique_ptr<ThreadFileSource> source(new ThreadFileSource(std::move(files), std::move(remark)));
  auto started = source->threads_.Start(threads == 0 ? kPoolThreads : std::min(threads, kMaxPoolThreads), nice);
  if (!started) return Propagate(std::move(started));
  return source;
}

std::string ThreadFileSource::Describe() const {
  return fmt::format("pread, {}, {} thread{}{}", DescribeFiles(), threads_.size(), threads_.size() == 1 ? "" : "s",
                     remark_);
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
