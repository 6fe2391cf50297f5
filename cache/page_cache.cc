// SPDX-License-Identifier: Apache-2.0
#include "cache/page_cache.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "cache/log.h"
#include "cache/steady_clock.h"
#include "format/coding.h"
#include "format/mutex.h"
#include "format/room_to_grow.h"

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

uint32_t SlabsOf(const Arena& arena) { return std::clamp(arena.slot_count() / kSlotsPerSlab, kMinSlabs, kMaxSlabs); }

// Where an extent begins in the row of pages.
uint64_t OffsetInRow(uint64_t page, const Extent& extent) { return page * kPageBytes + extent.offset % kPageBytes; }

// Of a request that has just come back.
RequestTimes TimesOf(const VolumeRead& read) {
  return {.sent_ns = read.sent_ns, .came_ns = NowNs(), .decode_ns = read.decode_ns, .brought_by = read.brought_by};
}

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
      options_(options),
      volumes_(pack, source),
      most_pages_(options.grows ? PagesWithRoomToGrow(page_count()) : page_count()),
      sums_(pack, arena.slot_count(), counters_),
      residency_(options.push, DataOf(pack, page_count(), options), std::move(environment)),
      slabs_(arena, SlabsOf(arena), volumes_.alignment_bytes()),
      slots_(most_pages_, slabs_.slab_count(), arena.slot_count(), options.readers_keep),
      fills_(arena.slot_count(), volumes_, to_submit_, this, OnPartRead),
      admission_(options.admission, page_count(), arena.slot_count() - slabs_.slab_count(), most_pages_),
      // Slots are asked for with the lock held.
      supply_(slots_, arena, residency_, options.policy,
              [this](uint32_t slot) QUIRE_REQUIRES(mutex_) { Evicted(slot); }),
      given_(most_pages_),
      readahead_(page_count(),
                 std::min((arena.slot_count() - slabs_.slab_count()) / kReadaheadShare, kMaxReadaheadPages)),
      prefetches_(arena.slot_count() / kReadaheadShare) {
  assert(arena.slot_count() >= kMinSlots);
}

PageCache::~PageCache() { Drain(); }

Result<void> PageCache::Grow(const Index& later) {
  assert(options_.grows);
  if (auto grown = volumes_.Grow(pack_, later, most_pages_); !grown) return grown;
  residency_.Grow(later.superblock().stored_bytes, later.superblock().samples, page_count());
  const MutexLock lock(mutex_);
  admission_.Grow(page_count());
  readahead_.Grow(page_count());
  return {};
}

void PageCache::Drain() {
  MutexLock lock(mutex_);
  is_draining_ = true;
  while (prefetches_.Pop()) readahead_.PrefetchDeclined();
  idle_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return outstanding_ == 0 && memory_queue_.empty(); });
}

void PageCache::SetFuture(std::span<const uint64_t> pages) {
  if (keeper_ != nullptr) {
    std::vector<VolumeSet::Page> places;
    places.reserve(pages.size());
    for (const uint64_t page : pages) places.push_back(volumes_.At(page));
    keeper_->SetFuture(std::move(places));
    if (fits()) return;
  }
  // A new policy, since a long future takes its time, and reads go on meanwhile.
  auto policy = MakeEvictionPolicy(options_.policy);
  policy->SetFuture(pages);
  const MutexLock lock(mutex_);
  supply_.SwapPolicy(policy);
  wants_accesses_ = supply_.policy().wants_accesses();
}

// --- Hits

std::optional<ExtentPin> PageCache::PinPage(uint64_t page) {
  const auto slot = slots_.TryPin(page);
  if (!slot) return std::nullopt;
  return ExtentPin(this, *slot, arena_.slot(*slot));
}

bool PageCache::IsRight(const ExtentPin& page, const Extent& extent) {
  return !IsLeftOut(page, extent) &&
         sums_.IsRight(page.slot_, slots_.page_of(page.slot_), extent, BytesIn(page.bytes(), extent));
}

