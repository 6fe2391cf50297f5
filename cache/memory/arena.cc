// SPDX-License-Identifier: Apache-2.0
#include "cache/memory/arena.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

namespace quire {
namespace {

constexpr uint64_t kMaxDefaultBytes = 1 << 30;
constexpr uint64_t kDefaultShare = 10;  // of the memory that the process may use

// As a user writes it: 8G, 512M, or the plain number.
std::string OptionValue(uint64_t bytes) {
  constexpr std::array<std::pair<int, char>, 4> kSuffixes = {{{40, 'T'}, {30, 'G'}, {20, 'M'}, {10, 'K'}}};
  for (const auto& [bits, suffix] : kSuffixes) {
    if (bytes != 0 && std::countr_zero(bytes) >= bits) return fmt::format("{}{}", bytes >> bits, suffix);
  }
  return fmt::format("{}", bytes);
}

// At a page's size nobody needs smaller units.
std::string Rounded(uint64_t bytes) {
  constexpr double kMiB = 1 << 20;
  constexpr double kGiB = 1 << 30;
  const auto value = static_cast<double>(bytes);
  return value < kGiB ? fmt::format("{:.1f} MiB", value / kMiB) : fmt::format("{:.1f} GiB", value / kGiB);
}

// Pages of 2 MiB that the pool has and has promised to nobody.
uint64_t FreeHugetlbPages() {
  uint64_t free = 0;
  uint64_t reserved = 0;
  std::ifstream("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") >> free;
  std::ifstream("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages") >> reserved;
  return free - std::min(free, reserved);
}

// The chosen one of "always [madvise] never"; empty where there is no such file.
std::string ReadChoice(const std::string& path) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word.starts_with('[') && word.ends_with(']')) return word.substr(1, word.size() - 2);
  }
  return "";
}

bool HasTransparentHugePages() {
  const std::string folder = "/sys/kernel/mm/transparent_hugepage/";
  // Since Linux 6.8 each size has a switch of its own, which may leave the choice to the common one.
  std::string choice = ReadChoice(folder + "hugepages-2048kB/enabled");
  if (choice.empty() || choice == "inherit") choice = ReadChoice(folder + "enabled");
  return !choice.empty() && choice != "never";
}

std::string_view NameOfMemory(HugePages kind) {
  if (kind == HugePages::kHugetlb) return "huge pages (hugetlb)";
  return kind == HugePages::kThp ? "transparent huge pages" : "4 KiB pages";
}

// The addresses of "7f0000000000-7f0000200000 rw-p ...", the line that begins a mapping in smaps.
std::optional<std::pair<uintptr_t, uintptr_t>> ParseMapping(std::string_view line) {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  const auto [dash, begin_error] = std::from_chars(line.begin(), line.end(), begin, 16);
  if (begin_error != std::errc() || dash == line.end() || *dash != '-') return std::nullopt;
  if (std::from_chars(dash + 1, line.end(), end, 16).ec != std::errc()) return std::nullopt;
  return std::pair(begin, end);
}

std::byte* AlignUp(std::byte* at) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  return at + ((kPageBytes - address % kPageBytes) % kPageBytes);
}

Result<std::span<std::byte>> MapHugetlb(uint32_t slots, const File& memfd) {
  const uint64_t bytes = slots * kPageBytes;
  rlimit file_limit = {};
  if (getrlimit(RLIMIT_FSIZE, &file_limit) == 0 && bytes > file_limit.rlim_cur)  // ftruncate would raise SIGXFSZ
    return SystemError(EFBIG, "hugetlb: {} are more than RLIMIT_FSIZE (ulimit -f)", Rounded(bytes));
  // Nothing is reserved, so that other mounts may use what this one does not. Populate takes each page by a call that
  // fails where the pool is empty by then.
  const uint64_t free_pages = FreeHugetlbPages();
  errno = ENOMEM;
  void* mapped = MAP_FAILED;
  if (free_pages >= slots && memfd.is_open() && ftruncate(memfd.fd(), static_cast<off_t>(bytes)) == 0)
    mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memfd.fd(), 0);
  if (mapped == MAP_FAILED)
    return SystemError(errno, "hugetlb: {} of {} pages of 2 MiB are free, raise vm.nr_hugepages", free_pages, slots);
  return std::span(static_cast<std::byte*>(mapped), bytes);
}

