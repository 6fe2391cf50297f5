#include "cache/page_cache.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

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
constexpr uint32_t kMaxReadaheadPages = 28;  // that share of a stream's
// Pages that readahead has in flight at a time: beyond what the volume needs to stay busy they would only queue.
constexpr uint32_t kMaxPrefetches = 16;
constexpr uint32_t kMaxSweeps = 4;
// Sweeping leaves slots to those who ask.
constexpr size_t kSlotsForDemand = 8;
// Of so many slots the one that ranks lowest goes: with 64 of them, on average, one of the lowest 1.5 % of all, for
// less than two microseconds whatever the arena's size.
constexpr uint32_t kVictimsLookedAt = 64;
// A page that could not be read is tried again as a whole when an extent of it was read, but not sooner than so long
// after the last page that could not: where a pack was cut in the middle of a page, each try is for nothing, and the
// pause doubles with each.
constexpr uint64_t kLeastRetryNs = 1'000'000;
constexpr uint64_t kMostRetryNs = 1'000'000'000;

uint64_t NowNs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

uint32_t SlabsOf(const Arena& arena) { return std::clamp(arena.slot_count() / kSlotsPerSlab, kMinSlabs, kMaxSlabs); }

uint64_t PageOf(const Extent& extent) { return extent.offset / kPageBytes; }

Residency::Data DataOf(const Pack& pack, uint64_t pages, const CacheOptions& options) {
  return {.bytes = pack.superblock().stored_bytes,
          .samples = pack.superblock().samples,
          .pages = pages,
          .is_arena_asked_for = options.cache_bytes.has_value()};
}

}  // namespace

PageCache::PageCache(const Pack& pack, Arena& arena, VolumeSource& source, const CacheOptions& options,
                     Residency::Environment environment)
    : pack_(pack),
      arena_(arena),
      source_(source),
      options_(options),
      volume_(pack.index().GetVolume(0)),
      page_count_(volume_ ? CeilDiv(volume_->data_end, kPageBytes) : 0),
      residency_(options.push, DataOf(pack, page_count_, options), std::move(environment)),
      slabs_(arena, SlabsOf(arena), source.alignment_bytes()),
      slots_(page_count_, slabs_.slab_count(), arena.slot_count(), options.readers_keep),
      fills_(arena.slot_count(), source, to_submit_, this, OnPartRead),
      policy_(MakeEvictionPolicy(options.policy)),
      admission_(options.admission, page_count_, arena.slot_count() - slabs_.slab_count()),
      readahead_(page_count_,
                 std::min((arena.slot_count() - slabs_.slab_count()) / kReadaheadShare, kMaxReadaheadPages)),
      hand_(slabs_.slab_count()),
      end_of_used_(slabs_.slab_count()),
      prefetch_queue_(std::max<size_t>(1, arena.slot_count() / kReadaheadShare)) {
  draining_.reserve(arena.slot_count());
  to_populate_.reserve(arena.slot_count());
  for (uint32_t slot = arena.slot_count(); slot > slots_.first_slot(); --slot) ReleaseSlot(slot - 1);
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
  idle_.wait(lock, [this] { return outstanding_ == 0 && memory_queue_.empty(); });
}

void PageCache::SetFuture(std::span<const uint64_t> pages) {
  // A new policy, since a long future takes its time, and reads go on meanwhile.
  auto policy = MakeEvictionPolicy(options_.policy);
  policy->SetFuture(pages);
  const std::scoped_lock lock(mutex_);
  policy_.swap(policy);
  wants_accesses_ = policy_->wants_accesses();
}

// --- Hits

std::optional<ExtentPin> PageCache::PinPage(uint64_t page) {
  const auto slot = slots_.TryPin(page);
  if (!slot) return std::nullopt;
  return ExtentPin(this, *slot, arena_.slot(*slot));
}

