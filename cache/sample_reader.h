// SPDX-License-Identifier: Apache-2.0
// The seam between the file system (or `quire cat`) and the bytes of samples: everyone who wants sample bytes asks
// here, and gets pinned, verified memory. Behind it stands the page cache: cache/DESIGN.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/cache_options.h"
#include "cache/cache_stats.h"
#include "cache/memory/arena.h"
#include "cache/memory/memory_gauge.h"
#include "cache/memory_watch.h"
#include "cache/page_cache.h"
#include "cache/tier/tier_keeper.h"
#include "cache/volume/volume_source.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

// Verified bytes of a sample, in order, valid while this lives. Move-only; whoever holds one keeps pages from being
// evicted, so hold it briefly, and never while waiting for another read.
class SampleBytes {
 public:
  // More pieces than this are copied into one.
  static constexpr size_t kMaxSlices = 4;

  SampleBytes() = default;

  [[nodiscard]] std::span<const std::span<const std::byte>> slices() const { return {slices_.data(), count_}; }
  [[nodiscard]] size_t size() const;  // bytes of all slices

 private:
  friend class SampleReader;
  std::array<std::span<const std::byte>, kMaxSlices> slices_ = {};
  std::array<ExtentPin, kMaxSlices> pins_;  // empty for holes, which point to static zeros, and for copies
  size_t count_ = 0;
  std::unique_ptr<std::byte[]> copy_;
};

// What a reader works with, and why: for people.
struct ReaderChoices {
  HugePages huge = HugePages::kOff;
  std::string huge_note;    // why it is nothing better; may be empty
  uint64_t most_bytes = 0;  // of memory for pages
  std::string most_bytes_reason;
  std::string io;  // VolumeSource::Describe
};

// What one extent, or one hole, gives to a read.
struct ReadPiece {
  uint64_t offset = 0;  // in the sample
  uint64_t bytes = 0;
  // Where the extent begins in all volumes as one row of pages, and its length; 0 of a hole.
  uint64_t place = 0;
  uint32_t extent_bytes = 0;
  Counter served_by = Counter::kHits;        // of an extent: as the cache counts it
  std::optional<ReadStage> brought_by = {};  // where it was waited for: ReadTimes::bringer

  [[nodiscard]] bool is_hole() const { return extent_bytes == 0; }
};

// A read that may have to wait. The caller owns it and keeps it in place until `done` was called.
struct SampleRead {
  Node node;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool is_alone = false;  // as of ExtentRead
  // Called exactly once, from Start itself or from a thread of the volume source; no lock is held; must not throw.
  void (*done)(SampleRead& read, Result<SampleBytes> result) = nullptr;
  // Where it is set: called before `done`, for each piece in turn that has come, and on the same terms.
  void (*piece_came)(SampleRead& read, const ReadPiece& piece) = nullptr;
  ReadTimes times = {};  // where it waited, once it is done

  // The reader owns these while the read is in flight.
  class SampleReader* reader = nullptr;
  struct Piece : ExtentRead {
    SampleRead* whole = nullptr;
    uint32_t offset = 0;  // in the extent, of the bytes wanted
  };
  Piece piece;
  uint64_t at = 0;                    // file offset of the piece that is waited for
  uint64_t end = 0;                   // file offset behind the last byte wanted
  std::unique_ptr<std::byte[]> copy;  // of the bytes so far, where they lie in several pieces
};

class SampleReader {
 public:
  // Sets up arena, fill engine and cache. `pack` must outlive the reader. Errors: kInvalid for options that cannot be
  // (names the option), kSystem for resources that cannot be had.
  static Result<std::unique_ptr<SampleReader>> Open(const Pack& pack, const CacheOptions& options);
  // For tests: any engine. `arena` and `source` must outlive the reader.
  SampleReader(const Pack& pack, Arena& arena, VolumeSource& source, const CacheOptions& options,
               Residency::Environment environment = {});
  ~SampleReader();  // REQUIRES: no read is under way

  // Bytes [offset, offset + bytes) of `node`, cut at the sample's end, when all of them are in memory; false when
  // somebody would have to wait, or something is damaged: then Start tells. No allocation, no system call, no lock
  // where one extent holds them all. Any thread. REQUIRES: node.is_sample().
  bool TryRead(const Node& node, uint64_t offset, uint64_t bytes, SampleBytes& result);

