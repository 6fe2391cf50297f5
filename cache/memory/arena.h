// SPDX-License-Identifier: Apache-2.0
// The memory of the cache: addresses for slots of one page each, and memory behind those that are in use, huge pages
// where the machine gives them. A slot gets its memory before anyone uses it, by calls that return errors, so that no
// access to it ever raises SIGBUS, and gives it back when nobody needs it any more. It is left out of core dumps, and a
// child process does not get it: copy on write would part a slot from the buffer that the kernel reads into.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/cache_options.h"
#include "cache/memory/memory_limit.h"
#include "cache/memory/slot_memory.h"
#include "format/file.h"
#include "format/pack/geometry.h"
#include "format/result.h"

namespace quire {

inline constexpr uint32_t kMinSlots = 4;
// Populated by Create: what the first reads need.
inline constexpr uint32_t kFirstSlots = 2;
// Slots are numbered by 32 bits, and one value means none: 2^20 slots are 2 TiB, more than any machine's memory.
inline constexpr uint32_t kMaxSlots = 1 << 20;

// How many slots an arena should have. `asked_bytes` as given by the user, rounded down to whole slots: kInvalid
// below kMinSlots or above `limit` (the message names the limit's source and the remedy). Without: a tenth of `limit`,
// at most 1 GiB, at most `useful_bytes` rounded up (a small pack needs no more), and at least kMinSlots.
Result<uint32_t> ChooseSlotCount(std::optional<uint64_t> asked_bytes, uint64_t useful_bytes, const MemoryLimit& limit);

// Why it is so many, for people.
std::string DescribeSlotCount(uint32_t slots, std::optional<uint64_t> asked_bytes, uint64_t useful_bytes,
                              const MemoryLimit& limit);

class Arena final : public SlotMemory {
 public:
  // Maps addresses for `slots` slots, aligned to kPageBytes, and populates the first kFirstSlots. That kMinSlots of
  // them can be populated is tried.
  // HugePages::kHugetlb: a memfd of huge pages (memfd_create(2), MFD_HUGETLB | MFD_HUGE_2MB), which needs
  // vm.nr_hugepages for all slots; the error says so, and how many are free. kThp: anonymous memory with MADV_HUGEPAGE.
  // kOff: 4 KiB pages, MADV_NOHUGEPAGE. kAuto: the first of them that can be had. Errors: kSystem.
  // REQUIRES: 1 <= slots <= kMaxSlots.
  static Result<std::unique_ptr<Arena>> Create(uint32_t slots, HugePages wanted);
  ~Arena() override;

  [[nodiscard]] uint32_t slot_count() const override { return slot_count_; }
  // How many slots have memory now.
  [[nodiscard]] uint32_t populated() const override { return populated_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_populated(uint32_t slot) const override {
    return is_populated_[slot].load(std::memory_order_acquire);
  }

  // Gives the slot memory, zeroed, if it has none: 100 to 200 us. Error: kSystem where there is none to be had. Any
  // thread. REQUIRES: no other thread populates, releases or uses the slot meanwhile.
  Result<void> Populate(uint32_t slot);
  // Gives the slot's memory back to the machine. REQUIRES: as above.
  void Release(uint32_t slot) override;
  // Populates slots from the first on until all are or memory has run out. Returns how many from the first on are: for
  // those who use all of an arena at once. REQUIRES: nobody else uses the arena.
  uint32_t PopulateAll();

  // Where the slot's memory is, or will be.
  [[nodiscard]] std::byte* base_of(uint32_t slot) const { return base_ + slot * kPageBytes; }
  // REQUIRES: is_populated(slot).
  [[nodiscard]] std::span<std::byte, kPageBytes> slot(uint32_t slot) const {
    assert(is_populated(slot));
    return std::span<std::byte, kPageBytes>(base_ + slot * kPageBytes, kPageBytes);
  }

  // What was got: never kAuto.
  [[nodiscard]] HugePages huge() const { return huge_; }
  // Why it is not something better; may be empty.
  [[nodiscard]] const std::string& note() const { return note_; }
  // Bytes of the populated slots that lie on huge pages, as /proc/self/smaps tells (for THP the kernel decides).
  [[nodiscard]] uint64_t CountHugeBytes() const;
  // One line for the log: "1024 MiB (512 slots) of transparent huge pages; hugetlb: 0 of 512 pages free".
  [[nodiscard]] std::string Describe() const;

 private:
  // Takes over `mapping`, which holds the slots from its first multiple of kPageBytes on.
  Arena(uint32_t slots, HugePages kind, std::span<std::byte> mapping, File memfd, std::string note);

  static Result<std::unique_ptr<Arena>> CreateAs(uint32_t slots, HugePages kind, std::string note);
  void Discard(uint32_t slot) const;

  const uint32_t slot_count_;
  const HugePages huge_;
  const std::span<std::byte> mapping_;
  std::byte* const base_;
  const std::string note_;
  const File memfd_;                             // open for kHugetlb only
  std::vector<std::atomic<bool>> is_populated_;  // by slot
  std::atomic<uint32_t> populated_ = 0;
};

}  // namespace quire
