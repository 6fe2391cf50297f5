// A file read by io_uring: a few threads, each the only owner of a ring, with many reads in flight in each.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/memory/arena.h"
#include "cache/volume/file_source.h"
#include "cache/volume/volume_source.h"
#include "format/result.h"

namespace quire {

// Threads are for what `done` does (sums, replies), since the kernel itself needs next to no time for a read: one for
// four cores, so that the readers who wait for the bytes keep the others.
inline constexpr unsigned kMaxRings = 16;  // that may be asked for; by itself the source takes at most 4

// What the kernel knows of a slot.
enum class SlotBuffer : uint8_t {
  kUnregistered,
  kRegistered,
  kStuck,  // registered, and the kernel could not take that back: never read through again
};

// What all rings together have registered. Registered memory is pinned, and costs less: 0.0176 s of processor time a GB
// instead of 0.0216 for pages of 8 x 256 KiB on transparent huge pages, 0.0179 instead of 0.0198 on hugetlb; nothing
// for random reads of 128 KiB, where 0.06 s are spent otherwise (file_source_benchmark, medians of 5 interleaved
// rounds).
struct UringBuffers {
  const bool is_wanted;
  // By slot. Changed by the slot's ring only, while a read into the slot or its release is under way: so everyone else
  // who may ask sees it at rest.
  std::vector<std::atomic<SlotBuffer>> of_slot;
  std::atomic<uint32_t> slots = 0;
  std::atomic<int> refusal = 0;  // the first one, an errno; 0 while there was none
};

class UringRing;

class UringFileSource final : public VolumeSource {
 public:
  // `threads`: cut to kMaxRings, 0 for the number by cores; fewer where the machine gives fewer. An error, with the
  // kernel's reason, where not even one ring can be had.
  static Result<std::unique_ptr<VolumeSource>> Create(VolumeFile file, const Arena& arena, bool registered,
                                                      unsigned threads);
  ~UringFileSource() override;

  // A slot belongs to one ring, which alone registers it: no slot is pinned (and charged to RLIMIT_MEMLOCK) more than
  // once. Neighbours in the list that go into the same slot, the parts of a page, stay together in its ring, and a
  // cache that fills takes slots in turn, so that the rings share the load. A read that has no such neighbour, an
  // extent alone, goes to the ring with the fewest reads: many of them go into one slot, and all in its ring would be
  // checked and answered by one thread. In a ring that is not the slot's they are read unregistered, which costs them
  // nothing.
  void Submit(VolumeRead* first) override;
  bool ReleaseSlot(SlotRelease& release) override;
  [[nodiscard]] uint32_t request_bytes() const override { return kFillPartBytes; }
  [[nodiscard]] uint32_t depth() const override { return kFileDepth; }
  [[nodiscard]] uint32_t alignment_bytes() const override { return file_.alignment_bytes(); }
  [[nodiscard]] std::string Describe() const override;

 private:
  UringFileSource(VolumeFile file, const Arena& arena, bool registered);
  [[nodiscard]] std::string DescribeBuffers() const;
  [[nodiscard]] size_t LeastLoadedRing() const;

  const VolumeFile file_;
  const uint32_t slots_;
  UringBuffers buffers_;
  std::vector<std::unique_ptr<UringRing>> rings_;  // last: their threads use all above
};

}  // namespace quire
