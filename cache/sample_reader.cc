// SPDX-License-Identifier: Apache-2.0
#include "cache/sample_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <semaphore>
#include <utility>

#include "cache/memory/memory_limit.h"
#include "cache/tier/pack_tier.h"
#include "cache/volume/pack_volumes.h"
#include "format/pack/sample_content.h"
#include "format/room_to_grow.h"
#include "format/rounding.h"

namespace quire {
namespace {

// Of the arena's slots, those that may wait for being written to a tier.
constexpr size_t kShareThatIsKept = 2;

// What holes point to. A block of the kernel's smallest readahead window; a larger hole points to it repeatedly.
constexpr std::array<std::byte, 128 << 10> kZeros = {};

// Slots beside those that hold the pack's pages, so that a pack which fits has them all: the cache takes a sixteenth,
// at least two, for extents read alone.
uint64_t UsefulBytes(const Pack& pack, bool grows) {
  uint64_t pages = CeilDiv(pack.superblock().pack_bytes, kPageBytes);
  for (uint16_t number = 1; number < pack.volume_count(); ++number)
    if (const auto volume = pack.index().GetVolume(number); volume && pack.CheckVolume(number))
      pages += CeilDiv(volume->data_end, kPageBytes);
  if (grows) pages = PagesWithRoomToGrow(pages);
  return (pages + pages / 15 + 3) * kPageBytes;
}

// In all volumes as one row of pages.
uint64_t PlaceOf(uint64_t page, const Extent& extent) { return page * kPageBytes + extent.offset % kPageBytes; }

}  // namespace

size_t SampleBytes::size() const {
  size_t bytes = 0;
  for (const auto slice : slices()) bytes += slice.size();
  return bytes;
}

Result<std::unique_ptr<SampleReader>> SampleReader::Open(const Pack& pack, const CacheOptions& options) {
  // What was asked of the volume here is known for good, an error too: one that may pass must not come to that.
  if (auto volume = pack.index().GetVolume(0); !volume && volume.error().code == ErrorCode::kSystem)
    return Propagate(std::move(volume));
  const auto limit = FindMemoryLimit();
  if (!limit) return std::unexpected(limit.error());
  const auto slots = ChooseSlotCount(options.cache_bytes, UsefulBytes(pack, options.grows), *limit);
  if (!slots) return std::unexpected(slots.error());
  // However much was asked for, what the pack cannot fill is left to others.
  const auto useful_slots = std::max<uint64_t>(UsefulBytes(pack, options.grows) / kPageBytes, kMinSlots);
  auto arena = Arena::Create(static_cast<uint32_t>(std::min<uint64_t>(*slots, useful_slots)), options.huge);
  if (!arena) return Propagate(std::move(arena));
  auto source = OpenPackVolumes(pack, {.io = options.io, .nice = kFillNice}, options.grows);
  if (!source) return Propagate(std::move(source));
  std::unique_ptr<TierFetcher> fetcher;
  std::unique_ptr<TierKeeper> keeper;
  if (!options.tier.directory.empty()) {
    auto volumes = OpenTierVolumes(pack, options.tier);
    if (!volumes) return Propagate(std::move(volumes));
    const size_t most_waiting = (*arena)->slot_count() / kShareThatIsKept;
    auto tiered = TierSource::Create(*std::move(source), *volumes, kFillNice);
    if (!tiered) return Propagate(std::move(tiered));
    if (options.tier.prefetch != TierPrefetch::kOff) {
      fetcher = std::make_unique<TierFetcher>(
          **tiered, TierFetcher::Options{.bytes_per_s = options.tier.prefetch_bytes_per_s,
                                         .fetches_all = options.tier.prefetch == TierPrefetch::kAll});
      if (auto started = fetcher->Start(); !started) return Propagate(std::move(started));
    }
    keeper = std::make_unique<TierKeeper>(*std::move(volumes), most_waiting, fetcher.get());
    if (auto started = keeper->Start(); !started) return Propagate(std::move(started));
    source = *std::move(tiered);
  }
  auto gauge = MemoryGauge::Create();
  if (!gauge) return Propagate(std::move(gauge));
  std::unique_ptr<SampleReader> reader(new SampleReader(pack, *std::move(gauge), *std::move(arena), *std::move(source),
                                                        std::move(fetcher), std::move(keeper), options));
  reader->size_reason_ =
      DescribeSlotCount(reader->arena_.slot_count(), options.cache_bytes, UsefulBytes(pack, options.grows), *limit);
  if (auto started = reader->watch_.Start(); !started) return Propagate(std::move(started));
  return reader;
}

SampleReader::SampleReader(const Pack& pack, Arena& arena, VolumeSource& source, const CacheOptions& options,
                           Residency::Environment environment)
    : pack_(pack),
      arena_(arena),
      source_(source),
      cache_(std::make_unique<PageCache>(pack, arena, source, options, std::move(environment))) {}

SampleReader::SampleReader(const Pack& pack, std::unique_ptr<MemoryGauge> gauge, std::unique_ptr<Arena> arena,
                           std::unique_ptr<VolumeSource> source, std::unique_ptr<TierFetcher> fetcher,
                           std::unique_ptr<TierKeeper> keeper, const CacheOptions& options)
    : pack_(pack),
      own_gauge_(std::move(gauge)),
      own_arena_(std::move(arena)),
      own_source_(std::move(source)),
      arena_(*own_arena_),
      source_(*own_source_),
      cache_(std::make_unique<PageCache>(
          pack, arena_, source_, options,
          Residency::Environment{
              .available_bytes = [gauge = own_gauge_.get()] { return gauge->ReadAvailable(); },
              .is_under_pressure = [gauge = own_gauge_.get()] { return gauge->IsUnderPressure(); }})),
      fetcher_(std::move(fetcher)),
      keeper_(std::move(keeper)) {
  cache_->SetKeeper(keeper_.get());
}

// What is read still tells the keeper when it ends.
SampleReader::~SampleReader() { cache_->Drain(); }

// The tier first: what is filled is kept from the first page on.
Result<void> SampleReader::Grow(const Index& later) {
  if (keeper_ != nullptr) keeper_->Grow(later.layers());
  return cache_->Grow(later);
}

std::optional<TierFigures> SampleReader::tier_figures() const {
  if (keeper_ == nullptr) return std::nullopt;
  return keeper_->figures();
}

bool SampleReader::TryRead(const Node& node, uint64_t offset, uint64_t bytes, SampleBytes& result) {
  result.count_ = 0;
  if (offset >= node.size_bytes) return true;
  const uint64_t end = offset + std::min(bytes, node.size_bytes - offset);
  while (offset < end) {
    const auto taken_bytes = TakeResident(node, offset, end, result);
    if (!taken_bytes) {
      result = SampleBytes();  // what waits must not hold pages
      return false;
    }
    offset += *taken_bytes;
  }
  return true;
}

std::optional<uint64_t> SampleReader::TakeResident(const Node& node, uint64_t offset, uint64_t end,
                                                   SampleBytes& result) {
  if (result.count_ == SampleBytes::kMaxSlices) return std::nullopt;
  const auto run = FindRun(pack_.index(), node, offset);
  if (!run) return std::nullopt;
  auto& slice = result.slices_[result.count_];
  if (!run->extent) {
    slice = std::span(kZeros).first(std::min({run->length_bytes, end - offset, uint64_t{kZeros.size()}}));
  } else {
    const uint64_t wanted_bytes = std::min(run->length_bytes, end - offset);
    const auto extent = pack_.index().GetExtent(*run->extent);
    if (!extent) return std::nullopt;
    auto pin = cache_->TryPin(*extent, static_cast<uint32_t>(wanted_bytes));
    if (!pin) return std::nullopt;
    slice = pin->bytes().subspan(run->extent_offset, wanted_bytes);
    result.pins_[result.count_] = *std::move(pin);
  }
  ++result.count_;
  return slice.size();
}

void SampleReader::Start(SampleRead& read) {
  read.reader = this;
  read.piece.whole = &read;
  read.piece.done = PieceDone;
  read.piece.is_alone = read.is_alone;
  read.at = std::min(read.offset, read.node.size_bytes);
  read.end = read.at + std::min(read.bytes, read.node.size_bytes - read.at);
  read.copy.reset();
  Advance(read);
}

void SampleReader::Advance(SampleRead& read) {
  while (read.at < read.end) {
    const auto run = FindRun(pack_.index(), read.node, read.at);
    if (!run) return read.done(read, std::unexpected(run.error()));
    const uint64_t wanted_bytes = std::min(run->length_bytes, read.end - read.at);
    const bool is_whole = read.at == read.offset && wanted_bytes == read.end - read.at;
    if ((!is_whole || !run->extent) && read.copy == nullptr) {
      // No exception: it would leave by a thread of the source, and the reader waiting for good.
      read.copy.reset(new (std::nothrow) std::byte[read.end - read.offset]);
      if (read.copy == nullptr) return read.done(read, SystemError(ENOMEM, "{} bytes", read.end - read.offset));
    }
    if (!run->extent) {
      std::memset(read.copy.get() + (read.at - read.offset), 0, wanted_bytes);
      if (read.piece_came != nullptr) read.piece_came(read, {.offset = read.at, .bytes = wanted_bytes});
      read.at += wanted_bytes;
      continue;
    }
    const auto extent = pack_.index().GetExtent(*run->extent);
    if (!extent) return read.done(read, std::unexpected(extent.error()));
    read.piece.extent = *extent;
    read.piece.number = *run->extent;
    read.piece.wanted_bytes = static_cast<uint32_t>(wanted_bytes);
    read.piece.offset = run->extent_offset;
    auto pin = cache_->Get(read.piece);
    if (!pin) return;  // PieceDone goes on, or has already
    if (!TakePiece(read, *std::move(pin))) return;
  }
  SampleBytes result;
  if (read.copy != nullptr) {
    result.slices_[0] = {read.copy.get(), read.end - read.offset};
    result.count_ = 1;
    result.copy_ = std::move(read.copy);
  }
  read.done(read, std::move(result));
}

bool SampleReader::TakePiece(SampleRead& read, Result<ExtentPin> pin) {
  const ReadTimes times = std::exchange(read.piece.times, {});
  read.times.Add(times);
  if (!pin) {
    read.done(read, Propagate(std::move(pin)));
    return false;
  }
  if (read.piece_came != nullptr)
    read.piece_came(read, {.offset = read.at,
                           .bytes = read.piece.wanted_bytes,
                           .place = PlaceOf(read.piece.page, read.piece.extent),
                           .extent_bytes = read.piece.extent.length_bytes,
                           .served_by = read.piece.counted_as,
                           .brought_by = times.bringer()});
  const auto wanted = pin->bytes().subspan(read.piece.offset, read.piece.wanted_bytes);
  if (read.copy == nullptr) {
    SampleBytes result;
    result.slices_[0] = wanted;
    result.pins_[0] = *std::move(pin);
    result.count_ = 1;
    read.done(read, std::move(result));
    return false;
  }
  std::memcpy(read.copy.get() + (read.at - read.offset), wanted.data(), wanted.size());
  read.at += wanted.size();
  return true;
}

void SampleReader::PieceDone(ExtentRead& piece, Result<ExtentPin> pin) {
  SampleRead& read = *static_cast<SampleRead::Piece&>(piece).whole;
  SampleReader& reader = *read.reader;
  if (reader.TakePiece(read, std::move(pin))) reader.Advance(read);
}

Result<SampleBytes> SampleReader::Read(const Node& node, uint64_t offset, uint64_t bytes) {
  struct BlockingRead : SampleRead {
    Result<SampleBytes> result;
    std::binary_semaphore is_done{0};
  };
  SampleBytes ready;
  if (TryRead(node, offset, bytes, ready)) return ready;
  ready = {};
  BlockingRead read;
  read.node = node;
  read.offset = offset;
  read.bytes = bytes;
  read.done = [](SampleRead& done, Result<SampleBytes> result) {
    auto& own = static_cast<BlockingRead&>(done);
    own.result = std::move(result);
    own.is_done.release();
  };
  Start(read);
  read.is_done.acquire();
  return std::move(read.result);
}

void SampleReader::Cancel() { source_.Cancel(); }

void SampleReader::Drain() { cache_->Drain(); }

std::optional<ReadPiece> SampleReader::PieceAt(const Node& node, uint64_t offset, uint64_t end) const {
  const auto run = FindRun(pack_.index(), node, offset);
  if (!run) return std::nullopt;
  ReadPiece piece = {.offset = offset, .bytes = std::min(run->length_bytes, end - offset)};
  if (!run->extent) return piece;
  const auto extent = pack_.index().GetExtent(*run->extent);
  const auto page = extent ? cache_->FindPage(*extent) : std::nullopt;
  if (!page) return std::nullopt;
  piece.place = PlaceOf(*page, *extent);
  piece.extent_bytes = extent->length_bytes;
  return piece;
}

std::optional<uint64_t> SampleReader::FindFirstPage(const Node& node) const {
  if (node.kind != NodeKind::kFile || node.size_bytes == 0) return std::nullopt;
  const auto extent = pack_.index().GetExtent(node.content);
  return extent ? cache_->FindPage(*extent) : std::nullopt;
}

void SampleReader::VisitPages(const Node& node, const std::function<void(uint64_t page)>& visit) const {
  if (!node.is_sample()) return;
  for (uint64_t at = 0; at < node.size_bytes;) {
    const auto run = FindRun(pack_.index(), node, at);
    if (!run) return;
    at += run->length_bytes;
    if (!run->extent) continue;  // a hole
    const auto extent = pack_.index().GetExtent(*run->extent);
    const auto page = extent ? cache_->FindPage(*extent) : std::nullopt;
    if (page) visit(*page);
  }
}

CacheStats SampleReader::GetStats() const { return cache_->GetStats(); }

ReaderChoices SampleReader::GetChoices() const {
  return {.huge = arena_.huge(),
          .huge_note = arena_.note(),
          .most_bytes = arena_.slot_count() * kPageBytes,
          .most_bytes_reason = size_reason_,
          .io = source_.Describe()};
}

std::vector<std::string> SampleReader::Describe() const {
  return {arena_.Describe(), source_.Describe(), cache_->Describe()};
}

}  // namespace quire
