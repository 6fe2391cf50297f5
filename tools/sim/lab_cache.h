// SPDX-License-Identifier: Apache-2.0
// A cache without bytes: it is told of reads, and says which of them would have been hits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "cache/cache_options.h"
#include "cache/policy/cost_model.h"
#include "tools/sim/read_sequence.h"

namespace quire::lab {

// kFifo, kLru, kPin and kAuto are decided by the code of the mount: cache/policy/eviction_policy.h, slot for slot as
// cache/page/slot_supply.h asks it. kPlan is kAuto that was told all reads in advance, as by `.quire/plan`. The mount
// has no clock, and no exact optimum: those two are of the laboratory (textbook_caches.h).
enum class LabPolicy : uint8_t { kFifo, kLru, kClock, kPin, kBelady, kAuto, kPlan };

inline constexpr ChoiceNames<LabPolicy, 7> kLabPolicyNames = {{
    {"fifo", LabPolicy::kFifo},
    {"lru", LabPolicy::kLru},
    {"clock", LabPolicy::kClock},
    {"pin", LabPolicy::kPin},
    {"belady", LabPolicy::kBelady},
    {"auto", LabPolicy::kAuto},
    {"plan", LabPolicy::kPlan},
}};

struct Tally {
  uint64_t reads = 0;
  uint64_t hits = 0;
  uint64_t fills = 0;       // misses that brought the page in
  uint64_t bypasses = 0;    // misses that read their extent alone
  uint64_t prefetches = 0;  // pages that readahead brought in
  uint64_t volume_bytes = 0;

  [[nodiscard]] uint64_t misses() const { return fills + bypasses; }
  [[nodiscard]] uint64_t requests() const { return fills + bypasses + prefetches; }
  [[nodiscard]] double hit_ratio() const {
    return reads == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(reads);
  }
  // C = N*U + R, as cache/policy/cost_model.h has it: N bytes, U a byte, R a request.
  [[nodiscard]] double cost_ns(double ns_per_byte, double ns_per_request) const {
    return static_cast<double>(volume_bytes) * ns_per_byte + static_cast<double>(requests()) * ns_per_request;
  }
};

struct LabOptions {
  LabPolicy policy = LabPolicy::kAuto;
  uint32_t slots = 1;  // for pages
  // Of those that the mount's code decides. The others fill a page at each miss.
  AdmissionMode admission = AdmissionMode::kPage;
  uint32_t slabs = 0;        // slots beside these, for extents that are read alone
  bool readahead = false;    // as the mount has it
  bool readers_keep = true;  // a page that was read whole is of no more use
  CostModel costs = {};      // what admission reckons with
};

// Not thread-safe. The sequence must outlive it.
class LabCache {
 public:
  LabCache() = default;
  LabCache(const LabCache&) = delete;
  LabCache& operator=(const LabCache&) = delete;
  virtual ~LabCache() = default;

  // Read number `index` of the sequence. Whether it was a hit. REQUIRES: reads come in order, each once.
  virtual bool Read(size_t index) = 0;
  // What lies in a slot now.
  [[nodiscard]] virtual std::optional<uint32_t> PageIn(uint32_t slot) const = 0;
  [[nodiscard]] const Tally& tally() const { return tally_; }

 protected:
  Tally tally_;
};

// REQUIRES: 1 <= options.slots <= kMaxLabSlots.
std::unique_ptr<LabCache> MakeLabCache(const ReadSequence& sequence, const LabOptions& options);

inline constexpr uint32_t kMaxLabSlots = 1 << 24;  // 32 TiB of memory, and 1 GiB to try it

// All reads of the sequence, by a new cache.
Tally Replay(const ReadSequence& sequence, const LabOptions& options);

}  // namespace quire::lab
