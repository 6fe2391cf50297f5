// SPDX-License-Identifier: Apache-2.0
// What the supply of slots asks of the memory behind them: the arena of a mount (arena.h), or none at all where
// policies are tried on a trace and no bytes move.
#pragma once

#include <cstdint>

namespace quire {

class SlotMemory {
 public:
  SlotMemory() = default;
  SlotMemory(const SlotMemory&) = delete;
  SlotMemory& operator=(const SlotMemory&) = delete;
  virtual ~SlotMemory() = default;

  [[nodiscard]] virtual uint32_t slot_count() const = 0;
  // How many slots have memory now.
  [[nodiscard]] virtual uint32_t populated() const = 0;
  [[nodiscard]] virtual bool is_populated(uint32_t slot) const = 0;
  // Gives the slot's memory back. REQUIRES: nobody uses it.
  virtual void Release(uint32_t slot) = 0;
};

}  // namespace quire
