// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/pusher.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cache/background_thread.h"
#include "format/pack/sample_content.h"
#include "format/rounding.h"

namespace quire {
namespace {

// Pages that wait to be pushed; one that finds no room comes again with its next read.
constexpr uint64_t kMaxQueuedPages = 4096;
constexpr uint16_t kMaxPatience = 4096;
constexpr int kNice = -10;
// A page of which the kernel lacks no more than an eighth has been handed on.
constexpr uint64_t kLeftShare = 8;
// What the kernel asks for at once, by its readahead: of a longer extent that it asked for, it may have a part only.
constexpr uint32_t kRequestBytes = 128 << 10;

}  // namespace

Pusher::Pusher(const Index& index, PageCache& cache, KernelView& view, KernelStore& store,
               std::function<void()> handed_on)
    : index_(index),
      cache_(cache),
      view_(view),
      store_(store),
      residency_(cache.residency()),
      handed_on_(std::move(handed_on)),
      pages_(cache.most_pages()),
      seams_(cache.most_pages()),
      ring_(std::clamp<uint64_t>(cache.most_pages(), 1, kMaxQueuedPages)) {}

Pusher::~Pusher() { Stop(); }

Result<void> Pusher::Start(unsigned threads) {
  while (threads_.size() < threads) {
    auto thread = StartBackgroundThread("quire-push", [this](const std::stop_token& stop) { Run(stop); });
    if (!thread) return Propagate(std::move(thread));
    threads_.push_back(*std::move(thread));
  }
  return {};
}

void Pusher::Stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Pusher::PageArrived(uint64_t page, bool in_run) {
  pages_[page].in_run.store(in_run, std::memory_order_relaxed);
  Enqueue(page);
}

void Pusher::PageRead(uint64_t page) {
  Page& state = pages_[page];
  const uint16_t left = state.reads_to_wait.load(std::memory_order_relaxed);
  if (left > 0)
    state.reads_to_wait.store(left - 1, std::memory_order_relaxed);  // a lost count does no harm
  else
    Enqueue(page);
}

void Pusher::Enqueue(uint64_t page) {
  if (pages_[page].is_queued.exchange(true, std::memory_order_relaxed)) return;
  {
    const MutexLock lock(mutex_);
    if (count_ == ring_.size()) {
      pages_[page].is_queued.store(false, std::memory_order_relaxed);
      return;
    }
    ring_[(first_ + count_++) % ring_.size()] = page;
  }
  arrived_.notify_one();
}

void Pusher::Run(const std::stop_token& stop) {
  // A store saves whoever reads the sample several times what it costs: where many readers want the cores it goes
  // first. Only root may; everybody else takes turns.
  PutThreadFirst(kNice);
  while (true) {
    MutexLock lock(mutex_);
    if (!arrived_.wait(lock, stop, [this]() QUIRE_REQUIRES(mutex_) { return count_ > 0; }) || stop.stop_requested())
      return;
    const uint64_t page = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --count_;
    lock.unlock();
    pages_[page].is_queued.store(false, std::memory_order_relaxed);
    PushSamples(page, stop);
  }
}

void Pusher::PushSamples(uint64_t page, const std::stop_token& stop) {
  Page& state = pages_[page];
  auto pin = cache_.PinPage(page);
  const auto place = cache_.PlaceOf(page);
  const auto first = index_.FindExtentFrom(place.volume, place.begin);
  if (!pin || !first) return;
  const bool in_run = state.in_run.load(std::memory_order_relaxed);
  uint64_t pushed_bytes = 0;
  uint64_t left_bytes = 0;        // that the kernel does not have
  uint64_t being_read_bytes = 0;  // and that it asks for, request by request
  uint64_t all_bytes = 0;
  bool has_new_control = false;
  for (ExtentNumber number = *first; number < index_.extent_count() && !stop.stop_requested(); ++number) {
    const auto extent = index_.GetExtent(number);
    if (!extent || cache_.FindPage(*extent) != page) break;
    all_bytes += extent->length_bytes;
    if (all_bytes > kPageBytes) break;  // they overlap: a hostile index, which could ask for stores without end
    if (extent->node >= index_.node_count()) continue;
    if (view_.IsSettled(extent->node, number)) {
      const bool is_had = extent->length_bytes <= kRequestBytes || view_.WasGiven(extent->node, number) ||
                          cache_.IsLeftOut(*pin, *extent);
      being_read_bytes += is_had ? 0 : extent->length_bytes;
      continue;
    }
    left_bytes += extent->length_bytes;
    if (!view_.IsKnown(extent->node)) continue;
    const auto pushable = PieceOf(number, *extent);
    if (!pushable || !residency_.AllowsPush(in_run)) continue;
    // Whoever reads a large sample goes on to its next piece, by readahead of the kernel's.
    if (!pushable->is_whole && view_.WasRead(extent->node)) continue;
    const bool leaves_control = page % Residency::kControlSpacing == 0 && pushable->is_whole;
    if (leaves_control && !state.has_control.exchange(true, std::memory_order_relaxed)) {
      view_.LeftOut(extent->node, number);
      has_new_control = true;
    } else if (cache_.IsRight(*pin, *extent) &&
               Push(*pushable, pin->bytes().subspan(extent->offset % kPageBytes, extent->length_bytes))) {
      residency_.SamplePushed();
      pushed_bytes += extent->length_bytes;
    } else {
      continue;
    }
    left_bytes -= extent->length_bytes;
  }
  const bool is_handed_on = left_bytes <= all_bytes / kLeftShare;
  residency_.PageLookedThrough(pushed_bytes, has_new_control, is_handed_on);
  const uint16_t patience = state.patience.load(std::memory_order_relaxed);
  const auto next = static_cast<uint16_t>(pushed_bytes > 0 ? 1 : std::min(patience * 2 + 1, int{kMaxPatience}));
  state.patience.store(next, std::memory_order_relaxed);
  state.reads_to_wait.store(next, std::memory_order_relaxed);
  if (!is_handed_on) return;
  const uint64_t spared_bytes = all_bytes / kLeftShare;
  cache_.MarkHandedOn(*pin, static_cast<uint32_t>(being_read_bytes - std::min(being_read_bytes, spared_bytes)));
  pin.reset();
  handed_on_();
}

std::optional<Pusher::Pushable> Pusher::PieceOf(ExtentNumber number, const Extent& extent) const {
  const auto node = index_.GetNode(extent.node);
  if (!node || !node->is_sample()) return std::nullopt;
  const auto offset = FindFileOffset(index_, *node, number);
  if (!offset || !*offset) return std::nullopt;
  // What a read of that place would find: an index may say otherwise there.
  const auto run = FindRun(index_, *node, **offset);
  if (!run || run->extent != number || run->extent_offset != 0 || run->length_bytes != extent.length_bytes)
    return std::nullopt;
  return Pushable{.piece = {.node = extent.node, .extent = number, .file_offset = **offset},
                  .sample_bytes = node->size_bytes,
                  .is_whole = extent.length_bytes == node->size_bytes};
}

bool Pusher::Push(const Pushable& pushable, std::span<const std::byte> bytes) {
  const uint64_t begin = pushable.piece.file_offset;
  const uint64_t end = begin + bytes.size();
  const FileRange whole = WholeKernelPages(begin, end, end == pushable.sample_bytes);
  SamplePiece piece = pushable.piece;
  piece.file_offset = whole.begin;
  if (!store_.Store(piece,
                    whole.is_empty() ? bytes.first(0) : bytes.subspan(whole.begin - begin, whole.end - whole.begin)))
    return false;
  const FileRange head = {.begin = begin, .end = std::min(whole.begin, end)};
  const FileRange tail = {.begin = std::max(whole.end, head.end), .end = end};
  for (const FileRange& part : {head, tail})
    if (!part.is_empty()) PushSeam(pushable, part, bytes.subspan(part.begin - begin, part.end - part.begin));
  return true;
}

void Pusher::PushSeam(const Pushable& pushable, FileRange part, std::span<const std::byte> bytes) {
  std::array<std::byte, kKernelPageBytes> seam;
  const uint64_t seam_offset = AlignDown(part.begin, kKernelPageBytes);
  const auto page_bytes = std::min(kKernelPageBytes, pushable.sample_bytes - seam_offset);
  const size_t length = seams_.Add(pushable.piece.node, part.begin, bytes, page_bytes, seam);
  if (length > 0) store_.StoreSeam(pushable.piece.node, seam_offset, std::span(seam).first(length));
}

}  // namespace quire
