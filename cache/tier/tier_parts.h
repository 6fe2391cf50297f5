// SPDX-License-Identifier: Apache-2.0
// A volume of which a tier keeps what is read, as a row of parts with a map each: a pack has one for each layer, since
// what a layer has added never changes, whatever the pack grows by later. cache/DESIGN.md, The tier, says which pages
// are whose. Other volumes are one part.
// Thread-safe. Parts are added behind the others, with room for all from the start, so who looks for one takes no lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/tier/tier_volume.h"
#include "format/mutex.h"
#include "format/pack/superblock.h"
#include "format/result.h"

namespace quire {

class TierParts {
 public:
  // Without parts as yet. `peers`: as of TierVolume. `source`: as of TierKey.
  TierParts(std::shared_ptr<Tier> tier, std::shared_ptr<TierPeers> peers, std::string source)
      : tier_(std::move(tier)), peers_(std::move(peers)), source_(std::move(source)) {}
  TierParts(const TierParts&) = delete;
  TierParts& operator=(const TierParts&) = delete;

  // Opens those of `keys` that end behind the parts that are there, and keeps in them what KeepLater was given. An
  // error leaves those that were opened before it. One thread at a time. REQUIRES: each key ends behind the one before,
  // and there are kMaxLayers at most in all.
  Result<void> Take(std::span<const TierKey> keys) QUIRE_EXCLUDES(mutex_);
  // Units of one page, in which byte `offset` lies, of no part as yet: they are kept in memory until there is one, as
  // far as there is room for them. `from`: from the first unit's begin on.
  void KeepLater(uint64_t offset, AlignedBytes from, size_t bytes) QUIRE_EXCLUDES(mutex_);
  // Until the next Take it is not known whether what is read is of the pack that the parts are of.
  void Doubt() { is_in_doubt_ = true; }
  [[nodiscard]] bool is_in_doubt() const { return is_in_doubt_; }
  // It is.
  void Trust() { is_in_doubt_ = false; }
  // It is not: what KeepLater was given is not kept.
  void Forget() QUIRE_EXCLUDES(mutex_);

  // The part that keeps these bytes, which lie in one page and may go on to the end of its last unit; null where none
  // does. It stays the same one for the same bytes.
  [[nodiscard]] TierVolume* Find(uint64_t offset, uint64_t bytes) const;
  // Where the last part ends; 0 without parts.
  [[nodiscard]] uint64_t end_bytes() const;
  [[nodiscard]] uint64_t page_count() const { return CeilDiv(end_bytes(), kPageBytes); }

  // Of what the tier holds of the last part, whose map names those below it: "DIR/volumes/KEY". Empty without parts.
  [[nodiscard]] std::string folder() const { return parts().empty() ? "" : parts().back().volume->folder(); }
  [[nodiscard]] const std::string& source() const { return source_; }

  // As those of TierVolume, of all parts, and of those that are added later.
  void Follow(const std::shared_ptr<TierFuture>& future, uint16_t number);
  void Cancel();
  [[nodiscard]] std::string DescribePeers() const { return peers_ == nullptr ? std::string() : peers_->Describe(); }
  [[nodiscard]] uint64_t turn() const { return parts().empty() ? 0 : parts().front().volume->turn(); }
  void AddTo(TierFigures& figures) const;

 private:
  struct Early {
    uint64_t offset = 0;
    AlignedBytes bytes;
    size_t count = 0;
  };
  struct Part {
    uint64_t begin = 0;  // up to that of the next one
    std::shared_ptr<TierVolume> volume;
  };
  [[nodiscard]] std::span<const Part> parts() const {
    return std::span(parts_).first(count_.load(std::memory_order_acquire));
  }

  const std::shared_ptr<Tier> tier_;
  const std::shared_ptr<TierPeers> peers_;  // null: there are none
  const std::string source_;
  std::shared_ptr<TierFuture> future_;  // null: none is followed
  uint16_t number_ = 0;                 // in the future
  std::array<Part, kMaxLayers> parts_;
  std::atomic<size_t> count_ = 0;
  std::atomic<bool> is_in_doubt_ = false;
  Mutex mutex_;
  std::vector<Early> early_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
