// SPDX-License-Identifier: Apache-2.0
#include "format/pack/dictionaries.h"

#include <cassert>
#include <utility>

#include "format/checksum.h"
#include "format/pack/records.h"

namespace quire {

Result<std::span<const std::byte>> ReadDictionary(const Index& index, uint64_t number) {
  assert(number > 0);
  const auto record = index.layers().GetRecord(Section::kDictionaries, number, "dictionary");
  if (!record) return record;
  const Dictionary dictionary = DecodeDictionary(*record);
  if (dictionary.bytes == 0 || dictionary.bytes > kMaxDictionaryBytes)
    return Corrupt("dictionary {}: {} bytes", number, dictionary.bytes);
  auto bytes = index.layers().GetHeap(Section::kDictionaryBytes, dictionary.offset, dictionary.bytes, "dictionary");
  if (bytes && Xxh3(*bytes) != dictionary.sum) return Corrupt("dictionary {}: checksum mismatch", number);
  return bytes;
}

Result<const FrameDictionary*> Dictionaries::Get(uint8_t number) {
  if (number == 0) return nullptr;
  if (const FrameDictionary* const ready = ready_[number].load(std::memory_order_acquire)) return ready;
  const auto bytes = ReadDictionary(index_, number);  // without the lock: it may wait for a disk
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
