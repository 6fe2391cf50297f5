// SPDX-License-Identifier: Apache-2.0
// The bytes of a pack far away, of which a tier keeps what is read: its index, block by block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "cache/tier/tier_volume.h"
#include "format/pack/pack_bytes.h"
#include "format/result.h"

namespace quire {

class TieredBytes final : public PackBytes {
 public:
  TieredBytes(std::unique_ptr<PackBytes> origin, std::shared_ptr<TierVolume> volume)
      : origin_(std::move(origin)), volume_(std::move(volume)) {}

  [[nodiscard]] uint64_t size_bytes() const override { return origin_->size_bytes(); }
  Result<void> Read(uint64_t offset, std::span<std::byte> into) override;

  [[nodiscard]] PackBytes& origin() const { return *origin_; }
  [[nodiscard]] const std::shared_ptr<TierVolume>& volume() const { return volume_; }

 private:
  const std::unique_ptr<PackBytes> origin_;
  const std::shared_ptr<TierVolume> volume_;
};

// What `bytes`, which may be null, are read from in the end.
PackBytes* OriginOf(PackBytes* bytes);
const PackBytes* OriginOf(const PackBytes* bytes);

}  // namespace quire