bool PageCache::Holds(const Extent& extent) {
  const auto page = volumes_.FindPage(extent);
  const auto pin = page ? PinPage(*page) : std::nullopt;
  return pin && !IsLeftOut(*pin, extent);
}

std::optional<ExtentPin> PageCache::TryPin(const Extent& extent, uint32_t wanted_bytes) {
  const auto page = volumes_.FindPage(extent);
  if (!page) return std::nullopt;
  const auto slot = slots_.TryPin(*page);
  if (!slot) return std::nullopt;
  ExtentPin pin(this, *slot, BytesIn(arena_.slot(*slot), extent));
  if (fills_.IsLeftOut(*slot, extent) || !sums_.IsRight(*slot, *page, extent, pin.bytes())) return std::nullopt;
  slots_.Use(*slot, misses_.load(std::memory_order_relaxed), wanted_bytes);
  counters_.Add(Counter::kHits);
  counters_.Add(Counter::kHitBytes, wanted_bytes);
  const bool wants_accesses = wants_accesses_.load(std::memory_order_relaxed);
  if (slots_.is_unused(*slot) || wants_accesses) [[unlikely]] {
    MutexLock lock(mutex_);
    if (wants_accesses) supply_.policy().Access(*page);
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
    MutexLock lock(mutex_);
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
  const auto page = volumes_.PageOf(read.extent);
  if (!page) return std::unexpected(page.error());
  const uint64_t asked_ns = NowNs();
  Answers answers;
  MutexLock lock(mutex_);
  read.page = *page;
  read.asked_ns = asked_ns;
  read.is_counted = false;
  read.is_wrong_in_page = false;
  Outcome outcome = ServeNew(read, answers);
  while (outcome == Outcome::kAnswered) {
    answers.Pop();
    SubmitAndAnswer(lock, answers);
    if (auto pin = TakeAnswer(read)) return Result<ExtentPin>(*std::move(pin));
    lock.lock();
    outcome = ServeAgain(read, answers);  // not by its page
  }
  if (outcome == Outcome::kNoMemory) WaitForMemory(read, answers);
  SubmitAndAnswer(lock, answers);  // perhaps `read` itself: it is no longer ours
  return std::nullopt;
}

PageCache::Outcome PageCache::ServeNew(ExtentRead& read, Answers& answers) {
  if (wants_accesses_.load(std::memory_order_relaxed)) supply_.policy().Access(read.page);
  if (const auto outcome = ServeFromMemory(read, answers)) return *outcome;

  misses_.fetch_add(1, std::memory_order_relaxed);
  const auto advice = options_.readahead && !read.is_alone
                          ? readahead_.Access(OffsetInRow(read.page, read.extent), read.extent.length_bytes)
                          : Readahead::Advice();
  Outcome outcome = Outcome::kParked;
  if (const auto slot = read.is_alone ? std::nullopt : AdmittedSlot(read, advice.in_run)) {
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

void PageCache::Answer(ExtentRead& read, uint32_t slot, std::span<const std::byte> bytes, Answers& answers) {
  read.slot = slot;
  read.bytes = bytes;
  answers.Push(read);
}

void PageCache::Count(ExtentRead& read, Counter counter) {
  if (std::exchange(read.is_counted, true)) return;
  read.counted_as = counter;
  counters_.Add(counter);
  if (counter == Counter::kHits) counters_.Add(Counter::kHitBytes, read.wanted_bytes);
  if (counter == Counter::kFillMisses || counter == Counter::kBypasses)
    counters_.Add(Counter::kMissedBytes, read.extent.length_bytes);
}

std::optional<PageCache::Outcome> PageCache::ServeFromPage(ExtentRead& read, Answers& answers) {
  if (slots_.presence(read.page) != SlotTable::Presence::kHeld) return std::nullopt;
  const uint32_t slot = slots_.slot_of(read.page);
  if (fills_.HasFailed(slot, read.extent) || read.is_wrong_in_page) return std::nullopt;
  const bool is_resident = slots_.is_open(slot);
  if (is_resident && fills_.IsLeftOut(slot, read.extent)) return std::nullopt;

  Count(read, is_resident ? Counter::kHits : Counter::kJoined);
  slots_.Use(slot, misses_.load(std::memory_order_relaxed), read.wanted_bytes);
  const bool is_there = !fills_.IsLeftOut(slot, read.extent) && fills_.IsThere(slot, read.extent);
  if (is_there) {
    slots_.PinMore(slot);
    Answer(read, slot, BytesIn(arena_.slot(slot), read.extent), answers);
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
  AnswerFromSlab(*entry, read, answers);
  return Outcome::kAnswered;
}

void PageCache::AnswerFromSlab(ExtentSlabs::Entry& entry, ExtentRead& read, Answers& answers) {
  slabs_.Pin(entry.slot);
  Answer(read, entry.slot, arena_.slot(entry.slot).subspan(entry.begin, read.extent.length_bytes), answers);
  // A stream is read by a kernel, which keeps what it was given.
  entry.given_bytes += std::min(read.wanted_bytes, read.extent.length_bytes - entry.given_bytes);
  if (entry.given_bytes == read.extent.length_bytes && residency_.IsStream())
    given_[read.page] |= UnitSet::Within(read.extent.offset % kPageBytes, read.extent.length_bytes);
}

PageCache::Outcome PageCache::Bypass(ExtentRead& read) {
  ExtentSlabs::Entry* const entry = slabs_.Allocate(read.number, read.extent);
  if (entry == nullptr) {
    // One slab more, for those who come next, where memory permits.
    if (const auto slab = supply_.MayGrow() ? slabs_.TakeBare() : std::nullopt) supply_.NeedsMemory(*slab);
    return Outcome::kNoMemory;
  }
  Count(read, Counter::kBypasses);
  entry->cache = this;
  entry->done = OnExtentRead;
  entry->waiters.Push(read);
  to_submit_.Push(*entry);
  fills_.UrgentSent();
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

void PageCache::Evicted(uint32_t slot) {
  counters_.Add(Counter::kEvictedPages);
  CountIfWasted(slot);
}

std::optional<uint32_t> PageCache::AdmittedSlot(const ExtentRead& read, bool in_run) {
  const bool is_bad = !IsAbsent(read.page);  // or it is being filled, in vain
  const VolumeSet::Page data = volumes_.At(read.page);
  const auto free = is_bad ? std::nullopt : supply_.FindFree();
  const auto place = free || is_bad ? free : supply_.FindVictim();
  const Admission::Miss miss = {.page = read.page,
                                .page_bytes = static_cast<uint32_t>(data.end - data.begin),
                                .extent_bytes = read.extent.length_bytes,
                                .in_run = in_run,
                                .has_free_slot = free.has_value(),
                                .has_victim = place && !free,
                                .victim_used_at = place ? place->used_at : 0,
                                .is_handed_on = slots_.presence(read.page) == SlotTable::Presence::kHandedOn,
                                .is_stream = residency_.IsStream(),
                                .may_fill = free && residency_.MayFill(),
                                .is_spread = residency_.IsSpread(),
                                .is_kept_below = keeper_ != nullptr && keeper_->Wants(data)};
  residency_.Missed(read.page, Admission::RentOf(miss, meter_.costs()));
  const Admit admit = admission_.Decide(miss, misses_.load(std::memory_order_relaxed), meter_.costs());
  if (!place) return std::nullopt;
  if (admit == Admit::kPage && supply_.Take(*place)) {
    if (miss.may_fill) residency_.Filled();
    return place->slot;
  }
  supply_.PutBack(*place);
  return std::nullopt;
}

// Handed on counts as absent for a run: had the kernel the page, nobody would ask here.
bool PageCache::IsAbsent(uint64_t page) const {
  const auto presence = slots_.presence(page);
  return presence == SlotTable::Presence::kAbsent || presence == SlotTable::Presence::kHandedOn;
}

PageCache::SweepOutcome PageCache::Sweep(uint64_t page) {
  MutexLock lock(mutex_);
  if (is_draining_ || page >= page_count() || slots_.presence(page) != SlotTable::Presence::kAbsent)
    return SweepOutcome::kNotNeeded;
  // One behind the other: the volume stays busy, and what is asked for meanwhile goes first.
  // Far away it takes more of them to keep it so: what comes is late, and does not come sooner for being asked for
  // alone.
  const uint64_t far_pages = uint64_t{volumes_.background_depth()} * volumes_.request_bytes() / kPageBytes;
  if (fills_.filling(FillKind::kSweep) >= std::max<uint64_t>(kMaxSweeps, far_pages)) return SweepOutcome::kNoSlot;
  const auto place = supply_.FindFree(SlotSupply::For::kSweeps);
  if (!place) return SweepOutcome::kNoSlot;
  // The last slots are for those who ask.
  if (supply_.CountSpare() < kSlotsForDemand) {
    supply_.PutBack(*place);
    return SweepOutcome::kNoSlot;
  }
  supply_.Take(*place);
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
  supply_.MemoryCame(is_there);
  if (slot < slabs_.slab_count()) {
    slabs_.GotMemory(slot);
    ServeWaitingForMemory(answers);
  } else if (is_there) {
    fills_.HasMemory(slot);
  } else {
    fills_.HasNoMemory(slot);
    EndFill(slot, {}, answers);  // nobody is answered
  }
  if (outstanding_ == 0) idle_.notify_all();
}

void PageCache::Trim(bool is_idle) {
  constexpr size_t kSlotsAtATime = 8;  // a slot costs some 20 us, and readers wait for the lock
  MutexLock lock(mutex_);
  is_idle = is_idle && options_.readers_keep;
  supply_.BeginTrim(is_idle);
  if (is_idle) slabs_.ReleaseMemory(arena_);
  for (size_t released = 1; supply_.TrimOne(); ++released) {
    if (released % kSlotsAtATime != 0) continue;
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

void PageCache::FillReserve(const std::stop_token& stop, std::chrono::milliseconds most) {
  MutexLock lock(mutex_);
  reserve_wanted_.wait_for(lock, stop, most, [this]() QUIRE_REQUIRES(mutex_) { return supply_.wants_reserve(); });
  while (!stop.stop_requested()) {
    const auto slot = supply_.TakeForReserve();
    if (!slot) return;
    lock.unlock();
    const bool is_there = Populate(*slot);
    lock.lock();
    supply_.MemoryCame(is_there);
    supply_.GiveBack(*slot);
  }
}

bool PageCache::Populate(uint32_t slot) noexcept try {
  residency_.LookAtMemory();
  const auto populated = arena_.Populate(slot);
  if (!populated && !is_memory_refused_.exchange(true, std::memory_order_relaxed))
    Log(LogLevel::kWarning, "the cache stays at {} slots for now: {}", arena_.populated(), populated.error().message);
  return populated.has_value();
} catch (const std::bad_alloc&) {  // not even for a message
  return arena_.is_populated(slot);
}

// --- Fills

std::span<const std::byte> PageCache::BytesIn(std::span<const std::byte> page, const Extent& extent) {
  return page.subspan(extent.offset % kPageBytes, extent.length_bytes);
}

void PageCache::StartFill(uint32_t slot, uint64_t page, ExtentRead* first, FillKind kind) {
  const VolumeSet::Page data = volumes_.At(page);
  const uint64_t now = misses_.load(std::memory_order_relaxed);
  const bool is_readahead = kind == FillKind::kReadahead;
  sums_.Entered(slot);
  UnitSet given = std::exchange(given_[page], {});
  if (keeper_ != nullptr && keeper_->Wants(data)) given = {};  // all of it is of use to others
  const uint32_t left_out_bytes = fills_.Begin(slot, kind, data, given, arena_.base_of(slot), NowNs());
  slots_.Enter(slot, page, static_cast<uint32_t>(data.end - data.begin) - left_out_bytes, now, is_readahead);
  if (is_readahead) counters_.Add(Counter::kPrefetchedPages);
  if (first != nullptr) {
    slots_.Use(slot, now, first->wanted_bytes);
    fills_.Join(slot, *first);
  }
  // Reads that wait for memory need none any more: nothing that comes resident may be behind a read that waits.
  ExtentReadQueue joined;
  memory_queue_.TakeIf([page](const ExtentRead& read) { return read.page == page; },
                       [&joined](ExtentRead& read) { joined.Push(read); });
  while (ExtentRead* const read = joined.Pop()) {
    waiting_for_memory_.fetch_sub(1, std::memory_order_relaxed);
    Count(*read, Counter::kJoined);
    slots_.Use(slot, now, read->wanted_bytes);
    fills_.Join(slot, *read);
  }
  if (arena_.is_populated(slot)) {
    fills_.HasMemory(slot);
  } else {
    supply_.NeedsMemory(slot);
  }
}

// The analysis cannot follow a lock that is handed over.
void PageCache::SubmitAndAnswer(MutexLock& lock, Answers& answers) QUIRE_UNCHECKED_LOCKS {
  while (true) {
    fills_.Pump(meter_.BusyDepth(volumes_.request_bytes(), volumes_.depth()));
    const size_t reads = to_submit_.size();
    outstanding_ += reads;
    VolumeRead* const submit = to_submit_.TakeAll();
    if (submit != nullptr) {
      const uint64_t now_ns = NowNs();
      meter_.Began(reads, now_ns);
      for (VolumeRead* read = submit; read != nullptr; read = read->next) {
        read->sent_ns = now_ns;
        read->decode_ns = 0;
        read->brought_by = ReadStage::kVolume;
      }
    }
    const auto bare = supply_.TakeSlotToPopulate();
    if (bare) ++outstanding_;
    const bool wants_reserve = supply_.wants_reserve();
    lock.unlock();
    if (wants_reserve) reserve_wanted_.notify_one();
    if (submit != nullptr) volumes_.Submit(submit);
    ExtentReadQueue wrong;
    while (ExtentRead* const read = answers.Pop()) {
      if (auto pin = TakeAnswer(*read))
        read->done(*read, *std::move(pin));
      else
        wrong.Push(*read);
    }
    if (!bare && wrong.empty()) return;
    const bool has_memory = bare && Populate(*bare);
    lock.lock();
    if (bare) GotMemory(*bare, has_memory, answers);
    Retry(wrong, answers);
  }
}

std::optional<ExtentPin> PageCache::TakeAnswer(ExtentRead& read) {
  ExtentPin pin(this, read.slot, read.bytes);
  // What lies in a slab was checked when it came.
  read.is_wrong_in_page = false;
  if (read.slot < slabs_.slab_count()) return pin;
  const uint64_t began_ns = NowNs();
  read.is_wrong_in_page = !sums_.IsRight(read.slot, read.page, read.extent, read.bytes);
  read.times.Add(ReadStage::kCheck, NowNs() - began_ns);
  if (read.is_wrong_in_page) return std::nullopt;
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
  const RequestTimes times = TimesOf(request);
  MutexLock lock(mutex_);
  CountRead(result, NowNs());
  if (result > 0) fill.read_bytes += static_cast<uint32_t>(result);
  const bool is_complete = result >= request.needed_bytes;
  if (!is_complete) counters_.Add(Counter::kReadErrors);
  const bool is_last = fills_.Came(request, is_complete);
  const bool is_published = is_last && fill.failed.empty();
  const VolumeSet::Page data = fill.page;
  UnitSet kept_units;
  std::optional<ExtentPin> kept;
  if (is_last) {
    CountRequest(fill.read_bytes, NowNs());
    if (is_published && keeper_ != nullptr) {
      slots_.PinMore(slot);
      kept = ExtentPin(this, slot, arena_.slot(slot));
      kept_units = UnitSet::Touching(data.begin % kPageBytes, data.end - data.begin);
      kept_units -= fill.left_out;
    }
    EndFill(slot, times, answers);
  } else {
    ExtentReadQueue retried;
    TakeReady(slot, times, answers, retried);
    Retry(retried, answers);
  }
  StartPrefetches();
  SubmitAndAnswer(lock, answers);
  if (is_published && page_listener_) page_listener_(page, kind == FillKind::kReadahead);  // behind those who wait
  if (is_last && keeper_ != nullptr) keeper_->FillEnded(data, kept_units, std::move(kept));
  EndRead();
}

// All of the page has come, or failed.
void PageCache::EndFill(uint32_t slot, const RequestTimes& times, Answers& answers) {
  const PageFills::Fill& fill = fills_[slot];
  if (fill.failed.empty()) Publish(slot);
  ExtentReadQueue retried;
  TakeReady(slot, times, answers, retried);
  fills_.Ended(slot);
  if (!fill.failed.empty()) {
    // Slots without memory have not read anything: nothing is known of the page.
    const auto then = fill.has_memory ? SlotTable::Presence::kUnreadable : SlotTable::Presence::kAbsent;
    if (then == SlotTable::Presence::kUnreadable) retry_pause_.Failed(NowNs());
    slots_.Leave(slot, then);
    CountIfWasted(slot);
    supply_.GiveBack(slot, /*is_in_use=*/fill.has_memory);
  }
  Retry(retried, answers);
}

// Those whose bytes are there, or will never be.
void PageCache::TakeReady(uint32_t slot, const RequestTimes& times, Answers& answers, ExtentReadQueue& retried) {
  fills_[slot].waiters.TakeIf(
      [&](const ExtentRead& read) { return fills_.HasFailed(slot, read.extent) || fills_.IsThere(slot, read.extent); },
      [&](ExtentRead& read) {
        if (fills_.HasFailed(slot, read.extent)) return retried.Push(read);
        slots_.PinMore(slot);
        AddRequest(read.times, read.asked_ns, times);
        Answer(read, slot, BytesIn(arena_.slot(slot), read.extent), answers);
      });
}

void PageCache::Retry(ExtentReadQueue& retried, Answers& answers) {
  while (ExtentRead* const read = retried.Pop())
    if (ServeAgain(*read, answers) == Outcome::kNoMemory) WaitForMemory(*read, answers);
}

void PageCache::Publish(uint32_t slot) {
  slots_.Open(slot, misses_.load(std::memory_order_relaxed));
  counters_.Add(Counter::kFilledPages);
  const uint64_t latency_ns = NowNs() - fills_[slot].began_ns;
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
  const RequestTimes times = TimesOf(entry);
  const uint64_t page = *volumes_.FindPage(extent);  // its read passed PageOf
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
    good = sums_.Check(extent, arena_.slot(entry.slot).subspan(entry.begin, extent.length_bytes));
  const bool is_wrong = !good && result >= needed_bytes;
  if (is_wrong && !std::exchange(entry.was_wrong, true)) return ReadAgain(entry, result);

  MutexLock lock(mutex_);
  const uint64_t now_ns = NowNs();
  CountRead(result, now_ns);
  if (result > 0) CountRequest(static_cast<uint64_t>(result), now_ns);
  fills_.UrgentCame();
  Answers answers;
  ExtentReadQueue failed;
  const uint32_t slot = entry.slot;
  bool was_wrong_in_page = false;
  while (ExtentRead* const read = entry.waiters.Pop()) {
    was_wrong_in_page |= read->is_wrong_in_page;
    if (!good) {
      failed.Push(*read);
      continue;
    }
    AddRequest(read->times, read->asked_ns, times);
    read->times.Add(ReadStage::kCheck, now_ns - times.came_ns);
    AnswerFromSlab(entry, *read, answers);
  }
  if (good)
    entry.is_filled = true;
  else
    slabs_.Discard(entry);
  if (good && slots_.presence(page) == SlotTable::Presence::kUnreadable && retry_pause_.IsOver(now_ns))
    slots_.SetAbsent(page);
  if (good && was_wrong_in_page) DropIfWrong(page);
  StartPrefetches();
  SubmitAndAnswer(lock, answers);
  while (ExtentRead* const read = failed.Pop()) read->done(*read, std::unexpected(good.error()));
  Unpin(slot);  // the read's own
  EndRead();
}

// The disk gives other bytes than those that the page came with: who needs the page has it read anew.
void PageCache::DropIfWrong(uint64_t page) {
  if (slots_.presence(page) != SlotTable::Presence::kHeld) return;
  const uint32_t slot = slots_.slot_of(page);
  if (!slots_.is_open(slot) || !sums_.has_wrong(slot)) return;
  slots_.Drop(slot);
  Evicted(slot);
  supply_.GiveBack(slot, /*is_in_use=*/true);
}

void PageCache::ReadAgain(ExtentSlabs::Entry& entry, int64_t result) {
  MutexLock lock(mutex_);
  const uint64_t now_ns = NowNs();
  CountRead(result, now_ns);
  CountRequest(static_cast<uint64_t>(result), now_ns);
  entry.is_fresh = true;
  to_submit_.Push(entry);
  Answers none;
  SubmitAndAnswer(lock, none);
  EndRead();
}

void PageCache::EndRead() {
  const MutexLock lock(mutex_);
  if (--outstanding_ == 0) idle_.notify_all();
}

void PageCache::CountRead(int64_t result, uint64_t now_ns) {
  counters_.Add(Counter::kVolumeReads);
  if (result > 0) counters_.Add(Counter::kVolumeBytes, static_cast<uint64_t>(result));
  meter_.Ended(result > 0 ? static_cast<uint64_t>(result) : 0, now_ns);
}

void PageCache::CountRequest(uint64_t bytes, uint64_t now_ns) {
  meter_.Completed(bytes, now_ns);
  ns_per_byte_x1000_.Set(static_cast<uint64_t>(meter_.costs().ns_per_byte() * 1000));
  ns_per_request_.Set(static_cast<uint64_t>(meter_.costs().ns_per_request()));
}

// --- Readahead

void PageCache::UseFirstTime(uint32_t slot, const Extent& extent) {
  if (!slots_.TakeUnused(slot)) return;
  counters_.Add(Counter::kPrefetchedUsed);
  readahead_.PrefetchUsed();
  FollowRun(readahead_.Access(OffsetInRow(slots_.page_of(slot), extent), extent.length_bytes));
  StartPrefetches();
}

void PageCache::CountIfWasted(uint32_t slot) {
  if (!slots_.TakeUnused(slot)) return;
  counters_.Add(Counter::kPrefetchedWasted);
  readahead_.PrefetchWasted();
}

void PageCache::FollowRun(const Readahead::Advice& advice) {
  for (uint64_t page = advice.first_page; page < advice.first_page + advice.pages; ++page) {
    const bool is_wanted = !is_draining_ && !prefetches_.is_full() && page < page_count() && IsAbsent(page);
    if (is_wanted)
      prefetches_.Push(page);
    else
      readahead_.PrefetchDeclined();
  }
}

void PageCache::StartPrefetches() {
  while (fills_.filling(FillKind::kReadahead) < kMaxPrefetches) {
    const auto page = prefetches_.Pop();
    if (!page) return;
    if (const auto slot = IsAbsent(*page) ? supply_.TakeAny() : std::nullopt)
      StartFill(*slot, *page, nullptr, FillKind::kReadahead);
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
  stats.slots = arena_.populated();
  stats.resident_pages = slots_.open_count();
  stats.ns_per_byte_x1000 = ns_per_byte_x1000_.get();
  stats.ns_per_request = ns_per_request_.get();
  return stats;
}

std::string PageCache::Describe() const {
  const uint32_t page_slots = arena_.slot_count() - slabs_.slab_count();
  return fmt::format("policy {}, admission {}: {} pages, up to {} of them in memory{}",
                     NameOf(kPolicyNames, options_.policy), NameOf(kAdmissionNames, options_.admission), page_count(),
                     page_slots, options_.readahead ? "" : ", no readahead");
}

}  // namespace quire
