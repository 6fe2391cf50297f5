// SPDX-License-Identifier: Apache-2.0
// Files read by io_uring: a few threads, each the only owner of a ring, with many reads in flight in each.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/volume/file_source.h"
#include "cache/volume/volume_source.h"
#include "format/result.h"

namespace quire {

// Threads are for what `done` does (sums, replies), since the kernel itself needs next to no time for a read: one for
// four cores, so that the readers who wait for the bytes keep the others.
inline constexpr unsigned kMaxRings = 16;  // that may be asked for; by itself the source takes at most 4

class UringRing;

class UringFileSource final : public FileSource {
 public:
  // `threads`: cut to kMaxRings, 0 for the number by cores; fewer where the machine gives fewer. An error, with the
  // kernel's reason, where not even one ring can be had. `nice`: of the threads.
  static Result<std::unique_ptr<VolumeSource>> Create(SourceFiles files, unsigned threads, int nice);
  ~UringFileSource() override;

  // Each read goes to the ring with the fewest in flight. So the parts of a page, and extents that are read alone, are
  // checked and answered by all threads.
  void Submit(VolumeRead* first) override;
  [[nodiscard]] std::string Describe() const override;

 private:
  explicit UringFileSource(SourceFiles files);
  [[nodiscard]] size_t LeastLoadedRing() const;

  std::vector<std::unique_ptr<UringRing>> rings_;  // last: their threads use the files
};

}  // namespace quire
