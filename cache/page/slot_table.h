// SPDX-License-Identifier: Apache-2.0
// Which page lies in which slot, and who uses it: all that a hit touches, without a lock, and the lists of slots that
// can be used again.
//
//     bare -> free -> closed -> open -> free      TakeFree, Enter, Open, Evict or Drop
//       ^       |        |
//       +-------+        +----> free              Release, Leave
//
// A slot is closed while its page is being read, and open while the page is whole. `pins` is a count and
// the bit kClosed. TryPin adds 1 and looks at what the count was: where the bit was clear and the page is the one that
// was wanted, the page stays until the 1 is taken back. Evict replaces a count of exactly 0 by kClosed. So a pin and an
// eviction never both win. A thread that pinned a closed slot in error takes the 1 back; a count that is above kClosed
// for a moment does no harm.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <optional>
#include <vector>

#include "format/locked_count.h"
#include "format/zeroed_array.h"

namespace quire {

class SlotTable {
 public:
  // Of `pages` pages. Page slots are numbered from `first_slot` to `end_slot`; they are taken at first, and the owner
  // releases each.
  // `readers_keep`: those who read keep the bytes, so that a page which was read whole is of no more use.
  SlotTable(uint64_t pages, uint32_t first_slot, uint32_t end_slot, bool readers_keep);

  // What is known of a page.
  enum class Presence : uint8_t {
    kAbsent,      // not in memory
    kHandedOn,    // not in memory, and its samples went on to a kernel that may still hold them
    kUnreadable,  // not in memory: the last fill could not read it
    kHeld,        // in a slot, open or closed
  };

  // --- Any thread, without a lock.

  // The slot of a page that is open, pinned. Pages that do not exist are not open.
  std::optional<uint32_t> TryPin(uint64_t page);
  // For a slot that cannot be evicted meanwhile: because it is closed and the owner's lock is held, or pinned already.
  void PinMore(uint32_t slot) { slots_[slot].pins.fetch_add(1, std::memory_order_relaxed); }
  void Unpin(uint32_t slot) { slots_[slot].pins.fetch_sub(1, std::memory_order_release); }