std::optional<ExtentPin> PageCache::TryPin(const Extent& extent, uint32_t wanted_bytes) {
  const uint64_t page = PageOf(extent);
  if (extent.volume != 0) return std::nullopt;
  const auto slot = slots_.TryPin(page);
  if (!slot) return std::nullopt;
  ExtentPin pin(this, *slot, BytesIn(arena_.slot(*slot), extent));
  slots_.Use(*slot, misses_.load(std::memory_order_relaxed), wanted_bytes);
  counters_.Add(Counter::kHits);
  counters_.Add(Counter::kHitBytes, wanted_bytes);
  const bool wants_accesses = wants_accesses_.load(std::memory_order_relaxed);
  if (slots_.is_unused(*slot) || wants_accesses) [[unlikely]] {
    std::unique_lock lock(mutex_);
    if (wants_accesses) policy_->Access(page);
    UseFirstTime(*slot, extent);
    Answers none;
    SubmitAndAnswer(lock, none);
  }
  return pin;
}

void PageCache::Unpin(uint32_t slot) {
  if (slot >= slabs_.slab_count()) {
    slots_.Unpin(slot);
  } else if (slabs_.Unpin(slot) && waiting_for_memory_.load(std::memory_order_seq_cst) > 0) {
    LastUnpin();
  }
}

void PageCache::LastUnpin() {
  // An answer given below lets go of its pin in turn, and would come here again and again, each time deeper. It may
  // let go of pins of other caches too, so the caches that this thread is serving are in a list.
  struct Frame {
    const PageCache* cache;
    Frame* outer;
    bool was_called;  // again, from within
  };
  static thread_local Frame* innermost = nullptr;
  for (Frame* frame = innermost; frame != nullptr; frame = frame->outer) {
    if (frame->cache != this) continue;
    frame->was_called = true;
    return;
  }
  Frame own = {this, innermost, false};
  innermost = &own;
  while (waiting_for_memory_.load(std::memory_order_seq_cst) > 0) {
    std::unique_lock lock(mutex_);
    Answers answers;
    ServeWaitingForMemory(answers);
    const bool is_stuck = answers.empty() && to_submit_.empty();
    own.was_called = false;
    SubmitAndAnswer(lock, answers);
    if (is_stuck && !own.was_called) break;
  }
  innermost = own.outer;
}

// --- Reads that may wait

std::optional<Result<ExtentPin>> PageCache::Get(ExtentRead& read) {
  if (read.extent.volume != 0)
    return Unsupported("extent in volume {}: this release reads volume 0 only", read.extent.volume);
  if (!volume_) return std::unexpected(volume_.error());
  Answers answers;
  std::unique_lock lock(mutex_);
  read.page = PageOf(read.extent);
  read.is_counted = false;
  const Outcome outcome = ServeNew(read, answers);
  if (outcome == Outcome::kNoMemory) WaitForMemory(read, answers);
  if (outcome != Outcome::kAnswered) {
    SubmitAndAnswer(lock, answers);  // perhaps `read` itself: it is no longer ours
    return std::nullopt;
  }
  answers.Pop();
  SubmitAndAnswer(lock, answers);
  return TakeAnswer(read);
}

