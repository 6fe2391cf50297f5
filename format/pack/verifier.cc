// SPDX-License-Identifier: Apache-2.0
#include "format/pack/verifier.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "format/pack/bad_extents.h"
#include "format/pack/coded_members.h"
#include "format/pack/dictionaries.h"
#include "format/pack/tree_verifier.h"
#include "format/pack/zstd_frame.h"
#include "format/per_thread.h"
#include "format/rounding.h"

namespace quire {
namespace {

class Verifier {
 public:
  Verifier(const Pack& pack, WorkerPool& pool, const VerifyOptions& options)
      : pack_(pack),
        index_(pack.index()),
        pool_(pool),
        options_(options),
        faults_(options.on_fault, options.fault_limit),
        bad_extents_(index_.extent_count()) {}

  Result<VerifySummary> Run() {
    if (pack_.slot_damage()) Report(Fault::Kind::kIndex, *pack_.slot_damage());
    if (auto done = CheckIndexBlocks(); !done) return Propagate(std::move(done));
    const bool is_index_whole = !has_damaged_block_;
    if (const auto volume = index_.GetVolume(0); !volume) Report(Fault::Kind::kIndex, volume.error().message);
    for (uint16_t volume = 1; volume < pack_.volume_count(); ++volume)
      if (const auto had = pack_.CheckVolume(volume); !had && !pack_.IsDecoded(volume))
        Report(Fault::Kind::kIndex, had.error().message);
    if (auto done = CheckCodedMembers(); !done) return Propagate(std::move(done));
    if (auto done = FindExtentsOfPages(); !done) return Propagate(std::move(done));
    if (auto done = CheckPages(); !done) return Propagate(std::move(done));
    TreeVerifier tree(index_, bad_extents_, is_index_whole, options_.interrupted, faults_);
    if (auto done = tree.Run(pool_); !done) return Propagate(std::move(done));
    summary_.entries = tree.entries();
    summary_.faults = faults_.faults();
    return summary_;
  }

 private:
  // Extents that follow each other in the index and lie in the same page.
  struct PageExtents {
    uint16_t volume;
    uint64_t page;
    ExtentNumber first;
    ExtentNumber end;
  };

  Result<void> CheckIndexBlocks() {
    for (size_t i = 0; i < index_.layers().size(); ++i)
      if (auto done = CheckBlocksOf(index_.layers()[i]); !done) return done;
    return {};
  }

  Result<void> CheckBlocksOf(const IndexLayer& layer) {
    const Superblock& superblock = layer.superblock;
    const uint64_t body_bytes = superblock.body_bytes;
    const uint64_t blocks = CeilDiv(body_bytes, kBlockBytes);
    summary_.index_blocks += blocks;
    return faults_.ForEach(pool_, blocks, [&](uint64_t block) -> Result<void> {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      const uint64_t offset = block * kBlockBytes;
      const uint64_t bytes = std::min<uint64_t>(kBlockBytes, body_bytes - offset);
      if (const auto touched = layer.blocks->Touch(offset, bytes); !touched) {
        if (auto stop = CheckInterrupted(); !stop) return stop;  // perhaps that is why
        has_damaged_block_ = true;
        TellBadBytes(superblock.index_offset + offset, bytes);
        TellBadBytes(superblock.index_offset + body_bytes, superblock.index_bytes - body_bytes);
        Report(Fault::Kind::kIndex,
               index_.layers().size() == 1
                   ? touched.error().message
                   : fmt::format("generation {}: {}", superblock.generation, touched.error().message));
      }
      CountBytes(bytes);
      return {};
    });
  }

  Result<void> CheckCodedMembers() {
    for (uint64_t number = 1; number < std::min(index_.dictionary_count(), kMaxDictionaries); ++number) {
      const auto bytes = ReadDictionary(index_, number);
      const auto dictionary = bytes ? FrameDictionary::Create(*bytes) : std::nullopt;
      if (!bytes)
        Report(Fault::Kind::kIndex, bytes.error().message);
      else if (!dictionary)
        Report(Fault::Kind::kIndex, fmt::format("dictionary {}: its bytes are no dictionary", number));
    }
    const CodedMembers members(index_);
    for (uint64_t number = 0; number < members.count(); ++number) {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      if (const auto member = members.Get(number); !member) Report(Fault::Kind::kIndex, member.error().message);
    }
    return {};
  }

  // One pass over the extents, whatever blocks of the index are damaged.
  Result<void> FindExtentsOfPages() {
    summary_.extents = index_.extent_count();
    std::vector<uint64_t> ends(index_.volume_count());  // by volume, of the extents so far
    uint16_t last_volume = 0;                           // in this layer
    size_t layer = 0;
    for (ExtentNumber number = 0; number < index_.extent_count(); ++number) {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      const auto extent = index_.GetExtent(number);
      if (!extent) {
        bad_extents_.Add(number, extent.error().message);
        continue;
      }
      // Not read: of extents that overlap, a small index could ask for more bytes than any pack has.
      for (; number >= index_.layers()[layer].end(Section::kExtents); ++layer) last_volume = 0;
      if (extent->volume < last_volume || extent->offset < ends[extent->volume]) {
        bad_extents_.Add(number, fmt::format("extent {} at {}: overlaps the one before", number, extent->offset));
        continue;
      }
      last_volume = extent->volume;
      ends[extent->volume] = extent->offset + extent->length_bytes;
      if (const auto had = pack_.CheckVolume(extent->volume); !had) {
        bad_extents_.Add(number, had.error().message);
        continue;
      }
      const uint64_t page = extent->offset / kPageBytes;
      if (pages_.empty() || pages_.back().volume != extent->volume || pages_.back().page != page)
        pages_.push_back({.volume = extent->volume, .page = page, .first = number, .end = number});
      pages_.back().end = number + 1;
    }
    summary_.pages = pages_.size();
    return {};
  }

