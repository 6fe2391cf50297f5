// SPDX-License-Identifier: Apache-2.0
// Volumes that are far away, through a tier: what is there is read from there, all else from the origin.
//
// A page that is to be read as a whole is claimed first, so that of all daemons of the node one fetches it, and the
// others wait for it a little. It is kept when it is whole, by tier_keeper.h.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/background_thread.h"
#include "cache/page/unit_set.h"
#include "cache/tier/tier_parts.h"
#include "cache/volume/read_threads.h"
#include "cache/volume/volume_source.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

// By volume; null where nothing is kept of it.
using TierVolumes = std::vector<std::shared_ptr<TierParts>>;
// Which part keeps bytes that lie in one page of a volume; null where none does.
inline TierVolume* FindKeeper(const TierVolumes& volumes, uint16_t volume, uint64_t offset, uint64_t bytes = 1) {
  return volume >= volumes.size() || volumes[volume] == nullptr ? nullptr : volumes[volume]->Find(offset, bytes);
}

class TierSource final : public VolumeSource {
 public:
  // `nice`: of the threads, below 0 where this process may.
  static Result<std::unique_ptr<TierSource>> Create(std::unique_ptr<VolumeSource> origin, TierVolumes volumes,
                                                    int nice);

  void Submit(VolumeRead* first) override;
  void Cancel() override;
  // Whole units: what is read is what is kept and compared with sums. Memory for reads is aligned to no more than 4096.
  [[nodiscard]] uint32_t alignment_bytes() const override { return UnitSet::kUnitBytes; }
  [[nodiscard]] uint32_t request_bytes() const override { return origin_->request_bytes(); }
  [[nodiscard]] uint32_t depth() const override { return origin_->depth(); }
  // What is in the tier comes from a disk.
  [[nodiscard]] uint32_t background_depth() const override {
    return origin_reads() > 0 ? origin_->background_depth() : 0;
  }
  [[nodiscard]] std::string Describe() const override;

  [[nodiscard]] const TierVolumes& volumes() const { return volumes_; }
  // Reads for those who wait above that are under way at the origin.
  [[nodiscard]] uint64_t origin_reads() const { return origin_reads_.load(std::memory_order_relaxed); }
  // Brings what is missing of a page to the tier if there is room that nothing has to leave. Blocks. `buffer`: a page,
  // aligned for direct reads. Any thread but the source's.
  TierVolume::Fetched FetchPage(uint16_t volume, uint64_t page, std::byte* buffer);

 private:
  TierSource(std::unique_ptr<VolumeSource> origin, TierVolumes volumes);

  void Serve(VolumeRead& read);
  // Whether the read is to wait for the process, of this node or of a neighbour, that fetches its page.
  bool Waits(VolumeRead& read, TierVolume& volume, bool is_for_peer);
  [[nodiscard]] std::chrono::nanoseconds LongestWait() const;
  void ReadFromOrigin(VolumeRead& read);
  static void OriginDone(VolumeRead& read, int64_t result);
  void LookAgain(const std::stop_token& stop);

  const std::unique_ptr<VolumeSource> origin_;
  const TierVolumes volumes_;
  std::atomic<bool> is_cancelled_ = false;
  std::atomic<uint64_t> origin_reads_ = 0;
  std::atomic<uint64_t> origin_read_ns_ = 0;  // how long one takes, of late
  Mutex mutex_;
  ReadQueue waiting_ QUIRE_GUARDED_BY(mutex_);
  // Last: they use all above.
  ReadThreads threads_{[this](VolumeRead& read) { Serve(read); }};
  BackgroundThread looking_again_;
};

}  // namespace quire