// The kernel aligns to small pages only, so this reserves a page more than the slots. Of that some always stays behind
// them, without access: it catches who runs past the end, and keeps the kernel from merging two arenas to one mapping.
Result<std::span<std::byte>> MapAnonymous(uint32_t slots, HugePages kind) {
  const uint64_t bytes = slots * kPageBytes;
  void* const reserved =
      mmap(nullptr, bytes + kPageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return SystemError(errno, "arena: no addresses for {}", Rounded(bytes));
  const std::span<std::byte> mapping(static_cast<std::byte*>(reserved), bytes + kPageBytes);
  std::byte* const begin = AlignUp(mapping.data());
  if (mprotect(begin, bytes, PROT_READ | PROT_WRITE) != 0) {
    const int error = errno;
    munmap(reserved, mapping.size());
    return SystemError(error, "arena: no memory for {}", Rounded(bytes));
  }
  // Refused by kernels without transparent huge pages, where both choices are the same.
  madvise(begin, bytes, kind == HugePages::kThp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return mapping;
}

}  // namespace

Result<uint32_t> ChooseSlotCount(std::optional<uint64_t> asked_bytes, uint64_t useful_bytes, const MemoryLimit& limit) {
  if (!asked_bytes) {
    const uint64_t bytes = std::min(limit.bytes / kDefaultShare, kMaxDefaultBytes);
    const uint64_t useful_slots = useful_bytes / kPageBytes + (useful_bytes % kPageBytes != 0 ? 1 : 0);
    return static_cast<uint32_t>(std::max<uint64_t>(kMinSlots, std::min(bytes / kPageBytes, useful_slots)));
  }
  const std::string option = fmt::format("option 'cache_size={}'", OptionValue(*asked_bytes));
  const uint64_t slots = *asked_bytes / kPageBytes;
  if (slots < kMinSlots) return Invalid("{}: less than {} pages of 2 MiB; give at least 8M", option, kMinSlots);
  if (slots * kPageBytes > limit.bytes)
    return Invalid("{}: more than the {} that this process may use ({}); give less", option, Rounded(limit.bytes),
                   limit.source);
  if (slots > kMaxSlots) return Invalid("{}: more than 2T; give less", option);
  return static_cast<uint32_t>(slots);
}

std::string DescribeSlotCount(uint32_t slots, std::optional<uint64_t> asked_bytes, uint64_t useful_bytes,
                              const MemoryLimit& limit) {
  const uint64_t bytes = slots * kPageBytes;
  if (bytes >= useful_bytes) return "no more than the pack fills";
  if (asked_bytes) return "as asked";
  if (bytes >= kMaxDefaultBytes / kPageBytes * kPageBytes) return "the most that is taken without being asked for";
  return fmt::format("a tenth of the {} that this process may use ({})", Rounded(limit.bytes), limit.source);
}

Result<std::unique_ptr<Arena>> Arena::Create(uint32_t slots, HugePages wanted) {
  assert(slots >= 1 && slots <= kMaxSlots);
  std::string note;
  if (wanted == HugePages::kAuto) {
    auto arena = CreateAs(slots, HugePages::kHugetlb, "");
    if (arena) return arena;
    const uint64_t free = FreeHugetlbPages();
    note = free < slots ? fmt::format("hugetlb: {} of {} pages free", free, slots) : arena.error().message;
  }
  const bool has_thp = HasTransparentHugePages();
  if ((wanted == HugePages::kAuto || wanted == HugePages::kThp) && !has_thp)
    note += fmt::format("{}transparent huge pages: not enabled", note.empty() ? "" : "; ");
  if (wanted == HugePages::kAuto) wanted = has_thp ? HugePages::kThp : HugePages::kOff;
  return CreateAs(slots, wanted, std::move(note));
}

Result<std::unique_ptr<Arena>> Arena::CreateAs(uint32_t slots, HugePages kind, std::string note) {
  const bool is_hugetlb = kind == HugePages::kHugetlb;
  File memfd(is_hugetlb ? memfd_create("quire-arena", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB) : -1);
  auto mapping = is_hugetlb ? MapHugetlb(slots, memfd) : MapAnonymous(slots, kind);
  if (!mapping) return Propagate(std::move(mapping));
  std::unique_ptr<Arena> arena(new Arena(slots, kind, *mapping, std::move(memfd), std::move(note)));
  madvise(arena->base_, slots * kPageBytes, MADV_DONTDUMP);
  madvise(arena->base_, slots * kPageBytes, MADV_DONTFORK);

  // As many as a cache cannot do without: where there are fewer, memory of another kind is better.
  for (uint32_t slot = 0; slot < std::min(slots, kMinSlots); ++slot) {
    if (auto populated = arena->Populate(slot); !populated) return Propagate(std::move(populated));
  }
  for (uint32_t slot = kFirstSlots; slot < std::min(slots, kMinSlots); ++slot) arena->Release(slot);
  return arena;
}

Arena::Arena(uint32_t slots, HugePages kind, std::span<std::byte> mapping, File memfd, std::string note)
    : slot_count_(slots),
      huge_(kind),
      mapping_(mapping),
      base_(AlignUp(mapping.data())),
      note_(std::move(note)),
      memfd_(std::move(memfd)),
      is_populated_(slots) {}

Arena::~Arena() { munmap(mapping_.data(), mapping_.size()); }

Result<void> Arena::Populate(uint32_t slot) {
  if (is_populated(slot)) return {};
  std::byte* const begin = base_ + slot * kPageBytes;
  if (memfd_.is_open()) {
    // The pool may be empty, or a control group refuse the page: an error here, SIGBUS at an access.
    while (fallocate(memfd_.fd(), 0, static_cast<off_t>(slot * kPageBytes), kPageBytes) != 0) {
      if (errno != EINTR)
        return SystemError(errno, "hugetlb: slot {} of {} (is the pool used up, or does a control group limit it?)",
                           slot, slot_count_);
    }
  }
  if (madvise(begin, kPageBytes, MADV_POPULATE_WRITE) != 0) {
    if (errno != EINVAL) {
      const int error = errno;
      Discard(slot);  // what it got of the slot
      return SystemError(error, "arena: slot {} of {}", slot, slot_count_);
    }
    // Before Linux 5.14. Nothing can fail any more: huge pages are allocated above, and others raise no SIGBUS.
    constexpr size_t kSmallPageBytes = 4096;
    for (size_t at = 0; at < kPageBytes; at += kSmallPageBytes)
      *static_cast<volatile std::byte*>(begin + at) = std::byte{0};
  }
  is_populated_[slot].store(true, std::memory_order_release);
  populated_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

void Arena::Release(uint32_t slot) {
  if (!is_populated_[slot].exchange(false, std::memory_order_relaxed)) return;
  populated_.fetch_sub(1, std::memory_order_relaxed);
  Discard(slot);
}

void Arena::Discard(uint32_t slot) const {
  if (memfd_.is_open())
    fallocate(memfd_.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(slot * kPageBytes),
              kPageBytes);
  else
    madvise(base_ + slot * kPageBytes, kPageBytes, MADV_DONTNEED);
}

uint32_t Arena::PopulateAll() {
  uint32_t slot = 0;
  while (slot < slot_count_ && Populate(slot)) ++slot;
  return slot;
}

uint64_t Arena::CountHugeBytes() const {
  constexpr std::array<std::string_view, 3> kHugeFields = {"AnonHugePages:", "Shared_Hugetlb:", "Private_Hugetlb:"};
  const auto arena_begin = reinterpret_cast<uintptr_t>(base_);
  const auto arena_end = arena_begin + slot_count_ * kPageBytes;
  uint64_t huge_kib = 0;
  bool ours = false;
  std::ifstream file("/proc/self/smaps");
  for (std::string line; std::getline(file, line);) {
    if (const auto mapping = ParseMapping(line)) {
      ours = mapping->first >= arena_begin && mapping->second <= arena_end;
      continue;
    }
    if (!ours) continue;
    std::istringstream fields(line);
    std::string name;
    uint64_t kib = 0;
    if (fields >> name >> kib && std::ranges::find(kHugeFields, name) != kHugeFields.end()) huge_kib += kib;
  }
  return huge_kib << 10;
}

std::string Arena::Describe() const {
  return fmt::format("{} MiB ({} slots) of {}{}{}", slot_count_ * kPageBytes >> 20, slot_count_, NameOfMemory(huge_),
                     note_.empty() ? "" : "; ", note_);
}

}  // namespace quire
