// SPDX-License-Identifier: Apache-2.0
#include "format/pack/dictionaries.h"

#include <utility>

namespace quire {

Result<const FrameDictionary*> Dictionaries::Get(uint8_t number) {
  if (number == 0) return nullptr;
  if (const FrameDictionary* const ready = ready_[number].load(std::memory_order_acquire)) return ready;
  const auto bytes = index_.GetDictionary(number);  // without the lock: it may wait for a disk
  if (!bytes) return std::unexpected(bytes.error());
  const MutexLock lock(mutex_);
  auto& owned = owned_[number];
  if (owned == nullptr) {
    auto made = FrameDictionary::Create(*bytes);
    if (!made) return Corrupt("dictionary {}: its bytes are no dictionary", number);
    owned = std::make_unique<FrameDictionary>(*std::move(made));
    ready_[number].store(owned.get(), std::memory_order_release);
  }
  return owned.get();
}

}  // namespace quire
