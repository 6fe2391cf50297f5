#include "cache/extent_cache.h"

#include <cerrno>
#include <new>
#include <optional>
#include <utility>

namespace quire {

// Absent -> filling -> filled -> absent (evicted), or filling -> absent where the fill failed. Those who wait for an
// entry hold it themselves, so a failed one still tells them its error after it has left the map.
struct ExtentCache::Entry {
  Pin bytes;                                  // set: filled
  std::optional<Error> error;                 // set: failed; neither: filling
  std::list<ExtentNumber>::iterator recency;  // valid when filled
  [[nodiscard]] bool is_filling() const { return bytes == nullptr && !error; }
};

Result<ExtentCache::Pin> ExtentCache::Get(ExtentNumber number) {
  std::unique_lock lock(mutex_);
  if (const auto found = entries_.find(number); found != entries_.end()) {
    const std::shared_ptr<Entry> entry = found->second;
    if (entry->bytes != nullptr) {
      recency_.splice(recency_.begin(), recency_, entry->recency);
      return entry->bytes;
    }
    filled_.wait(lock, [&] { return !entry->is_filling(); });
    if (entry->error) return std::unexpected(*entry->error);
    return entry->bytes;
  }
  const auto entry = std::make_shared<Entry>();
  entries_.emplace(number, entry);

  lock.unlock();
  auto filled = Fill(number);
  lock.lock();

  if (filled) {
    entry->bytes = *filled;
    entry->recency = recency_.insert(recency_.begin(), number);
    resident_bytes_ += entry->bytes->size;
    Evict();
  } else {
    entry->error = filled.error();
    entries_.erase(number);
  }
  filled_.notify_all();
  return filled;
}

// An exception would leave those who wait for the entry waiting for good: no memory is an error of this read.
Result<ExtentCache::Pin> ExtentCache::Fill(ExtentNumber number) const try {
  auto extent = pack_.index().GetExtent(number);
  if (!extent) return Propagate(std::move(extent));
  auto data = std::make_unique_for_overwrite<std::byte[]>(extent->length_bytes);
  if (auto read = pack_.ReadExtent(*extent, {data.get(), extent->length_bytes}); !read)
    return Propagate(std::move(read));
  return std::make_shared<const Bytes>(std::move(data), extent->length_bytes);
} catch (const std::bad_alloc&) {
  return SystemError(ENOMEM, "extent {}", number);
}

void ExtentCache::Evict() {
  while (resident_bytes_ > capacity_bytes_ && !recency_.empty()) {
    const auto oldest = entries_.find(recency_.back());
    resident_bytes_ -= oldest->second->bytes->size;
    entries_.erase(oldest);
    recency_.pop_back();
  }
}

}  // namespace quire
