// SPDX-License-Identifier: Apache-2.0
// The bytes of a pack far away, of which a tier keeps what is read: its index, block by block.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "cache/tier/tier_parts.h"
#include "cache/volume/read_threads.h"
#include "format/pack/pack_bytes.h"
#include "format/result.h"

namespace quire {

class TieredBytes final : public PackBytes {
 public:
  // An error where no thread can be started. What is read before it is known whose part it is comes from the origin.
  static Result<std::unique_ptr<TieredBytes>> Create(std::unique_ptr<PackBytes> origin,
                                                     std::shared_ptr<TierParts> parts);
  ~TieredBytes() override;

  [[nodiscard]] uint64_t size_bytes() const override { return origin_->size_bytes(); }
  Result<void> Read(uint64_t offset, std::span<std::byte> into) override;
  // By threads that wait for the origin, since what comes is to be kept.
  std::shared_ptr<PendingRead> StartRead(uint64_t offset, uint64_t bytes) override;
  [[nodiscard]] std::thread::id reader() const override { return origin_->reader(); }
  void Distrust(uint64_t offset, uint64_t bytes) override;
  void Follow(const std::function<void()>& changed) override { origin_->Follow(changed); }
  Result<bool> Renew(size_t most_head_bytes, std::vector<std::byte>& head) override;
  void Refuse() override;

  [[nodiscard]] PackBytes& origin() const { return *origin_; }
  [[nodiscard]] const std::shared_ptr<TierParts>& parts() const { return parts_; }

 private:
  TieredBytes(std::unique_ptr<PackBytes> origin, std::shared_ptr<TierParts> parts)
      : origin_(std::move(origin)), parts_(std::move(parts)) {}
  void BringPending(VolumeRead& read);
  bool ReadFromPeers(TierVolume& part, uint64_t offset, std::byte* into, size_t bytes);

  const std::unique_ptr<PackBytes> origin_;
  const std::shared_ptr<TierParts> parts_;
  std::atomic<bool> is_ending_ = false;
  ReadThreads threads_{[this](VolumeRead& read) { BringPending(read); }};  // last: they use all above
};

// What `bytes`, which may be null, are read from in the end.
PackBytes* OriginOf(PackBytes* bytes);
const PackBytes* OriginOf(const PackBytes* bytes);

}  // namespace quire