  // The same without the need to be in memory: read.node, offset, bytes and done are set. Never blocks in I/O. A read
  // of several pieces copies each as it comes, so that no read ever waits while it holds a page.
  void Start(SampleRead& read);

  // The same, and waits: for tools. Any thread but those of the volume source.
  Result<SampleBytes> Read(const Node& node, uint64_t offset, uint64_t bytes);

  // The pieces that bytes [offset, offset + bytes) of `node`, cut at the sample's end, lie in, as if all were in
  // memory: for who tells of a read. Ends at what cannot be had. REQUIRES: node.is_sample().
  template <typename Visit>
  void ForEachPiece(const Node& node, uint64_t offset, uint64_t bytes, const Visit& visit) const {
    const uint64_t end = offset + std::min(bytes, node.size_bytes - std::min(offset, node.size_bytes));
    while (offset < end) {
      const auto piece = PieceAt(node, offset, end);
      if (!piece) return;
      visit(*piece);
      offset += piece->bytes;
    }
  }

  // The page in which the bytes of a file begin; nothing where it has none, or where that cannot be told.
  [[nodiscard]] std::optional<uint64_t> FindFirstPage(const Node& node) const;
  // The pages of all of its bytes, in their order: one, but for samples of several extents. What cannot be told is left
  // out. May read the index.
  void VisitPages(const Node& node, const std::function<void(uint64_t page)>& visit) const;

  // Nobody misses what is under way, and nothing new comes: reads that take long end, with an error. Any thread.
  void Cancel();
  // Returns once no read is under way and nothing is in flight. Reads may not be started meanwhile or later.
  void Drain();

  [[nodiscard]] CacheStats GetStats() const;
  [[nodiscard]] ReaderChoices GetChoices() const;
  // Lines for the log: the arena, the engine, policy and admission, as got.
  [[nodiscard]] std::vector<std::string> Describe() const;

  // Nothing where there is no tier.
  [[nodiscard]] std::optional<TierFigures> tier_figures() const;
  // Where a tier holds what is kept of a volume; empty where none does.
  [[nodiscard]] std::string TierFolderOf(uint16_t volume) const {
    return keeper_ == nullptr ? "" : keeper_->FolderOf(volume);
  }

  // As PageCache::Grow: what `later` has in addition can be read from then on.
  Result<void> Grow(const Index& later);

  [[nodiscard]] PageCache& cache() { return *cache_; }
  [[nodiscard]] const PageCache& cache() const { return *cache_; }

 private:
  SampleReader(const Pack& pack, std::unique_ptr<MemoryGauge> gauge, std::unique_ptr<Arena> arena,
               std::unique_ptr<VolumeSource> source, std::unique_ptr<TierFetcher> fetcher,
               std::unique_ptr<TierKeeper> keeper, const CacheOptions& options);
  // Adds the slice at `offset`; its bytes, or nothing where it is not in memory.
  std::optional<uint64_t> TakeResident(const Node& node, uint64_t offset, uint64_t end, SampleBytes& result);
  // Goes on with the bytes at read.at until it must wait or is done.
  void Advance(SampleRead& read);
  [[nodiscard]] std::optional<ReadPiece> PieceAt(const Node& node, uint64_t offset, uint64_t end) const;
  // Uses the bytes of the piece that was waited for; false when the read is done.
  bool TakePiece(SampleRead& read, Result<ExtentPin> pin);
  static void PieceDone(ExtentRead& piece, Result<ExtentPin> pin);

  const Pack& pack_;
  const std::unique_ptr<MemoryGauge> own_gauge_;
  const std::unique_ptr<Arena> own_arena_;
  const std::unique_ptr<VolumeSource> own_source_;
  Arena& arena_;
  VolumeSource& source_;
  std::string size_reason_;  // of the arena
  const std::unique_ptr<PageCache> cache_;
  const std::unique_ptr<TierFetcher> fetcher_;  // null where nothing is fetched before it is asked for
  const std::unique_ptr<TierKeeper> keeper_;    // null without a tier; it pins pages of the cache
  MemoryWatch watch_{*cache_};                  // last: it uses the cache
};

}  // namespace quire
