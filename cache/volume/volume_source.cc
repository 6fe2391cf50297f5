// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/volume_source.h"

#include <algorithm>
#include <span>
#include <vector>

#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {
namespace {

// A page that is being read, and the thread that waits for it.
struct PageRead {
  struct Part : VolumeRead {
    PageRead* page = nullptr;
    int64_t result = 0;
  };

  std::vector<Part> parts;
  Mutex mutex;
  ConditionVariable finished;
  size_t left QUIRE_GUARDED_BY(mutex) = 0;  // parts under way

  static void PartDone(VolumeRead& read, int64_t result) {
    auto& part = static_cast<Part&>(read);
    PageRead& page = *part.page;
    part.result = result;
    // Told under the lock: the waiter, and with it the page, may be gone as soon as it is free.
    const MutexLock lock(page.mutex);
    if (--page.left == 0) page.finished.notify_one();
  }
};

}  // namespace

Result<uint32_t> ReadIntoSlot(VolumeSource& source, const Arena& arena, uint32_t slot, uint16_t volume, uint64_t offset,
                              uint32_t bytes, ReadHow how) {
  return ReadAndWait(source, arena.slot(slot).first(bytes).data(), volume, offset, bytes, how);
}

Result<uint32_t> ReadAndWait(VolumeSource& source, std::byte* into, uint16_t volume, uint64_t offset, uint32_t bytes,
                             ReadHow how) {
  const uint32_t part_bytes = source.request_bytes();
  PageRead page;
  // Cut where the source's own pieces are: of what is decoded, a request that ends within one decodes it for nothing.
  const auto before_bytes = static_cast<uint32_t>(offset % part_bytes);
  page.parts = std::vector<PageRead::Part>(CeilDiv(before_bytes + bytes, part_bytes));
  uint32_t at = 0;
  for (size_t number = 0; number < page.parts.size(); ++number) {
    PageRead::Part& part = page.parts[number];
    part.volume = volume;
    part.offset = offset + at;
    part.into = into + at;
    part.bytes = std::min(part_bytes - static_cast<uint32_t>((offset + at) % part_bytes), bytes - at);
    part.is_urgent = how.is_urgent;
    part.is_fresh = how.is_fresh;
    part.done = PageRead::PartDone;
    part.page = &page;
    if (number > 0) page.parts[number - 1].next = &part;
    at += part.bytes;
  }
  {
    const MutexLock lock(page.mutex);
    page.left = page.parts.size();
  }
  source.Submit(page.parts.data());
  {
    MutexLock lock(page.mutex);
    page.finished.wait(lock, [&]() QUIRE_REQUIRES(page.mutex) { return page.left == 0; });
  }
  uint32_t got = 0;
  for (const PageRead::Part& part : page.parts) {
    if (part.result < 0) return SystemError(static_cast<int>(-part.result), "read of {} bytes at {}", bytes, offset);
    got += static_cast<uint32_t>(part.result);
    if (part.result < part.bytes) break;
  }
  return got;
}

}  // namespace quire
