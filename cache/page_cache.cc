#include "cache/page_cache.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <chrono>

#include "format/checksum.h"
#include "format/coding.h"

namespace quire {
namespace {

// A slot in sixteen serves extents that are read alone: two suffice to empty one while the other fills, 32 MiB hold
// what 256 requests of 128 KiB, the most that the kernel has in flight, read at once.
constexpr uint32_t kSlotsPerSlab = 16;
constexpr uint32_t kMinSlabs = 2;
constexpr uint32_t kMaxSlabs = 16;
// Of the page slots, those that prefetched pages may occupy before anyone reads them.
constexpr uint32_t kReadaheadShare = 4;
// Prefetch gives way: beside a read that somebody waits for, two pages keep the volume busy between two of those.
constexpr uint32_t kPrefetchesBesideDemand = 2;
constexpr uint32_t kPrefetchesAlone = 16;
constexpr uint32_t kMaxBandwidthDelayPages = 64;
// The cost model hears of as much as averages out single reads, and soon enough to follow a volume that changes.
constexpr uint64_t kWindowRequests = 16;
constexpr uint64_t kWindowNs = 20'000'000;
// Where no page may go, looking again at each miss would be for nothing.
constexpr uint64_t kMissesBetweenVainSearches = 16;

uint64_t NowNs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

uint32_t SlabsOf(const Arena& arena) { return std::clamp(arena.slot_count() / kSlotsPerSlab, kMinSlabs, kMaxSlabs); }

uint64_t PageOf(const Extent& extent) { return extent.offset / kPageBytes; }

}  // namespace

void PageCache::Answers::Add(ExtentRead& read, uint32_t slot, std::span<const std::byte> bytes, bool is_verified) {
  read.slot = slot;
  read.bytes = bytes;
  read.is_verified = is_verified;
  read.next = nullptr;
  *end = &read;
  end = &read.next;
}

ExtentRead* PageCache::Answers::Pop() {
  ExtentRead* const read = first;
  if (read == nullptr) return nullptr;
  first = read->next;
  if (first == nullptr) end = &first;
  return read;
}

PageCache::PageCache(const Pack& pack, const Arena& arena, VolumeSource& engine, const CacheOptions& options)
    : pack_(pack),
      arena_(arena),
      engine_(engine),
      options_(options),
      alignment_bytes_(engine.alignment_bytes()),
      volume_(pack.index().GetVolume(0)),
      page_count_(volume_ ? CeilDiv(volume_->data_end, kPageBytes) : 0),
      slot_of_page_(page_count_),
      slots_(arena.slot_count()),
      slabs_(arena, SlabsOf(arena), alignment_bytes_),
      fills_(arena.slot_count()),
      policy_(MakeEvictionPolicy(options.policy)),
      admission_(options.admission, page_count_, arena.slot_count() - SlabsOf(arena)),
      readahead_(page_count_, (arena.slot_count() - SlabsOf(arena)) / kReadaheadShare),
      never_used_(SlabsOf(arena)),
      prefetch_queue_(std::max<size_t>(1, arena.slot_count() / kReadaheadShare)) {
  for (uint32_t slot = 0; slot < fills_.size(); ++slot) {
    for (size_t number = 0; number < kParts; ++number) {
      Part& part = fills_[slot].parts[number];
      part.cache = this;
      part.number = static_cast<uint8_t>(number);
      part.slot = slot;
      part.done = OnPartRead;
    }
  }
}

PageCache::~PageCache() { Drain(); }

void PageCache::Drain() {
  std::unique_lock lock(mutex_);
  is_draining_ = true;
  while (prefetch_count_ > 0) {
    prefetch_first_ = (prefetch_first_ + 1) % prefetch_queue_.size();
    --prefetch_count_;
    readahead_.PrefetchDeclined();
  }
  idle_.wait(lock, [this] { return outstanding_ == 0 && memory_queue_ == nullptr; });
}

void PageCache::SetFuture(std::span<const uint64_t> pages) {
  // A new policy, since a long future takes its time, and reads go on meanwhile.
  auto policy = MakeEvictionPolicy(options_.policy);
  policy->SetFuture(pages);
  const std::scoped_lock lock(mutex_);
  policy_.swap(policy);
  wants_accesses_ = policy_->wants_accesses();
  victim_.reset();
}

// --- Hits

std::optional<uint32_t> PageCache::PinSlotOf(uint64_t page) {
  if (page >= page_count_) return std::nullopt;
  const uint32_t held = slot_of_page_[page].load(std::memory_order_acquire);
  if (held == kAbsent || held == kDamaged) return std::nullopt;
  Slot& slot = slots_[held - 1];
  // First pin, then look: a slot that is open and pinned stays as it is.
  if ((slot.pins.fetch_add(1, std::memory_order_acquire) & kClosed) != 0 ||
      slot.page.load(std::memory_order_relaxed) != page) {
    slot.pins.fetch_sub(1, std::memory_order_release);
    return std::nullopt;
  }
  return held - 1;
}

std::optional<ExtentPin> PageCache::PinPage(uint64_t page) {
  const auto slot = PinSlotOf(page);
  if (!slot) return std::nullopt;
  return ExtentPin(this, *slot, arena_.slot(*slot));
}

void PageCache::CountServed(const ExtentPin& pin, uint64_t bytes) {
  slots_[pin.slot_].served_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

std::optional<ExtentPin> PageCache::TryPin(const Extent& extent, uint32_t wanted_bytes) {
  const uint64_t page = PageOf(extent);
  if (extent.volume != 0) return std::nullopt;
  const auto number = PinSlotOf(page);
  if (!number) return std::nullopt;
  Slot& slot = slots_[*number];
  ExtentPin pin(this, *number, BytesIn(arena_.slot(*number), extent));
  const uint64_t now = misses_.load(std::memory_order_relaxed);
  if (slot.used_at.load(std::memory_order_relaxed) != now) slot.used_at.store(now, std::memory_order_relaxed);
  slot.served_bytes.fetch_add(wanted_bytes, std::memory_order_relaxed);
  counters_.Add(Counter::kHits);
  counters_.Add(Counter::kHitBytes, wanted_bytes);
  const bool wants_accesses = wants_accesses_.load(std::memory_order_relaxed);
  if (slot.is_unused.load(std::memory_order_relaxed) || wants_accesses) [[unlikely]] {
    std::unique_lock lock(mutex_);
    if (wants_accesses) policy_->Access(page);
    UseFirstTime(slot, extent);
    Answers none;
    SubmitAndAnswer(lock, none);
  }
  return pin;
}

void PageCache::Unpin(uint32_t slot) {
  if (slot >= slabs_.slab_count()) {
    slots_[slot].pins.fetch_sub(1, std::memory_order_release);
  } else if (slabs_.Unpin(slot) && waiting_for_memory_.load(std::memory_order_seq_cst) > 0) {
    LastUnpin();
  }
}

void PageCache::LastUnpin() {
  // An answer given below lets go of its pin in turn, and would come here again and again, each time deeper.
  static thread_local bool is_within = false;
  if (std::exchange(is_within, true)) return;
  while (waiting_for_memory_.load(std::memory_order_seq_cst) > 0) {
    std::unique_lock lock(mutex_);
    Answers answers;
    ServeWaitingForMemory(answers);
    const bool is_stuck = answers.first == nullptr && to_submit_ == nullptr;
    SubmitAndAnswer(lock, answers);
    if (is_stuck) break;
  }
  is_within = false;
}

// --- Reads that may wait

std::optional<Result<ExtentPin>> PageCache::Get(ExtentRead& read) {
  if (read.extent.volume != 0)
    return Unsupported("extent in volume {}: this release reads volume 0 only", read.extent.volume);
  if (!volume_) return std::unexpected(volume_.error());
  Answers answers;
  std::unique_lock lock(mutex_);
  read.is_counted = false;
  const Outcome outcome = ServeNew(read, answers);
  if (outcome == Outcome::kNoMemory) WaitForMemory(read, answers);
  if (outcome != Outcome::kAnswered) {
    SubmitAndAnswer(lock, answers);  // perhaps `read` itself: it is no longer ours
    return std::nullopt;
  }
  Answers none;
  SubmitAndAnswer(lock, none);
  return TakeAnswer(read);
}

PageCache::Outcome PageCache::ServeNew(ExtentRead& read, Answers& answers) {
  const uint64_t page = PageOf(read.extent);
  if (wants_accesses_.load(std::memory_order_relaxed)) policy_->Access(page);
  if (const auto outcome = ServeFromMemory(read, answers)) return *outcome;

  misses_.fetch_add(1, std::memory_order_relaxed);
  const auto advice =
      options_.readahead ? readahead_.Access(read.extent.offset, read.extent.length_bytes) : Readahead::Advice();
  const auto slot = Decide(read, advice.in_run) == Admit::kPage ? AcquireSlot() : std::nullopt;
  Outcome outcome = Outcome::kParked;
  if (slot) {
    Count(read, Counter::kFillMisses);
    StartFill(*slot, page, &read.extent, false);
    slots_[*slot].served_bytes.store(read.wanted_bytes, std::memory_order_relaxed);
    read.next = nullptr;
    fills_[*slot].waiters = &read;
  } else {
    outcome = memory_queue_ == nullptr ? Bypass(read) : Outcome::kNoMemory;
  }
  FollowRun(advice);
  StartPrefetches();
  return outcome;
}

PageCache::Outcome PageCache::ServeAgain(ExtentRead& read, Answers& answers) {
  if (const auto outcome = ServeFromMemory(read, answers)) return *outcome;
  return Bypass(read);
}

std::optional<PageCache::Outcome> PageCache::ServeFromMemory(ExtentRead& read, Answers& answers) {
  if (const auto outcome = ServeFromPage(read, answers)) return outcome;
  return ServeFromSlabs(read, answers);
}

Admit PageCache::Decide(const ExtentRead& read, bool in_run) {
  const uint64_t page = PageOf(read.extent);
  if (slot_of_page_[page].load(std::memory_order_relaxed) != kAbsent) return Admit::kExtent;  // damaged
  const PageRange range = RangeOf(page);
  const bool has_free_slot = HasFreeSlot();
  const auto victim = has_free_slot ? std::nullopt : FindVictim();
  return admission_.Decide({.page = page,
                            .page_bytes = static_cast<uint32_t>(range.end - range.begin),
                            .extent_bytes = read.extent.length_bytes,
                            .in_run = in_run,
                            .has_free_slot = has_free_slot,
                            .has_victim = victim.has_value(),
                            .victim_used_at = victim ? victim->used_at : 0},
                           misses_.load(std::memory_order_relaxed), costs_);
}

void PageCache::Count(ExtentRead& read, Counter counter) {
  if (std::exchange(read.is_counted, true)) return;
  counters_.Add(counter);
  if (counter == Counter::kHits) counters_.Add(Counter::kHitBytes, read.wanted_bytes);
  if (counter == Counter::kFillMisses || counter == Counter::kBypasses)
    counters_.Add(Counter::kMissedBytes, read.extent.length_bytes);
}

std::optional<PageCache::Outcome> PageCache::ServeFromPage(ExtentRead& read, Answers& answers) {
  const uint32_t held = slot_of_page_[PageOf(read.extent)].load(std::memory_order_relaxed);
  if (held == kAbsent || held == kDamaged) return std::nullopt;
  const uint32_t number = held - 1;
  Fill& fill = fills_[number];
  Slot& slot = slots_[number];
  const uint32_t parts = PartsOf(read.extent);
  if ((parts & fill.failed) != 0) return std::nullopt;

  const bool is_resident = fill.state == State::kResident;
  Count(read, is_resident ? Counter::kHits : Counter::kJoined);
  slot.used_at.store(misses_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  slot.served_bytes.fetch_add(read.wanted_bytes, std::memory_order_relaxed);
  const bool is_there = (parts & fill.pending) == 0;
  if (is_there) {
    slot.pins.fetch_add(1, std::memory_order_relaxed);
    answers.Add(read, number, BytesIn(arena_.slot(number), read.extent), is_resident);
  } else {
    read.next = std::exchange(fill.waiters, &read);
  }
  // Not before: what it prefetches may take the slot of any page that nobody has pinned, this one's as well.
  UseFirstTime(slot, read.extent);
  return is_there ? Outcome::kAnswered : Outcome::kParked;
}

std::optional<PageCache::Outcome> PageCache::ServeFromSlabs(ExtentRead& read, Answers& answers) {
  ExtentSlabs::Entry* const entry = slabs_.Find(read.number);
  if (entry == nullptr) return std::nullopt;
  Count(read, entry->is_filled ? Counter::kHits : Counter::kJoined);
  if (!entry->is_filled) {
    read.next = std::exchange(entry->waiters, &read);
    return Outcome::kParked;
  }
  slabs_.Pin(entry->slot);
  answers.Add(read, entry->slot, arena_.slot(entry->slot).subspan(entry->begin, read.extent.length_bytes), true);
  return Outcome::kAnswered;
}

PageCache::Outcome PageCache::Bypass(ExtentRead& read) {
  ExtentSlabs::Entry* const entry = slabs_.Allocate(read.number, read.extent);
  if (entry == nullptr) return Outcome::kNoMemory;
  Count(read, Counter::kBypasses);
  entry->cache = this;
  entry->done = OnExtentRead;
  read.next = nullptr;
  entry->waiters = &read;
  ++demand_in_flight_;
  AddRead(*entry);
  return Outcome::kParked;
}

void PageCache::WaitForMemory(ExtentRead& read, Answers& answers) {
  counters_.Add(Counter::kParked);
  read.next = nullptr;
  *memory_queue_end_ = &read;
  memory_queue_end_ = &read.next;
  waiting_for_memory_.fetch_add(1, std::memory_order_seq_cst);
  // Whoever let go of the last pin before the line above did not know that somebody waits.
  ServeWaitingForMemory(answers);
}

void PageCache::ServeWaitingForMemory(Answers& answers) {
  while (memory_queue_ != nullptr) {
    ExtentRead& read = *memory_queue_;
    ExtentRead* const behind = read.next;
    if (ServeAgain(read, answers) == Outcome::kNoMemory) return;
    memory_queue_ = behind;
    if (behind == nullptr) memory_queue_end_ = &memory_queue_;
    waiting_for_memory_.fetch_sub(1, std::memory_order_relaxed);
  }
  idle_.notify_all();
}

// --- Fills

PageCache::PageRange PageCache::RangeOf(uint64_t page) const {
  return {std::max(page * kPageBytes, volume_->data_begin), std::min((page + 1) * kPageBytes, volume_->data_end)};
}

std::span<const std::byte> PageCache::BytesIn(std::span<const std::byte> page, const Extent& extent) {
  return page.subspan(extent.offset % kPageBytes, extent.length_bytes);
}

uint32_t PageCache::PartsOf(const Extent& extent) {
  const uint64_t begin = extent.offset % kPageBytes;
  const uint64_t first = begin / kFillPartBytes;
  const uint64_t last = (begin + std::max(extent.length_bytes, 1U) - 1) / kFillPartBytes;
  return (uint32_t{2} << last) - (uint32_t{1} << first);
}

void PageCache::StartFill(uint32_t slot, uint64_t page, const Extent* first, bool is_prefetch) {
  const PageRange range = RangeOf(page);
  Fill& fill = fills_[slot];
  fill.state = State::kFilling;
  fill.pending = 0;
  fill.failed = 0;
  fill.is_prefetch = is_prefetch;
  fill.began_ns = NowNs();
  fill.read_bytes = 0;
  fill.waiters = nullptr;
  slots_[slot].page.store(page, std::memory_order_relaxed);
  slots_[slot].served_bytes.store(0, std::memory_order_relaxed);
  slots_[slot].used_at.store(misses_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  slots_[slot].is_unused.store(is_prefetch, std::memory_order_relaxed);
  slot_of_page_[page].store(slot + 1, std::memory_order_release);
  ++(is_prefetch ? prefetches_in_flight_ : demand_in_flight_);
  if (is_prefetch) counters_.Add(Counter::kPrefetchedPages);

  const size_t first_part = first == nullptr ? 0 : first->offset % kPageBytes / kFillPartBytes;
  for (size_t i = 0; i < kParts; ++i) {
    Part& part = fill.parts[(first_part + i) % kParts];
    const uint64_t part_begin = page * kPageBytes + part.number * kFillPartBytes;
    const uint64_t begin = std::max(part_begin, range.begin / alignment_bytes_ * alignment_bytes_);
    const uint64_t needed_end = std::min(part_begin + kFillPartBytes, range.end);
    if (begin >= needed_end) continue;
    part.offset = begin;
    part.into = arena_.slot(slot).data() + begin % kPageBytes;
    part.needed_bytes = static_cast<uint32_t>(needed_end - begin);
    part.bytes = static_cast<uint32_t>(CeilDiv(part.needed_bytes, alignment_bytes_) * alignment_bytes_);
    fill.pending |= uint32_t{1} << part.number;
    AddRead(part);
  }
}

void PageCache::AddRead(VolumeRead& read) {
  read.next = nullptr;
  *to_submit_end_ = &read;
  to_submit_end_ = &read.next;
  ++outstanding_;
  if (busy_reads_++ == 0) busy_since_ns_ = NowNs();
}

void PageCache::SubmitAndAnswer(std::unique_lock<std::mutex>& lock, Answers& answers) {
  VolumeRead* const submit = std::exchange(to_submit_, nullptr);
  to_submit_end_ = &to_submit_;
  lock.unlock();
  if (submit != nullptr) engine_.Submit(submit);
  while (ExtentRead* const read = answers.Pop()) read->done(*read, TakeAnswer(*read));
}

Result<ExtentPin> PageCache::TakeAnswer(ExtentRead& read) {
  ExtentPin pin(this, read.slot, read.bytes);
  if (!read.is_verified)
    if (auto verified = VerifyExtent(read.extent, read.bytes); !verified) return Propagate(std::move(verified));
  return pin;
}

void PageCache::OnPartRead(VolumeRead& read, int64_t result) {
  auto& part = static_cast<Part&>(read);
  part.cache->PartRead(part, result);
}

void PageCache::PartRead(Part& part, int64_t result) {
  const uint32_t number = part.slot;
  Fill& fill = fills_[number];
  const uint64_t page = slots_[number].page.load(std::memory_order_relaxed);
  Answers answers;
  ExtentRead* retried = nullptr;
  std::unique_lock lock(mutex_);
  const uint64_t now_ns = NowNs();
  CountRead(result, now_ns);
  if (result > 0) fill.read_bytes += static_cast<uint32_t>(result);
  if (result < part.needed_bytes) {
    fill.failed |= uint32_t{1} << part.number;
    counters_.Add(Counter::kReadErrors);
  }
  const bool is_last = std::popcount(fill.pending) == 1;
  if (is_last && fill.failed == 0) {
    // Still pending while it is verified, so that those who come meanwhile wait for it as well.
    const PageRange range = RangeOf(page);
    lock.unlock();
    const bool is_good =
        VerifyPage(page, arena_.slot(number).subspan(range.begin % kPageBytes, range.end - range.begin));
    lock.lock();
    if (!is_good) fill.failed = ~uint32_t{0};
  }
  fill.pending &= ~(uint32_t{1} << part.number);
  if (is_last) {
    LearnCosts(fill.read_bytes, NowNs());  // not the time from before the check: others have counted meanwhile
    --(fill.is_prefetch ? prefetches_in_flight_ : demand_in_flight_);
    if (fill.failed == 0) Publish(fill, number);
  }
  TakeReady(fill, number, answers, retried);
  if (is_last && fill.failed != 0) Abandon(fill, number);
  const bool is_published = is_last && fill.failed == 0;
  const bool is_prefetch = fill.is_prefetch;
  Retry(retried, answers);
  StartPrefetches();
  SubmitAndAnswer(lock, answers);
  if (is_published && page_listener_) page_listener_(page, is_prefetch);  // behind those who wait
  EndRead();
}

// Those whose parts are there, or will never be.
void PageCache::TakeReady(Fill& fill, uint32_t slot, Answers& answers, ExtentRead*& retried) {
  for (ExtentRead** link = &fill.waiters; *link != nullptr;) {
    ExtentRead& read = **link;
    const uint32_t parts = PartsOf(read.extent);
    const bool has_failed = (parts & fill.failed) != 0;
    if (!has_failed && (parts & fill.pending) != 0) {
      link = &read.next;
      continue;
    }
    *link = read.next;
    if (has_failed) {
      read.next = std::exchange(retried, &read);
    } else {
      slots_[slot].pins.fetch_add(1, std::memory_order_relaxed);
      answers.Add(read, slot, BytesIn(arena_.slot(slot), read.extent), fill.state == State::kResident);
    }
  }
}

void PageCache::Retry(ExtentRead* retried, Answers& answers) {
  while (retried != nullptr) {
    ExtentRead& read = *std::exchange(retried, retried->next);
    if (ServeAgain(read, answers) == Outcome::kNoMemory) WaitForMemory(read, answers);
  }
}

void PageCache::Publish(Fill& fill, uint32_t slot) {
  fill.state = State::kResident;
  fill.filled_at = misses_.load(std::memory_order_relaxed);
  slots_[slot].used_at.store(fill.filled_at, std::memory_order_relaxed);
  slots_[slot].pins.fetch_and(~kClosed, std::memory_order_release);
  ++resident_pages_;
  counters_.Add(Counter::kFilledPages);
  const uint64_t latency_ns = NowNs() - fill.began_ns;
  counters_.AddFillLatency(latency_ns);
  // The least of late: what queues behind other fills says nothing of the volume.
  least_fill_ns_ = least_fill_ns_ == 0 ? latency_ns : std::min(least_fill_ns_ + least_fill_ns_ / 64, latency_ns);
  const double delivered_ns = costs_.ns_per_byte() * kPageBytes;
  const double pages = 2 * static_cast<double>(least_fill_ns_) / std::max(delivered_ns, 1.0);
  readahead_.SetBandwidthDelay(static_cast<uint32_t>(std::clamp(pages, 2.0, double{kMaxBandwidthDelayPages})));
}

void PageCache::Abandon(Fill& fill, uint32_t slot) {
  slot_of_page_[slots_[slot].page.load(std::memory_order_relaxed)].store(kDamaged, std::memory_order_relaxed);
  fill.state = State::kDraining;
  ++draining_slots_;
  CountIfWasted(slots_[slot]);
}

void PageCache::OnExtentRead(VolumeRead& read, int64_t result) {
  auto& entry = static_cast<ExtentSlabs::Entry&>(read);
  entry.cache->ExtentAloneRead(entry, result);
}

void PageCache::ExtentAloneRead(ExtentSlabs::Entry& entry, int64_t result) {
  const Extent extent = entry.extent;
  const auto needed_bytes = static_cast<int64_t>(extent.offset - entry.offset + extent.length_bytes);
  Result<void> good;
  if (result < 0)
    good = SystemError(static_cast<int>(-result), "{} bytes at {} (page {})", extent.length_bytes, extent.offset,
                       PageOf(extent));
  else if (result < needed_bytes)
    good = Corrupt("{} bytes at {} (page {}): the pack ends before them; it was truncated", extent.length_bytes,
                   extent.offset, PageOf(extent));
  if (!good)
    counters_.Add(Counter::kReadErrors);
  else
    good = VerifyExtent(extent, arena_.slot(entry.slot).subspan(entry.begin, extent.length_bytes));

  std::unique_lock lock(mutex_);
  const uint64_t now_ns = NowNs();
  CountRead(result, now_ns);
  if (result > 0) LearnCosts(static_cast<uint64_t>(result), now_ns);
  --demand_in_flight_;
  Answers answers;
  ExtentRead* waiters = std::exchange(entry.waiters, nullptr);
  const uint32_t slot = entry.slot;
  if (good) {
    entry.is_filled = true;
    while (waiters != nullptr) {
      ExtentRead& read = *std::exchange(waiters, waiters->next);
      slabs_.Pin(slot);
      answers.Add(read, slot, arena_.slot(slot).subspan(entry.begin, extent.length_bytes), true);
    }
  } else {
    slabs_.Discard(entry);
  }
  StartPrefetches();
  SubmitAndAnswer(lock, answers);
  while (waiters != nullptr) {
    ExtentRead& read = *std::exchange(waiters, waiters->next);
    read.done(read, std::unexpected(good.error()));
  }
  Unpin(slot);  // the read's own
  EndRead();
}

void PageCache::EndRead() {
  const std::scoped_lock lock(mutex_);
  if (--outstanding_ == 0) idle_.notify_all();
}

bool PageCache::VerifyPage(uint64_t page, std::span<const std::byte> bytes) {
  const auto sum = pack_.index().GetPageSum(*volume_, page);
  if (sum && *sum == Xxh3(bytes)) return true;
  counters_.Add(Counter::kVerifyFailures);
  spdlog::warn("'{}': page {}: {}; its samples are read and checked one by one from now on", pack_.path(), page,
               sum ? "checksum mismatch" : sum.error().message);
  return false;
}

Result<void> PageCache::VerifyExtent(const Extent& extent, std::span<const std::byte> bytes) {
  if (Xxh3(bytes) == extent.sum) return {};
  counters_.Add(Counter::kVerifyFailures);
  return Corrupt("{} bytes at {} (page {}): checksum mismatch", extent.length_bytes, extent.offset, PageOf(extent));
}

// --- What reads cost

void PageCache::CountRead(int64_t result, uint64_t now_ns) {
  counters_.Add(Counter::kVolumeReads);
  if (result > 0) counters_.Add(Counter::kVolumeBytes, static_cast<uint64_t>(result));
  if (--busy_reads_ == 0) busy_ns_ += now_ns - busy_since_ns_;
}

void PageCache::LearnCosts(uint64_t bytes, uint64_t now_ns) {
  ++window_requests_;
  window_bytes_ += bytes;
  const uint64_t busy_ns = busy_ns_ + (busy_reads_ > 0 ? now_ns - busy_since_ns_ : 0);
  if (window_requests_ < kWindowRequests && busy_ns < kWindowNs) return;
  costs_.Learn(static_cast<double>(busy_ns), static_cast<double>(window_requests_), static_cast<double>(window_bytes_));
  busy_ns_ = 0;
  busy_since_ns_ = now_ns;
  window_requests_ = 0;
  window_bytes_ = 0;
}

// --- Readahead

void PageCache::UseFirstTime(Slot& slot, const Extent& extent) {
  if (!slot.is_unused.exchange(false, std::memory_order_relaxed)) return;
  counters_.Add(Counter::kPrefetchedUsed);
  readahead_.PrefetchUsed();
  FollowRun(readahead_.Access(extent.offset, extent.length_bytes));
  StartPrefetches();
}

void PageCache::CountIfWasted(Slot& slot) {
  if (!slot.is_unused.exchange(false, std::memory_order_relaxed)) return;
  counters_.Add(Counter::kPrefetchedWasted);
  readahead_.PrefetchWasted();
}

void PageCache::FollowRun(const Readahead::Advice& advice) {
  for (uint64_t page = advice.first_page; page < advice.first_page + advice.pages; ++page) {
    const bool is_wanted = !is_draining_ && prefetch_count_ < prefetch_queue_.size() && page < page_count_ &&
                           slot_of_page_[page].load(std::memory_order_relaxed) == kAbsent;
    if (!is_wanted) {
      readahead_.PrefetchDeclined();
      continue;
    }
    prefetch_queue_[(prefetch_first_ + prefetch_count_) % prefetch_queue_.size()] = page;
    ++prefetch_count_;
  }
}

void PageCache::StartPrefetches() {
  const uint32_t limit = demand_in_flight_ > 0 ? kPrefetchesBesideDemand : kPrefetchesAlone;
  while (prefetch_count_ > 0 && prefetches_in_flight_ < limit) {
    const uint64_t page = prefetch_queue_[prefetch_first_];
    prefetch_first_ = (prefetch_first_ + 1) % prefetch_queue_.size();
    --prefetch_count_;
    const bool is_absent = slot_of_page_[page].load(std::memory_order_relaxed) == kAbsent;
    if (const auto slot = is_absent ? AcquireSlot() : std::nullopt)
      StartFill(*slot, page, nullptr, true);
    else
      readahead_.PrefetchDeclined();
  }
}

// --- Slots

bool PageCache::HasFreeSlot() {
  if (draining_slots_ > 0) {
    for (uint32_t slot = slabs_.slab_count(); slot < never_used_; ++slot) {
      if (fills_[slot].state != State::kDraining || slots_[slot].pins.load(std::memory_order_acquire) != kClosed)
        continue;
      --draining_slots_;
      ReleaseSlot(slot);
    }
  }
  return free_ != 0 || never_used_ < arena_.populated();
}

uint32_t PageCache::TakeFreeSlot() {
  if (free_ == 0) return never_used_++;
  const uint32_t slot = free_ - 1;
  free_ = fills_[slot].next_free;
  return slot;
}

void PageCache::ReleaseSlot(uint32_t slot) {
  fills_[slot].state = State::kFree;
  fills_[slot].next_free = std::exchange(free_, slot + 1);
}

bool PageCache::IsEvictable(uint32_t slot) const {
  return fills_[slot].state == State::kResident && slots_[slot].pins.load(std::memory_order_acquire) == 0;
}

std::optional<PageCache::Victim> PageCache::FindVictim() {
  if (!arena_.is_settled()) return std::nullopt;  // soon there will be free slots
  const bool rank_changes = wants_accesses_.load(std::memory_order_relaxed);
  const uint64_t now = misses_.load(std::memory_order_relaxed);
  // The least of all stays the least while it is not used, since the others' times only grow.
  if (victim_ && !rank_changes && IsEvictable(victim_->slot) &&
      slots_[victim_->slot].page.load(std::memory_order_relaxed) == victim_->page &&
      slots_[victim_->slot].used_at.load(std::memory_order_relaxed) == victim_->used_at)
    return victim_;
  if (!victim_ && now - victim_sought_at_ < kMissesBetweenVainSearches && victim_sought_at_ != 0) return std::nullopt;
  victim_sought_at_ = now;
  victim_.reset();
  uint64_t least = 0;
  for (uint32_t slot = slabs_.slab_count(); slot < never_used_; ++slot) {
    if (!IsEvictable(slot)) continue;
    const uint64_t page = slots_[slot].page.load(std::memory_order_relaxed);
    const uint64_t used_at = slots_[slot].used_at.load(std::memory_order_relaxed);
    const PageRange range = RangeOf(page);
    const auto rank = policy_->Rank(
        {.page = page,
         .filled_at = fills_[slot].filled_at,
         .used_at = used_at,
         .is_consumed = slots_[slot].served_bytes.load(std::memory_order_relaxed) >= range.end - range.begin});
    if (!rank || (victim_ && *rank >= least)) continue;
    least = *rank;
    victim_ = {.slot = slot, .page = page, .used_at = used_at};
  }
  return victim_;
}

std::optional<uint32_t> PageCache::AcquireSlot() {
  if (HasFreeSlot()) return TakeFreeSlot();
  while (const auto victim = FindVictim()) {
    victim_.reset();
    victim_sought_at_ = 0;
    Slot& slot = slots_[victim->slot];
    uint32_t unpinned = 0;
    // Somebody may pin it at this moment: then it is not the least used any more.
    if (!slot.pins.compare_exchange_strong(unpinned, kClosed, std::memory_order_acq_rel)) continue;
    slot_of_page_[victim->page].store(kAbsent, std::memory_order_relaxed);
    --resident_pages_;
    counters_.Add(Counter::kEvictedPages);
    CountIfWasted(slot);
    return victim->slot;
  }
  return std::nullopt;
}

// --- What others may know

CacheStats PageCache::GetStats() const {
  CacheStats stats;
  counters_.Sum(stats);
  const std::scoped_lock lock(mutex_);
  stats.is_settled = arena_.is_settled();
  stats.slots = arena_.populated();
  stats.resident_pages = resident_pages_;
  stats.ns_per_byte_x1000 = static_cast<uint64_t>(costs_.ns_per_byte() * 1000);
  stats.ns_per_request = static_cast<uint64_t>(costs_.ns_per_request());
  return stats;
}

std::string PageCache::Describe() const {
  const uint32_t page_slots = arena_.slot_count() - slabs_.slab_count();
  return fmt::format("policy {}, admission {}: {} pages, slots for {}{}", NameOf(kPolicyNames, options_.policy),
                     NameOf(kAdmissionNames, options_.admission), page_count_, page_slots,
                     options_.readahead ? "" : ", no readahead");
}

}  // namespace quire