  Result<void> CheckPages() {
    return faults_.ForEach(pool_, pages_.size(), [&](uint64_t i) -> Result<void> {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      CheckPage(pages_[i]);
      return CheckInterrupted();
    });
  }

  // What lies between the extents belongs to nobody and is not looked at.
  void CheckPage(const PageExtents& page) {
    uint64_t begin = UINT64_MAX;
    uint64_t end = 0;
    ForEachExtent(page, [&](ExtentNumber, const Extent& extent) {
      begin = std::min(begin, extent.offset);
      end = std::max(end, extent.offset + extent.length_bytes);
    });
    if (begin > end) return;  // interrupted before the first
    CountBytes(end - begin);
    const auto read = Read(page.volume, begin, end - begin, [&](std::span<const std::byte> bytes) {
      ForEachExtent(page, [&](ExtentNumber number, const Extent& extent) {
        CheckSum(number, extent, bytes.subspan(extent.offset - begin, extent.length_bytes));
      });
    });
    if (read) return;
    // Perhaps only a part of it is lost: ask for each extent by itself.
    ForEachExtent(page, [&](ExtentNumber number, const Extent& extent) {
      const auto own = Read(page.volume, extent.offset, extent.length_bytes,
                            [&](std::span<const std::byte> bytes) { CheckSum(number, extent, bytes); });
      if (!own) AddBad(number, extent, own.error().message);
    });
    if (!CheckInterrupted()) return;  // perhaps that is why
    Report(Fault::Kind::kPage, fmt::format("{}: {}", NameOf(page), read.error().message));
  }

  // Those that can be read and were not found bad, until the check is interrupted.
  void ForEachExtent(const PageExtents& page, const std::function<void(ExtentNumber, const Extent&)>& visit) const {
    for (ExtentNumber number = page.first; number < page.end && CheckInterrupted(); ++number) {
      if (bad_extents_.Has(number)) continue;
      if (const auto extent = index_.GetExtent(number)) visit(number, *extent);
    }
  }

  void CheckSum(ExtentNumber number, const Extent& extent, std::span<const std::byte> bytes) {
    if (const auto right = pack_.CheckExtent(extent, bytes); !right)
      AddBad(number, extent, extent.volume == 0 ? "checksum mismatch" : right.error().message);
  }

  [[nodiscard]] std::string NameOf(const PageExtents& page) const {
    if (page.volume == 0) return fmt::format("page {}", page.page);
    return fmt::format("'{}', page {}", pack_.VolumePath(page.volume), page.page);
  }

  void TellBadBytes(uint64_t offset, uint64_t bytes) const {
    if (options_.on_bad_bytes) options_.on_bad_bytes(offset, bytes);
  }

  void AddBad(ExtentNumber number, const Extent& extent, const std::string& reason) {
    if (extent.volume == 0) TellBadBytes(extent.offset, extent.length_bytes);
    if (pack_.IsFramedHere(extent.volume))
      if (const auto member = pack_.FindMember(extent.volume, extent.offset); member && *member)
        TellBadBytes((*member)->stored_offset, (*member)->stored_bytes);
    bad_extents_.Add(number, fmt::format("extent {} ({} bytes at {}, page {}): {}", number, extent.length_bytes,
                                         extent.offset, extent.offset / kPageBytes, reason));
  }

  Result<void> Read(uint16_t volume, uint64_t offset, size_t bytes, const UseBytes& use) const {
    if (options_.read) return options_.read(volume, offset, bytes, use);
    static PerThread<FixedBuffer<kPageBytes>> buffers;
    const auto into = buffers.Get().span().first(bytes);
    if (auto read = pack_.ReadRaw(volume, offset, into); !read) return read;
    use(into);
    return {};
  }

  void Report(Fault::Kind kind, std::string message) {
    faults_.Add({.kind = kind, .path = {}, .message = std::move(message)});
  }

  [[nodiscard]] Result<void> CheckInterrupted() const {
    if (options_.interrupted != nullptr && *options_.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    return options_.check_source ? options_.check_source() : Result<void>();
  }

  void CountBytes(uint64_t bytes) const {
    if (options_.bytes_done != nullptr) *options_.bytes_done += bytes;
  }

  const Pack& pack_;
  const Index& index_;
  WorkerPool& pool_;
  const VerifyOptions& options_;
  FaultSequence faults_;
  std::atomic<bool> has_damaged_block_ = false;
  std::vector<PageExtents> pages_;
  BadExtents bad_extents_;
  VerifySummary summary_;
};

}  // namespace

Result<VerifySummary> VerifyPack(const Pack& pack, WorkerPool& pool, const VerifyOptions& options) {
  return Verifier(pack, pool, options).Run();
}

Result<void> CheckHasSums(const Pack& pack) {
  for (uint16_t number = 0; number < pack.index().volume_count(); ++number) {
    const auto volume = pack.index().GetVolume(number);
    if (!volume) return std::unexpected(volume.error());
    if (volume->sum_kind == SumKind::kNone)
      return Unsupported(
          "option 'verify': of '{}' there are no sums to compare with; make an index of it by 'quire index --sums'",
          pack.VolumePath(number));
  }
  return {};
}

}  // namespace quire