  // A reader uses `bytes` of the page. A page of which nearly all was used is consumed.
  void Use(uint32_t slot, uint64_t now, uint32_t bytes);
  // The page is of no more use: whoever read it keeps what it needs. REQUIRES: the slot is pinned or closed.
  void MarkConsumed(uint32_t slot);
  // The page's samples went on to the kernel, but for those that are being read, which it has once readers have used
  // `bytes_to_use` of the page in all: consumed then, and remembered when it is evicted. REQUIRES: as above.
  void MarkHandedOn(uint32_t slot, uint32_t bytes_to_use);
  // What the kernel was given is no longer there: pages that were handed on are merely absent from now on.
  void ForgetHandedOn() { generation_.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] bool is_consumed(uint32_t slot) const {
    return slots_[slot].is_consumed.load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t page_of(uint32_t slot) const { return slots_[slot].page.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t used_at(uint32_t slot) const { return slots_[slot].used_at.load(std::memory_order_relaxed); }
  // Whether the page was read ahead and nobody has used it yet; TakeUnused ends that, for one caller.
  [[nodiscard]] bool is_unused(uint32_t slot) const { return slots_[slot].is_unused.load(std::memory_order_relaxed); }
  bool TakeUnused(uint32_t slot) {
    return is_unused(slot) && slots_[slot].is_unused.exchange(false, std::memory_order_relaxed);
  }
  [[nodiscard]] Presence presence(uint64_t page) const;
  // Calls visit(page, is_handed_on) for the page of each open slot, slot by slot; one that comes or goes meanwhile may
  // be missed. `is_handed_on`: its samples went on to the kernel.
  template <typename Visit>
  void VisitOpen(const Visit& visit) const {
    for (uint32_t number = first_slot_; number < slots_.size(); ++number) {
      const Slot& slot = slots_[number];
      if ((slot.pins.load(std::memory_order_acquire) & kClosed) != 0) continue;
      const uint64_t page = slot.page.load(std::memory_order_relaxed);
      // The slot may have got another page since: that is still being read.
      if (page >= page_count_ || slot_of_page_[page].load(std::memory_order_acquire) != number + 1) continue;
      visit(page, slot.is_handed_on.load(std::memory_order_relaxed));
    }
  }

  // --- With the lock of the owner held.

  // REQUIRES: presence(page) is kHeld.
  [[nodiscard]] uint32_t slot_of(uint64_t page) const {
    assert(presence(page) == Presence::kHeld);
    return slot_of_page_[page].load(std::memory_order_relaxed) - 1;
  }
  [[nodiscard]] bool is_open(uint32_t slot) const {
    return (slots_[slot].pins.load(std::memory_order_acquire) & kClosed) == 0;
  }
  // Whether the slot is open and nobody pins it, at this moment.
  [[nodiscard]] bool is_unpinned(uint32_t slot) const { return slots_[slot].pins.load(std::memory_order_acquire) == 0; }
  // When the page of an open slot became whole, in misses.
  [[nodiscard]] uint64_t filled_at(uint32_t slot) const { return slots_[slot].filled_at; }
  [[nodiscard]] uint32_t open_count() const {
    return static_cast<uint32_t>(open_count_.get());
  }  // without the lock too
  // Whether nobody pins a slot that is closed.
  [[nodiscard]] bool is_abandoned(uint32_t slot) const {
    return slots_[slot].pins.load(std::memory_order_acquire) == kClosed;
  }

  // `page`, of `bytes` bytes, begins to be read into the slot. REQUIRES: the slot is taken, the page not held.
  void Enter(uint32_t slot, uint64_t page, uint32_t bytes, uint64_t now, bool is_unused);
  // The page is whole.
  void Open(uint32_t slot, uint64_t now);
  // The page could not be had: it is `then` from now on. The slot stays taken.
  void Leave(uint32_t slot, Presence then);
  // Takes the page out of an open slot that nobody pins, which is taken then; false where somebody does.
  bool Evict(uint32_t slot);
  // Takes the page out of an open slot, whoever pins it: it is absent for all who come. The slot is taken then, and
  // closed; the pins that are there hold until they are let go of.
  void Drop(uint32_t slot);
  // An absent page may be tried as any other again.
  void SetAbsent(uint64_t page) { slot_of_page_[page].store(kAbsentWord, std::memory_order_relaxed); }

  // A slot to be used again, whose memory is there; nothing where there is none.
  std::optional<uint32_t> TakeFree();
  // A slot without memory.
  std::optional<uint32_t> TakeBare();
  // REQUIRES: taken, and nobody pins it.
  void Release(uint32_t slot) { free_.push_back(slot); }
  void ReleaseBare(uint32_t slot) { bare_.push_back(slot); }
  // Takes the slot of a consumed page that nobody pins, which is evicted; nothing where there is none.
  std::optional<uint32_t> TakeConsumed();
  // How many there are, of which some may be pinned for a while, or hold another page by now.
  size_t CountConsumed();

  [[nodiscard]] size_t free_count() const { return free_.size(); }
  [[nodiscard]] uint32_t first_slot() const { return first_slot_; }

 private:
  static constexpr uint32_t kClosed = uint32_t{1} << 31;  // in Slot::pins
  static constexpr uint64_t kNoPage = ~uint64_t{0};
  static constexpr uint32_t kNone = ~uint32_t{0};
  // What slot_of_page_ holds beside a slot's number + 1.
  static constexpr uint32_t kAbsentWord = 0;
  static constexpr uint32_t kUnreadableWord = ~uint32_t{0};
  // And from here on, below those: handed on in the generation of that number, modulo kGenerations.
  static constexpr uint32_t kGenerations = 256;
  static constexpr uint32_t kHandedOnWords = kUnreadableWord - kGenerations;

  struct alignas(64) Slot {  // one cache line
    std::atomic<uint32_t> pins = kClosed;
    std::atomic<uint32_t> served_bytes = 0;
    std::atomic<uint32_t> consumed_bytes = 0;  // served_bytes at which the page is consumed
    std::atomic<bool> is_unused = false;
    std::atomic<bool> is_consumed = false;
    std::atomic<bool> is_handed_on = false;
    std::atomic<bool> is_listed = false;  // in the stack or the list of consumed slots
    std::atomic<uint64_t> page = kNoPage;
    std::atomic<uint64_t> used_at = 0;
    uint64_t filled_at = 0;
    std::atomic<uint32_t> next_consumed = kNone;
  };

  void List(uint32_t slot);
  void TakeListed();
  [[nodiscard]] uint32_t HandedOnWord() const {
    return kHandedOnWords + generation_.load(std::memory_order_relaxed) % kGenerations;
  }

  const uint64_t page_count_;
  const uint32_t first_slot_;
  const bool readers_keep_;
  ZeroedArray<std::atomic<uint32_t>> slot_of_page_;
  std::vector<Slot> slots_;
  std::atomic<uint32_t> generation_ = 0;
  std::atomic<uint32_t> newly_consumed_ = kNone;  // a stack: pushed by any thread, taken whole by the owner

  // The owner's lock guards these. They have room for all slots from the start.
  std::vector<uint32_t> free_;
  std::vector<uint32_t> bare_;
  std::vector<uint32_t> consumed_;  // a ring, oldest first
  size_t consumed_first_ = 0;
  size_t consumed_count_ = 0;
  LockedCount open_count_;
};

}  // namespace quire
