// The memory of the cache: slots of one page each, huge pages where the machine gives them. All of it is populated
// before anyone uses it, with checks, so that no access to it ever raises SIGBUS; the first slots at once, the others
// in the background, so that a mount does not wait while a gigabyte is zeroed. It is left out of core dumps, and a
// child process does not get it: copy on write would part a slot from the buffer that io_uring has registered.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "cache/cache_options.h"
#include "cache/memory/memory_limit.h"
#include "format/file.h"
#include "format/geometry.h"
#include "format/result.h"

namespace quire {

inline constexpr uint32_t kMinSlots = 4;
// Populated by Create; the rest follows in the background.
inline constexpr uint32_t kFirstSlots = 8;
// Slots are numbered by 32 bits, and one value means none: 2^20 slots are 2 TiB, more than any machine's memory.
inline constexpr uint32_t kMaxSlots = 1 << 20;

// How many slots an arena should have. `asked_bytes` as given by the user, rounded down to whole slots: kInvalid
// below kMinSlots or above `limit` (the message names the limit's source and the remedy). Without: a tenth of `limit`,
// at most 1 GiB, at most `useful_bytes` rounded up (a small pack needs no more), and at least kMinSlots.
Result<uint32_t> ChooseSlotCount(std::optional<uint64_t> asked_bytes, uint64_t useful_bytes, const MemoryLimit& limit);

class Arena {
 public:
  // Maps memory for `slots` slots, aligned to kPageBytes, populates the first and starts populating the others.
  // HugePages::kHugetlb: a memfd of huge pages (memfd_create(2), MFD_HUGETLB | MFD_HUGE_2MB), which needs
  // vm.nr_hugepages; the error says so, and how many are free. kThp: anonymous memory with MADV_HUGEPAGE. kOff: 4 KiB
  // pages, MADV_NOHUGEPAGE. kAuto: the first of them that can be had. Errors: kSystem. The thread that it starts blocks
  // all signals. REQUIRES: 1 <= slots <= kMaxSlots.
  static Result<std::unique_ptr<Arena>> Create(uint32_t slots, HugePages wanted);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // What was asked for; populated() says how many are there by now.
  [[nodiscard]] uint32_t slot_count() const { return slot_count_; }
  // Slots [0, populated()) may be used. Only grows; ends below slot_count() where memory ran out, which is logged once.
  [[nodiscard]] uint32_t populated() const { return populated_.load(std::memory_order_acquire); }
  // Whether populated() has reached its final value.
  [[nodiscard]] bool is_settled() const { return settled_.try_wait(); }
  // Blocks until no further slot will be populated: for tests and benchmarks.
  void WaitPopulated() const;

  // REQUIRES: slot < populated().
  [[nodiscard]] std::span<std::byte, kPageBytes> slot(uint32_t slot) const {
    return std::span<std::byte, kPageBytes>(base_ + slot * kPageBytes, kPageBytes);
  }

  // What was got: never kAuto.
  [[nodiscard]] HugePages huge() const { return huge_; }
  // Bytes of the populated slots that lie on huge pages, as /proc/self/smaps tells (for THP the kernel decides).
  [[nodiscard]] uint64_t CountHugeBytes() const;
  // One line for the log: "1024 MiB (512 slots) of transparent huge pages; hugetlb: 0 of 512 pages free".
  [[nodiscard]] std::string Describe() const;

 private:
  // Takes over `mapping`, which holds the slots from its first multiple of kPageBytes on.
  Arena(uint32_t slots, HugePages kind, std::span<std::byte> mapping, File memfd, std::string note);

  static Result<std::unique_ptr<Arena>> CreateAs(uint32_t slots, HugePages kind, std::string note);
  Result<void> Populate(uint32_t slot) const;
  Result<void> StartPopulator();
  void PopulateOthers(const std::stop_token& stop);

  const uint32_t slot_count_;
  const HugePages huge_;
  const std::span<std::byte> mapping_;
  std::byte* const base_;
  const std::string note_;  // why not something better; may be empty
  const File memfd_;        // open for kHugetlb only
  std::atomic<uint32_t> populated_ = 0;
  std::latch settled_{1};  // opens when `populated_` has grown for the last time
  std::jthread populator_;
};

}  // namespace quire
