// SPDX-License-Identifier: Apache-2.0
// Which of any number of keys are read most, in bounded memory: Metwally, Agrawal and El Abbadi's space-saving sketch.
// A key that has no place takes that of the key with the fewest reads, and is taken to have had as many before as that
// one: so what is left out is bounded, and a key with more than 1 / kKeys of all reads is always there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace quire {

struct ReadSum {
  uint64_t reads = 0;
  uint64_t files = 0;  // reads of a sample's first byte
  uint64_t bytes = 0;

  ReadSum& operator+=(const ReadSum& other) {
    reads += other.reads;
    files += other.files;
    bytes += other.bytes;
    return *this;
  }
  bool operator==(const ReadSum&) const = default;
};

struct BusyKey {
  uint64_t key = 0;
  ReadSum sum;                  // since the key has its place
  uint64_t missed_at_most = 0;  // reads that it may have had before
};

class BusiestKeys {
 public:
  // What a terminal of 200 lines shows, and more threads than any loader measured has.
  static constexpr size_t kKeys = 256;

  void Add(uint64_t key, const ReadSum& sum);

  // At most kKeys, those with the most reads first; what they may have had before counts too.
  [[nodiscard]] std::vector<BusyKey> List() const;

 private:
  std::vector<BusyKey> keys_;
  std::unordered_map<uint64_t, size_t> places_;
};

}  // namespace quire
