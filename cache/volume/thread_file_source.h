// SPDX-License-Identifier: Apache-2.0
// Files read on machines that refuse io_uring: a pool of threads, each with one positional read at a time.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "cache/volume/file_source.h"
#include "cache/volume/read_threads.h"
#include "cache/volume/volume_source.h"
#include "format/result.h"

namespace quire {

// A thread sleeps while its read is under way, so that their number is the depth of the queue that the device sees, and
// more than cores make sense: 16 reads of 256 KiB keep a drive of 4 GB/s busy for a millisecond.
inline constexpr unsigned kPoolThreads = 16;
inline constexpr unsigned kMaxPoolThreads = 64;

class ThreadFileSource final : public FileSource {
 public:
  // `threads`: cut to kMaxPoolThreads, 0 for kPoolThreads; fewer where the machine gives fewer. `remark` ends
  // the description. An error where not even one thread can be started.
  static Result<std::unique_ptr<VolumeSource>> Create(SourceFiles files, unsigned threads, int nice,
                                                      std::string remark);

  void Submit(VolumeRead* first) override { threads_.Submit(first); }
  [[nodiscard]] std::string Describe() const override;

 private:
  ThreadFileSource(SourceFiles files, std::string remark) : FileSource(std::move(files)), remark_(std::move(remark)) {}
  void Read(VolumeRead& read) const;

  const std::string remark_;
  ReadThreads threads_{[this](VolumeRead& read) { Read(read); }};  // last: they use all above
};

}  // namespace quire
