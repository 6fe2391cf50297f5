// SPDX-License-Identifier: Apache-2.0
// Where the time of a read went that was not answered from memory at once. All by steady_clock.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace quire {

enum class ReadStage : uint8_t {
  kQueue,   // nothing was asked for yet: no memory was free, or other reads came first
  kVolume,  // the disk or the network
  kTier,    // the tier gave it
  kPeers,   // a neighbour's tier gave it
  kDecode,  // inflating, and reading what is inflated
  kCheck,   // comparing sums
  kReply,   // handing the bytes to the kernel
  kCount
};
inline constexpr size_t kReadStages = static_cast<size_t>(ReadStage::kCount);

// Of a sample's several pieces, one after the other, the sums.
class ReadTimes {
 public:
  void Add(ReadStage stage, uint64_t ns) { ns_[static_cast<size_t>(stage)] += ns; }
  void Add(const ReadTimes& other) {
    for (size_t i = 0; i < kReadStages; ++i) ns_[i] += other.ns_[i];
  }
  [[nodiscard]] uint64_t operator[](ReadStage stage) const { return ns_[static_cast<size_t>(stage)]; }
  // Who brought the bytes: kVolume, kTier or kPeers, the one that was waited for longest; nothing where none was.
  [[nodiscard]] std::optional<ReadStage> bringer() const {
    std::optional<ReadStage> longest;
    for (const ReadStage stage : {ReadStage::kVolume, ReadStage::kTier, ReadStage::kPeers})
      if ((*this)[stage] > (longest ? (*this)[*longest] : 0)) longest = stage;
    return longest;
  }

 private:
  std::array<uint64_t, kReadStages> ns_ = {};
};

// When a request of a volume was sent and came back, and what was in between.
struct RequestTimes {
  uint64_t sent_ns = 0;
  uint64_t came_ns = 0;
  uint64_t decode_ns = 0;
  ReadStage brought_by = ReadStage::kVolume;
};

// To a read that began to wait at `asked_ns` its share of the request that brought its bytes: a read that joined a
// request under way did not wait for all of it.
inline void AddRequest(ReadTimes& times, uint64_t asked_ns, const RequestTimes& request) {
  const uint64_t sent_ns = request.sent_ns > asked_ns ? request.sent_ns : asked_ns;
  if (sent_ns > request.came_ns) return;  // it joined when all was there
  times.Add(ReadStage::kQueue, sent_ns - asked_ns);
  const uint64_t waited_ns = request.came_ns - sent_ns;
  const uint64_t decode_ns = request.decode_ns < waited_ns ? request.decode_ns : waited_ns;
  times.Add(ReadStage::kDecode, decode_ns);
  times.Add(request.brought_by, waited_ns - decode_ns);
}

}  // namespace quire