PageCache::Outcome PageCache::ServeNew(ExtentRead& read, Answers& answers) {
  if (wants_accesses_.load(std::memory_order_relaxed)) policy_->Access(read.page);
  if (const auto outcome = ServeFromMemory(read, answers)) return *outcome;

  misses_.fetch_add(1, std::memory_order_relaxed);
  const auto advice =
      options_.readahead ? readahead_.Access(read.extent.offset, read.extent.length_bytes) : Readahead::Advice();
  Outcome outcome = Outcome::kParked;
  if (const auto slot = AdmittedSlot(read, advice.in_run)) {
    Count(read, Counter::kFillMisses);
    StartFill(*slot, read.page, &read, FillKind::kDemand);
  } else {
    outcome = memory_queue_.empty() ? Bypass(read) : Outcome::kNoMemory;
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

void PageCache::Answer(ExtentRead& read, uint32_t slot, std::span<const std::byte> bytes, bool is_verified,
                       Answers& answers) {
  read.slot = slot;
  read.bytes = bytes;
  read.is_verified = is_verified;
  answers.Push(read);
}

void PageCache::Count(ExtentRead& read, Counter counter) {
  if (std::exchange(read.is_counted, true)) return;
  counters_.Add(counter);
  if (counter == Counter::kHits) counters_.Add(Counter::kHitBytes, read.wanted_bytes);
  if (counter == Counter::kFillMisses || counter == Counter::kBypasses)
    counters_.Add(Counter::kMissedBytes, read.extent.length_bytes);
}

std::optional<PageCache::Outcome> PageCache::ServeFromPage(ExtentRead& read, Answers& answers) {
  if (slots_.presence(read.page) != SlotTable::Presence::kHeld) return std::nullopt;
  const uint32_t slot = slots_.slot_of(read.page);
  if (fills_.HasFailed(slot, read.extent)) return std::nullopt;

  const bool is_resident = slots_.is_open(slot);
  Count(read, is_resident ? Counter::kHits : Counter::kJoined);
  slots_.Use(slot, misses_.load(std::memory_order_relaxed), read.wanted_bytes);
  const bool is_there = fills_.IsThere(slot, read.extent);
  if (is_there) {
    slots_.PinMore(slot);
    Answer(read, slot, BytesIn(arena_.slot(slot), read.extent), is_resident, answers);
  } else {
    fills_.Join(slot, read);
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
    entry->waiters.Push(read);
    return Outcome::kParked;
  }
  slabs_.Pin(entry->slot);
  Answer(read, entry->slot, arena_.slot(entry->slot).subspan(entry->begin, read.extent.length_bytes), true, answers);
  return Outcome::kAnswered;
}

PageCache::Outcome PageCache::Bypass(ExtentRead& read) {
  ExtentSlabs::Entry* const entry = slabs_.Allocate(read.number, read.extent);
  if (entry == nullptr) {
    // One slab more, for those who come next, where memory permits.
    if (const auto slab = is_out_of_memory_ || arena_.populated() >= residency_.SlotLimit(arena_.populated())
                              ? std::nullopt
                              : slabs_.TakeBare())
      to_populate_.push_back(*slab);
    return Outcome::kNoMemory;
  }
  Count(read, Counter::kBypasses);
  entry->cache = this;
  entry->done = OnExtentRead;
  entry->waiters.Push(read);
  to_submit_.Push(*entry);
  return Outcome::kParked;
}

void PageCache::WaitForMemory(ExtentRead& read, Answers& answers) {
  counters_.Add(Counter::kParked);
  memory_queue_.Push(read);
  waiting_for_memory_.fetch_add(1, std::memory_order_seq_cst);
  // Whoever let go of the last pin before the line above did not know that somebody waits.
  ServeWaitingForMemory(answers);
}

void PageCache::ServeWaitingForMemory(Answers& answers) {
  while (ExtentRead* const read = memory_queue_.first()) {
    memory_queue_.Pop();
    if (ServeAgain(*read, answers) == Outcome::kNoMemory) {
      memory_queue_.PushFront(*read);
      return;
    }
    waiting_for_memory_.fetch_sub(1, std::memory_order_relaxed);
  }
  idle_.notify_all();
}

// --- Slots

std::optional<uint32_t> PageCache::TakeConsumed() {
  // Where the kernel has no room for all, it will let go of the page, which is then as good as any.
  const bool is_free = residency_.IsStream() && policy_->prefers_consumed();
  const auto slot = is_free ? slots_.TakeConsumed() : std::nullopt;
  if (slot) Evicted(*slot);
  return slot;
}

void PageCache::ReclaimDrained() {
  std::erase_if(draining_, [this](uint32_t slot) {
    if (!slots_.is_abandoned(slot)) return false;
    ReleaseSlot(slot);
    return true;
  });
}

uint32_t PageCache::SlotLimit() const {
  return std::min(residency_.SlotLimit(arena_.populated()), arena_.slot_count());
}

std::optional<PageCache::Place> PageCache::FindFree() {
  ReclaimDrained();
  if (const auto slot = slots_.TakeFree()) {
    least_free_ = std::min(least_free_, slots_.free_count());
    return Place{.slot = *slot};
  }
  if (const auto slot = TakeConsumed()) return Place{.slot = *slot};
  const bool may_grow =
      !is_out_of_memory_ && arena_.populated() + to_populate_.size() <
                                std::min(residency_.SlotLimit(arena_.populated()), arena_.slot_count());
  if (const auto slot = may_grow ? slots_.TakeBare() : std::nullopt) return Place{.slot = *slot};
  return std::nullopt;
}

// The lowest rank of those that are looked at: all of a small arena's, of a large one's the next kVictimsLookedAt.
std::optional<PageCache::Place> PageCache::FindVictim() {
  const uint32_t first_slot = slots_.first_slot();
  const uint32_t used = end_of_used_ - first_slot;
  if (used <= kVictimsLookedAt) hand_ = first_slot;
  std::optional<Place> victim;
  uint64_t least = 0;
  for (uint32_t looks = std::min(used, kVictimsLookedAt); looks > 0; --looks) {
    if (hand_ >= end_of_used_) hand_ = first_slot;
    const uint32_t slot = hand_++;
    if (!slots_.is_unpinned(slot)) continue;
    const uint64_t used_at = slots_.used_at(slot);
    const auto rank = policy_->Rank({.page = slots_.page_of(slot),
                                     .filled_at = fills_[slot].filled_at,
                                     .used_at = used_at,
                                     .is_consumed = slots_.is_consumed(slot)});
    if (!rank || (victim && *rank >= least)) continue;
    least = *rank;
    victim = Place{.slot = slot, .kind = Place::Kind::kVictim, .used_at = used_at};
  }
  return victim;
}

bool PageCache::Take(const Place& place) {
  if (place.kind == Place::Kind::kVictim) {
    if (!slots_.Evict(place.slot)) return false;
    Evicted(place.slot);
  }
  end_of_used_ = std::max(end_of_used_, place.slot + 1);
  return true;
}

void PageCache::PutBack(const Place& place) {
  if (place.kind != Place::Kind::kVictim) ReleaseSlot(place.slot);
}

void PageCache::ReleaseSlot(uint32_t slot) {
  if (arena_.is_populated(slot))
    slots_.Release(slot);
  else
    slots_.ReleaseBare(slot);
}

void PageCache::Evicted(uint32_t slot) {
  --resident_pages_;
  counters_.Add(Counter::kEvictedPages);
  CountIfWasted(slot);
}

std::optional<uint32_t> PageCache::AdmittedSlot(const ExtentRead& read, bool in_run) {
  const bool is_bad = !IsAbsent(read.page);  // or it is being filled, in vain
  const PageRange range = RangeOf(read.page);
  const auto free = is_bad ? std::nullopt : FindFree();
  const auto place = free || is_bad ? free : FindVictim();
  const Admission::Miss miss = {.page = read.page,
                                .page_bytes = static_cast<uint32_t>(range.end - range.begin),
                                .extent_bytes = read.extent.length_bytes,
                                .in_run = in_run,
                                .has_free_slot = free.has_value(),
                                .has_victim = place && !free,
                                .victim_used_at = place ? place->used_at : 0,
                                .is_handed_on = slots_.presence(read.page) == SlotTable::Presence::kHandedOn,
                                .is_stream = residency_.IsStream(),
                                .may_fill = free && residency_.MayFill(),
                                .is_spread = residency_.IsSpread()};
  residency_.Missed(read.page, Admission::RentOf(miss, meter_.costs()));
  const Admit admit = admission_.Decide(miss, misses_.load(std::memory_order_relaxed), meter_.costs());
  if (!place) return std::nullopt;
  if (admit == Admit::kPage && Take(*place)) {
    if (miss.may_fill) residency_.Filled();
    return place->slot;
  }
  PutBack(*place);
  return std::nullopt;
}

std::optional<uint32_t> PageCache::AnySlot() {
  auto place = FindFree();
  if (!place) place = FindVictim();
  return place && Take(*place) ? std::optional(place->slot) : std::nullopt;
}

// Handed on counts as absent for a run: had the kernel the page, nobody would ask here.
bool PageCache::IsAbsent(uint64_t page) const {
  const auto presence = slots_.presence(page);
  return presence == SlotTable::Presence::kAbsent || presence == SlotTable::Presence::kHandedOn;
}

PageCache::SweepOutcome PageCache::Sweep(uint64_t page) {
  std::unique_lock lock(mutex_);
  if (is_draining_ || page >= page_count_ || slots_.presence(page) != SlotTable::Presence::kAbsent)
    return SweepOutcome::kNotNeeded;
  // One behind the other: the volume stays busy, and what is asked for meanwhile goes first.
  if (fills_.filling(FillKind::kSweep) >= kMaxSweeps) return SweepOutcome::kNoSlot;
  const auto place = FindFree();
  if (!place) return SweepOutcome::kNoSlot;
  // The last slots are for those who ask.
  const uint32_t bare = is_out_of_memory_ ? 0 : SlotLimit() - std::min(SlotLimit(), arena_.populated());
  if (slots_.free_count() + bare < kSlotsForDemand) {
    PutBack(*place);
    return SweepOutcome::kNoSlot;
  }
  Take(*place);
  StartFill(place->slot, page, nullptr, FillKind::kSweep);
  counters_.Add(Counter::kSweptPages);
  residency_.Swept();
  Answers none;
  SubmitAndAnswer(lock, none);
  return SweepOutcome::kBegun;
}

// --- Memory

void PageCache::GotMemory(uint32_t slot, bool is_there, Answers& answers) {
  --outstanding_;
  if (!is_there) is_out_of_memory_ = true;
  if (slot < slabs_.slab_count()) {
    slabs_.GotMemory(slot);
    ServeWaitingForMemory(answers);
  } else if (is_there) {
    fills_.HasMemory(slot);
  } else {
    fills_.HasNoMemory(slot);
    EndFill(slot, answers);
  }
  if (outstanding_ == 0) idle_.notify_all();
}

void PageCache::Trim(bool is_idle) {
  constexpr size_t kSlotsAtATime = 8;  // a slot costs some 20 us, and readers wait for the lock
  is_idle = is_idle && options_.readers_keep;
  std::unique_lock lock(mutex_);
  is_out_of_memory_ = false;
  ReclaimDrained();
  if (is_idle) {
    for (uint32_t slot = slots_.first_slot(); slot < end_of_used_; ++slot) {
      if (!slots_.is_unpinned(slot) || !slots_.Evict(slot)) continue;
      Evicted(slot);
      ReleaseSlot(slot);
    }
    slabs_.ReleaseMemory(arena_);
  }
  size_t unneeded = is_idle ? slots_.free_count() : least_free_ / 2;
  for (size_t released = 1; unneeded > 0 || arena_.populated() > SlotLimit(); ++released) {
    auto slot = slots_.TakeFree();
    if (!slot && arena_.populated() <= SlotLimit()) break;
    if (!slot) slot = TakeConsumed();
    if (const auto victim = slot ? std::nullopt : FindVictim(); victim && Take(*victim)) slot = victim->slot;
    if (!slot) break;
    arena_.Release(*slot);
    ReleaseSlot(*slot);
    unneeded -= unneeded > 0 ? 1 : 0;
    if (released % kSlotsAtATime != 0) continue;
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  least_free_ = slots_.free_count();
}

// --- Fills

PageCache::PageRange PageCache::RangeOf(uint64_t page) const {
  return {std::max(page * kPageBytes, volume_->data_begin), std::min((page + 1) * kPageBytes, volume_->data_end)};
}

std::span<const std::byte> PageCache::BytesIn(std::span<const std::byte> page, const Extent& extent) {
  return page.subspan(extent.offset % kPageBytes, extent.length_bytes);
}

void PageCache::StartFill(uint32_t slot, uint64_t page, ExtentRead* first, FillKind kind) {
  const PageRange range = RangeOf(page);
  const uint64_t now = misses_.load(std::memory_order_relaxed);
  const bool is_readahead = kind == FillKind::kReadahead;
  slots_.Enter(slot, page, static_cast<uint32_t>(range.end - range.begin), now, is_readahead);
  fills_.Begin(slot, kind, range.begin, range.end, arena_.base_of(slot), NowNs());
  if (is_readahead) counters_.Add(Counter::kPrefetchedPages);
  if (first != nullptr) {
    slots_.Use(slot, now, first->wanted_bytes);
    fills_.Join(slot, *first);
  }
  // Reads that wait for memory need none any more: nothing that comes resident may be behind a read that waits.
  memory_queue_.TakeIf([page](const ExtentRead& read) { return read.page == page; },
                       [&](ExtentRead& read) {
                         waiting_for_memory_.fetch_sub(1, std::memory_order_relaxed);
                         Count(read, Counter::kJoined);
                         slots_.Use(slot, now, read.wanted_bytes);
                         fills_.Join(slot, read);
                       });
  if (arena_.is_populated(slot)) {
    fills_.HasMemory(slot);
  } else {
    to_populate_.push_back(slot);
  }
}

void PageCache::SubmitAndAnswer(std::unique_lock<std::mutex>& lock, Answers& answers) {
  while (true) {
    fills_.Pump();
    const size_t reads = to_submit_.size();
    outstanding_ += reads;
    if (reads > 0) meter_.Began(reads, NowNs());
    VolumeRead* const submit = to_submit_.TakeAll();
    std::optional<uint32_t> bare;
    if (!to_populate_.empty()) {
      bare = to_populate_.back();
      to_populate_.pop_back();
      ++outstanding_;
    }
    lock.unlock();
    if (submit != nullptr) source_.Submit(submit);
    while (ExtentRead* const read = answers.Pop()) read->done(*read, TakeAnswer(*read));
    if (!bare) return;
    residency_.LookAtMemory();
    const auto populated = arena_.Populate(*bare);
    if (!populated && !is_memory_refused_.exchange(true, std::memory_order_relaxed))
      spdlog::warn("the cache stays at {} slots for now: {}", arena_.populated(), populated.error().message);
    lock.lock();
    GotMemory(*bare, populated.has_value(), answers);
  }
}

Result<ExtentPin> PageCache::TakeAnswer(ExtentRead& read) {
  ExtentPin pin(this, read.slot, read.bytes);
  if (!read.is_verified)
    if (auto verified = VerifyExtent(read.extent, read.bytes); !verified) return Propagate(std::move(verified));
  return pin;
}

void PageCache::OnPartRead(VolumeRead& read, int64_t result) {
  auto& request = static_cast<PageFills::Request&>(read);
  request.cache->PartRead(request, result);
}

void PageCache::PartRead(PageFills::Request& request, int64_t result) {
  const uint32_t slot = request.slot;
  PageFills::Fill& fill = fills_[slot];
  const uint64_t page = slots_.page_of(slot);
  const FillKind kind = fill.kind;
  Answers answers;
  std::unique_lock lock(mutex_);
  CountRead(result, NowNs());
  if (result > 0) fill.read_bytes += static_cast<uint32_t>(result);
  const bool is_complete = result >= request.needed_bytes;
  if (!is_complete) counters_.Add(Counter::kReadErrors);
  const bool is_last = fills_.Came(request, is_complete);
  bool is_wrong = false;
  if (is_last && fill.failed == 0) {
    // Still pending while it is verified, so that those who come meanwhile wait for it as well.
    const PageRange range = RangeOf(page);
    lock.unlock();
    is_wrong = !VerifyPage(page, arena_.slot(slot).subspan(range.begin % kPageBytes, range.end - range.begin));
    lock.lock();
    if (is_wrong) fill.failed = ~uint32_t{0};
  }
  fills_.TakeIn(request);
  const bool is_published = is_last && fill.failed == 0;
  if (is_last) {
    meter_.Completed(fill.read_bytes, NowNs());  // not the time from before the check: others have counted meanwhile
    fill.is_wrong = is_wrong;
    EndFill(slot, answers);
  } else {
    ExtentReadQueue retried;
    TakeReady(slot, answers, retried);
    Retry(retried, answers);
  }
  StartPrefetches();
  SubmitAndAnswer(lock, answers);
  if (is_published && page_listener_) page_listener_(page, kind == FillKind::kReadahead);  // behind those who wait
  EndRead();
}

// All of the page has come, or failed.
void PageCache::EndFill(uint32_t slot, Answers& answers) {
  PageFills::Fill& fill = fills_[slot];
  if (fill.failed == 0) Publish(slot);
  ExtentReadQueue retried;
  TakeReady(slot, answers, retried);
  fills_.Ended(slot);
  if (fill.failed != 0) {
    // Slots without memory have not read anything: nothing is known of the page.
    const auto then = fill.is_wrong      ? SlotTable::Presence::kWrong
                      : !fill.has_memory ? SlotTable::Presence::kAbsent
                                         : SlotTable::Presence::kUnreadable;
    if (then == SlotTable::Presence::kUnreadable) {
      const uint64_t now_ns = NowNs();
      const bool is_again = now_ns - unreadable_at_ns_ < 2 * kMostRetryNs;
      retry_after_ns_ = is_again ? std::min(2 * retry_after_ns_, kMostRetryNs) : kLeastRetryNs;
      unreadable_at_ns_ = now_ns;
    }
    slots_.Leave(slot, then);
    CountIfWasted(slot);
    if (fill.has_memory)
      draining_.push_back(slot);
    else
      ReleaseSlot(slot);
  }
  Retry(retried, answers);
}

// Those whose bytes are there, or will never be.
void PageCache::TakeReady(uint32_t slot, Answers& answers, ExtentReadQueue& retried) {
  const bool is_resident = slots_.is_open(slot);
  fills_[slot].waiters.TakeIf(
      [&](const ExtentRead& read) { return fills_.HasFailed(slot, read.extent) || fills_.IsThere(slot, read.extent); },
      [&](ExtentRead& read) {
        if (fills_.HasFailed(slot, read.extent)) return retried.Push(read);
        slots_.PinMore(slot);
        Answer(read, slot, BytesIn(arena_.slot(slot), read.extent), is_resident, answers);
      });
}

void PageCache::Retry(ExtentReadQueue& retried, Answers& answers) {
  while (ExtentRead* const read = retried.Pop())
    if (ServeAgain(*read, answers) == Outcome::kNoMemory) WaitForMemory(*read, answers);
}

void PageCache::Publish(uint32_t slot) {
  PageFills::Fill& fill = fills_[slot];
  fill.filled_at = misses_.load(std::memory_order_relaxed);
  slots_.Open(slot, fill.filled_at);
  ++resident_pages_;
  counters_.Add(Counter::kFilledPages);
  const uint64_t latency_ns = NowNs() - fill.began_ns;
  counters_.AddFillLatency(latency_ns);
  meter_.FillTook(latency_ns);
  readahead_.SetBandwidthDelay(meter_.bandwidth_delay_pages());
}

void PageCache::OnExtentRead(VolumeRead& read, int64_t result) {
  auto& entry = static_cast<ExtentSlabs::Entry&>(read);
  entry.cache->ExtentAloneRead(entry, result);
}

void PageCache::ExtentAloneRead(ExtentSlabs::Entry& entry, int64_t result) {
  const Extent extent = entry.extent;
  const uint64_t page = PageOf(extent);
  const auto needed_bytes = static_cast<int64_t>(extent.offset - entry.offset + extent.length_bytes);
  Result<void> good;
  if (result < 0)
    good = SystemError(static_cast<int>(-result), "{} bytes at {} (page {})", extent.length_bytes, extent.offset, page);
  else if (result < needed_bytes)
    good = Corrupt("{} bytes at {} (page {}): the pack ends before them; it was truncated", extent.length_bytes,
                   extent.offset, page);
  if (!good)
    counters_.Add(Counter::kReadErrors);
  else
    good = VerifyExtent(extent, arena_.slot(entry.slot).subspan(entry.begin, extent.length_bytes));

  std::unique_lock lock(mutex_);
  const uint64_t now_ns = NowNs();
  CountRead(result, now_ns);
  if (result > 0) meter_.Completed(static_cast<uint64_t>(result), now_ns);
  Answers answers;
  ExtentReadQueue failed;
  const uint32_t slot = entry.slot;
  while (ExtentRead* const read = entry.waiters.Pop()) {
    if (!good) {
      failed.Push(*read);
      continue;
    }
    slabs_.Pin(slot);
    Answer(*read, slot, arena_.slot(slot).subspan(entry.begin, extent.length_bytes), true, answers);
  }
  if (good)
    entry.is_filled = true;
  else
    slabs_.Discard(entry);
  if (good && slots_.presence(page) == SlotTable::Presence::kUnreadable && now_ns - unreadable_at_ns_ > retry_after_ns_)
    slots_.SetAbsent(page);
  StartPrefetches();
  SubmitAndAnswer(lock, answers);
  while (ExtentRead* const read = failed.Pop()) read->done(*read, std::unexpected(good.error()));
  Unpin(slot);  // the read's own
  EndRead();
}

void PageCache::EndRead() {
  const std::scoped_lock lock(mutex_);
  if (--outstanding_ == 0) idle_.notify_all();
}

void PageCache::CountRead(int64_t result, uint64_t now_ns) {
  counters_.Add(Counter::kVolumeReads);
  if (result > 0) counters_.Add(Counter::kVolumeBytes, static_cast<uint64_t>(result));
  meter_.Ended(now_ns);
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

// --- Readahead

void PageCache::UseFirstTime(uint32_t slot, const Extent& extent) {
  if (!slots_.TakeUnused(slot)) return;
  counters_.Add(Counter::kPrefetchedUsed);
  readahead_.PrefetchUsed();
  FollowRun(readahead_.Access(extent.offset, extent.length_bytes));
  StartPrefetches();
}

void PageCache::CountIfWasted(uint32_t slot) {
  if (!slots_.TakeUnused(slot)) return;
  counters_.Add(Counter::kPrefetchedWasted);
  readahead_.PrefetchWasted();
}

void PageCache::FollowRun(const Readahead::Advice& advice) {
  for (uint64_t page = advice.first_page; page < advice.first_page + advice.pages; ++page) {
    const bool is_wanted =
        !is_draining_ && prefetch_count_ < prefetch_queue_.size() && page < page_count_ && IsAbsent(page);
    if (!is_wanted) {
      readahead_.PrefetchDeclined();
      continue;
    }
    prefetch_queue_[(prefetch_first_ + prefetch_count_) % prefetch_queue_.size()] = page;
    ++prefetch_count_;
  }
}

void PageCache::StartPrefetches() {
  while (prefetch_count_ > 0 && fills_.filling(FillKind::kReadahead) < kMaxPrefetches) {
    const uint64_t page = prefetch_queue_[prefetch_first_];
    prefetch_first_ = (prefetch_first_ + 1) % prefetch_queue_.size();
    --prefetch_count_;
    if (const auto slot = IsAbsent(page) ? AnySlot() : std::nullopt)
      StartFill(*slot, page, nullptr, FillKind::kReadahead);
    else
      readahead_.PrefetchDeclined();
  }
}

// --- What others may know

uint64_t PageCache::uses() const {
  CacheStats stats;
  counters_.Sum(stats);
  return stats.reads() + stats[Counter::kVolumeReads];
}

CacheStats PageCache::GetStats() const {
  CacheStats stats;
  counters_.Sum(stats);
  const std::scoped_lock lock(mutex_);
  stats.slots = arena_.populated();
  stats.resident_pages = resident_pages_;
  stats.ns_per_byte_x1000 = static_cast<uint64_t>(meter_.costs().ns_per_byte() * 1000);
  stats.ns_per_request = static_cast<uint64_t>(meter_.costs().ns_per_request());
  return stats;
}

std::string PageCache::Describe() const {
  const uint32_t page_slots = arena_.slot_count() - slabs_.slab_count();
  return fmt::format("policy {}, admission {}: {} pages, up to {} of them in memory{}",
                     NameOf(kPolicyNames, options_.policy), NameOf(kAdmissionNames, options_.admission), page_count_,
                     page_slots, options_.readahead ? "" : ", no readahead");
}

}  // namespace quire
