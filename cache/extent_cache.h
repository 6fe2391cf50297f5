// An LRU of verified extents with single flight: one read of an extent whatever the number of threads that want it.
// cache/DESIGN.md says what will take its place.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>

#include "format/pack.h"
#include "format/result.h"

namespace quire {

class ExtentCache {
 public:
  struct Bytes {
    std::unique_ptr<std::byte[]> data;
    size_t size = 0;
    [[nodiscard]] std::span<const std::byte> span() const { return {data.get(), size}; }
  };
  using Pin = std::shared_ptr<const Bytes>;

  ExtentCache(const Pack& pack, size_t capacity_bytes) : pack_(pack), capacity_bytes_(capacity_bytes) {}

  // The whole extent, read and checked against its sum at first use. Any thread; blocks in I/O, no lock held meanwhile.
  // An error is not cached: the next caller reads again.
  Result<Pin> Get(ExtentNumber number);

 private:
  struct Entry;

  Result<Pin> Fill(ExtentNumber number) const;
  // Drops the least recent extents until the rest fits. REQUIRES: mutex_ is held.
  void Evict();

  const Pack& pack_;
  const size_t capacity_bytes_;
  std::mutex mutex_;  // guards all below; never held across I/O
  std::condition_variable filled_;
  std::unordered_map<ExtentNumber, std::shared_ptr<Entry>> entries_;
  std::list<ExtentNumber> recency_;  // of filled entries, most recent first
  size_t resident_bytes_ = 0;
};

}  // namespace quire
