// SPDX-License-Identifier: Apache-2.0
#include "format/write/index_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <limits>

#include "format/checksum.h"
#include "format/pack/block_tree.h"
#include "format/rounding.h"
#include "format/write/resident_limit.h"

namespace quire {
namespace {

constexpr size_t kWriteBytes = 16 * kBlockBytes;

// Appends to one level of the index, block by block, and keeps the blocks' sums. What was appended of `tables` does not
// stay resident.
class BlockSink {
 public:
  BlockSink(const IndexTables& tables, const File& file, uint64_t offset)
      : tables_(tables), file_(file), offset_(offset) {
    pending_.reserve(kWriteBytes);
  }

  Result<void> Append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const size_t taken = std::min(bytes.size(), kWriteBytes - pending_.size());
      pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken));
      bytes = bytes.subspan(taken);
      if (pending_.size() == kWriteBytes)
        if (auto flushed = Flush(); !flushed) return flushed;
    }
    return {};
  }

  Result<void> AlignTo(uint64_t alignment) {
    const std::vector<std::byte> zeros(AlignUp(bytes(), alignment) - bytes());
    return Append(zeros);
  }

  [[nodiscard]] uint64_t bytes() const { return flushed_bytes_ + pending_.size(); }

  Result<void> Flush() {
    if (auto written = file_.WriteAll(offset_ + flushed_bytes_, pending_); !written) return written;
    for (std::span<const std::byte> rest = pending_; !rest.empty();) {
      const auto block = rest.first(std::min(rest.size(), kBlockBytes));
      sums_.push_back(Xxh3(block));
      rest = rest.subspan(block.size());
    }
    flushed_bytes_ += pending_.size();
    pending_.clear();
    tables_.LetGo();
    return {};
  }

  [[nodiscard]] const std::vector<uint64_t>& sums() const { return sums_; }

 private:
  const IndexTables& tables_;
  const File& file_;
  const uint64_t offset_;
  std::vector<std::byte> pending_;  // whole blocks, but for the last flush
  uint64_t flushed_bytes_ = 0;
  std::vector<uint64_t> sums_;
};

template <Section kSection, typename Record>
Result<void> AppendRecords(std::span<const Record> records, BlockSink& sink) {
  std::array<std::byte, kRecordBytes[static_cast<size_t>(kSection)]> encoded;
  for (const Record& record : records) {
    Encode(record, encoded);
    if (auto added = sink.Append(encoded); !added) return added;
  }
  return {};
}

Result<void> AppendSection(Section section, const IndexTables& tables, BlockSink& sink) {
  switch (section) {
    case Section::kVolumes:
      return AppendRecords<Section::kVolumes>(std::span(tables.volumes), sink);
    case Section::kAttributes:
      return AppendRecords<Section::kAttributes>(std::span(tables.attributes), sink);
    case Section::kDirectories:
      return AppendRecords<Section::kDirectories>(tables.directories.span(), sink);
    case Section::kNodes:
      return AppendRecords<Section::kNodes>(tables.nodes.span(), sink);
    case Section::kExtents:
      return AppendRecords<Section::kExtents>(tables.extents.span(), sink);
    case Section::kSegments:
      return AppendRecords<Section::kSegments>(tables.segments.span(), sink);
    case Section::kNames:
      return sink.Append(std::as_bytes(tables.names.span()));
    case Section::kXattrs:
      return sink.Append(std::as_bytes(tables.xattrs.span()));
    case Section::kCodedMembers:
      return AppendRecords<Section::kCodedMembers>(tables.coded_members.span(), sink);
    case Section::kDictionaries:
      return AppendRecords<Section::kDictionaries>(std::span(tables.dictionaries), sink);
    case Section::kDictionaryBytes:
      return sink.Append(tables.dictionary_bytes);
    case Section::kLayers:
      return sink.Append(std::as_bytes(std::span(tables.layers)));
    case Section::kReplaced:
      return AppendRecords<Section::kReplaced>(tables.replaced.span(), sink);
  }
  return {};
}

void CountNodes(const IndexTables& tables, Superblock& superblock) {
  ResidentLimit resident;
  for (const Node& node : tables.nodes.span()) {
    if (resident.IsReached()) tables.LetGo();
    if (node.is_sample()) {
      ++superblock.samples;
      superblock.sample_bytes +=
          std::min(node.size_bytes, std::numeric_limits<uint64_t>::max() - superblock.sample_bytes);
    }
    if (node.kind == NodeKind::kSymlink) ++superblock.symlinks;
    if (node.kind == NodeKind::kHardLink) ++superblock.hard_links;
  }
  for (const Extent& extent : tables.extents.span()) {
    if (resident.IsReached()) tables.LetGo();
    superblock.stored_bytes += extent.length_bytes;
  }
}

uint64_t RecordsOf(Section section, const IndexTables& tables) {
  switch (section) {
    case Section::kVolumes:
      return tables.volumes.size();
    case Section::kAttributes:
      return tables.attributes.size();
    case Section::kDirectories:
      return tables.directories.size();
    case Section::kNodes:
      return tables.nodes.size();
    case Section::kExtents:
      return tables.extents.size();
    case Section::kSegments:
      return tables.segments.size();
    case Section::kNames:
      return tables.names.size();
    case Section::kXattrs:
      return tables.xattrs.size();
    case Section::kCodedMembers:
      return tables.coded_members.size();
    case Section::kDictionaries:
      return tables.dictionaries.size();
    case Section::kDictionaryBytes:
      return tables.dictionary_bytes.size();
    case Section::kLayers:
      return tables.layers.size();
    case Section::kReplaced:
      return tables.replaced.size();
  }
  return 0;
}

}  // namespace

void DescribeIndex(const IndexTables& tables, Superblock& superblock) {
  CountNodes(tables, superblock);
  superblock.body_bytes = 0;
  for (size_t i = 0; i < kSectionCount; ++i) {
    const auto section = static_cast<Section>(i);
    const uint64_t bytes = RecordsOf(section, tables) * kRecordBytes[i];
    if (IsOptional(section) && bytes == 0) continue;
    superblock.sections[i] = {.offset = AlignUp(superblock.body_bytes, kSectionAlign), .bytes = bytes};
    superblock.body_bytes = superblock.sections[i].offset + superblock.sections[i].bytes;
  }
  superblock.index_bytes = BlockTreeGeometry(superblock.body_bytes).total_bytes;
  superblock.pack_bytes = superblock.index_offset + superblock.index_bytes;
}

Result<void> WriteIndex(const IndexTables& tables, const File& file, Superblock& superblock) {
  DescribeIndex(tables, superblock);
  BlockSink body(tables, file, superblock.index_offset);
  for (size_t i = 0; i < kSectionCount; ++i) {
    const auto section = static_cast<Section>(i);
    if (IsOptional(section) && superblock.section(section).bytes == 0) continue;
    if (auto aligned = body.AlignTo(kSectionAlign); !aligned) return aligned;
    if (auto added = AppendSection(section, tables, body); !added) return added;
  }
  if (auto flushed = body.Flush(); !flushed) return flushed;
  assert(body.bytes() == superblock.body_bytes);

  std::vector<uint64_t> sums = body.sums();
  const BlockTreeGeometry geometry(superblock.body_bytes);
  for (size_t level = 1; level < geometry.levels.size(); ++level) {
    BlockSink sink(tables, file, superblock.index_offset + geometry.levels[level].offset);
    if (auto added = sink.Append(std::as_bytes(std::span(sums))); !added) return added;
    if (auto flushed = sink.Flush(); !flushed) return flushed;
    sums = sink.sums();
  }
  superblock.root_sum = sums.front();
  return {};
}

Result<void> CommitGeneration(const File& file, const Superblock& superblock) {
  if (fsync(file.fd()) != 0) return SystemError(errno, "fsync");
  std::array<std::byte, kSuperblockBytes> slot = {};
  EncodeSuperblock(superblock, slot);
  if (auto written = file.WriteAll(SuperblockOffset(superblock.generation), slot); !written) return written;
  if (fsync(file.fd()) != 0) return SystemError(errno, "fsync");
  return {};
}

Result<void> FinishPack(const IndexTables& tables, Superblock& superblock, const std::atomic<bool>* interrupted,
                        OutputFile& output) {
  if (auto written = WriteIndex(tables, output.file(), superblock); !written) return written;
  if (auto committed = CommitGeneration(output.file(), superblock); !committed) return committed;
  if (interrupted != nullptr && *interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
  return output.Commit();
}

}  // namespace quire
