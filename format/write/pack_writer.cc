// SPDX-License-Identifier: Apache-2.0
#include "format/write/pack_writer.h"

#include <fcntl.h>

#include <algorithm>

#include "format/rounding.h"
#include "format/write/index_writer.h"
#include "format/write/page_writer.h"

namespace quire {
namespace {

// Takes the space of the pages before anything is read: a full disk is known at once, the pages lie together on the
// disk, and can be written in any order without moving the end of the file each time.
Result<void> Preallocate(const OutputFile& output, uint64_t bytes) {
  if (fallocate(output.file().fd(), 0, 0, static_cast<off_t>(bytes)) == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return {};  // the writes will tell
  return SystemError(errno, "taking the {} bytes of its pages", bytes);
}

// Returns the end of the sample bytes in the pack.
Result<uint64_t> LayOut(const PackContents& contents, PackProgress& progress, Spool<uint64_t>& file_offsets) {
  IndexTables& tables = contents.tables;
  PageLayout layout(tables, file_offsets);
  for (const NodeNumber number : contents.samples.span()) {
    if (std::ranges::binary_search(contents.duplicates, number, {}, &Duplicate::node)) continue;
    const uint64_t size_bytes = tables.nodes[number].size_bytes;
    const DataRange all{.offset = 0, .length_bytes = size_bytes};
    const auto sparse = contents.sparse.find(number);
    const auto ranges = sparse == contents.sparse.end() ? std::span(&all, 1) : std::span(sparse->second);
    if (auto added = layout.Add(number, ranges); !added) return Propagate(std::move(added));
    if (size_bytes > 0 && !ranges.empty()) ++progress.samples_total;
    for (const DataRange& range : ranges) progress.bytes_total += range.length_bytes;
  }
  const auto data_end = layout.Finish();
  for (const auto& [duplicate, first] : contents.duplicates) {
    tables.nodes[duplicate].kind = tables.nodes[first].kind;
    tables.nodes[duplicate].content = tables.nodes[first].content;
  }
  return data_end;
}

Superblock Describe(uint64_t data_end, const PackWriterOptions& options, IndexTables& tables) {
  tables.volumes = {{.data_begin = kDataBegin, .data_end = data_end}};
  Superblock superblock;
  superblock.generation = 1;
  superblock.index_offset = AlignUp(data_end, kIndexAlign);
  superblock.left_out = options.left_out;
  superblock.order = options.order.order;
  superblock.order_seed = options.order.seed;
  return superblock;
}

class PackWriter {
 public:
  PackWriter(const PackContents& contents, const PackWriterOptions& options, WorkerPool& pool, OutputFile& output)
      : contents_(contents),
        tables_(contents.tables),
        options_(options),
        pool_(pool),
        output_(output),
        file_offsets_(options.spool_folder.empty() ? output.folder() : options.spool_folder) {}

  Result<Superblock> Run() {
    const auto data_end = LayOut(contents_, *options_.progress, file_offsets_);
    if (!data_end) return std::unexpected(data_end.error());
    if (auto done = Preallocate(output_, AlignUp(*data_end, kIndexAlign)); !done) return Propagate(std::move(done));
    if (auto done = WriteSamples(*data_end); !done) return Propagate(std::move(done));
    return Commit(*data_end);
  }

 private:
  Result<void> WriteSamples(uint64_t data_end) {
    options_.progress->phase = PackProgress::Phase::kPages;
    const PageWriterOptions writer{
        .skip_unreadable = options_.skip_unreadable,
        .on_unreadable = [this](NodeNumber node,
                                const std::string& reason) { options_.on_unreadable(tables_.PathOf(node), reason); },
        .samples_done = &options_.progress->samples_done,
        .bytes_done = &options_.progress->bytes_done,
        .interrupted = options_.interrupted};
    auto failed = WritePages(tables_, file_offsets_, data_end, contents_.source, pool_, output_.file(), writer);
    if (!failed) return Propagate(std::move(failed));
    if (!failed->empty() && !options_.skip_unreadable)
      return MakeError(ErrorCode::kUnreadable,
                       "a sample could not be read; nothing was written (--skip-unreadable packs the rest)");
    RemoveUnreadable(std::move(*failed));
    return {};
  }

  // What has the content of a sample that failed, as its duplicate or as its hard link, fails with it. `failed`:
  // sorted.
  void RemoveUnreadable(std::vector<NodeNumber> failed) {
    const auto add = [&](std::vector<NodeNumber> sharing) {
      for (const NodeNumber node : sharing)
        options_.on_unreadable(tables_.PathOf(node), "has the content of a sample that could not be read");
      failed.insert(failed.end(), sharing.begin(), sharing.end());
      std::ranges::sort(failed);
    };
    std::vector<NodeNumber> duplicates;
    for (const auto& [duplicate, first] : contents_.duplicates)
      if (std::ranges::binary_search(failed, first)) duplicates.push_back(duplicate);
    add(std::move(duplicates));
    add(tables_.HardLinksTo(failed));
    tables_.RemoveNodes(failed);
  }

  Result<Superblock> Commit(uint64_t data_end) {
    options_.progress->phase = PackProgress::Phase::kIndex;
    if (options_.mtime) SetMtimes(*options_.mtime);
    Superblock superblock = Describe(data_end, options_, tables_);
    if (auto finished = FinishPack(tables_, superblock, options_.interrupted, output_); !finished)
      return Propagate(std::move(finished));
    return superblock;
  }

  // Only now: until here the source's own tell whether a sample has changed.
  void SetMtimes(uint64_t mtime) {
    for (NodeNumber number = 0; number < tables_.nodes.size(); ++number)
      if (tables_.nodes[number].kind != NodeKind::kHardLink) tables_.nodes[number].mtime = mtime;
  }

  const PackContents& contents_;
  IndexTables& tables_;
  const PackWriterOptions& options_;
  WorkerPool& pool_;
  OutputFile& output_;
  Spool<uint64_t> file_offsets_;  // by extent
};

}  // namespace

Result<Superblock> WritePack(const PackContents& contents, const PackWriterOptions& options, WorkerPool& pool,
                             OutputFile& output) {
  return PackWriter(contents, options, pool, output).Run();
}

Result<Superblock> MeasurePack(const PackContents& contents, const PackWriterOptions& options) {
  Spool<uint64_t> file_offsets(options.spool_folder);
  const auto data_end = LayOut(contents, *options.progress, file_offsets);
  if (!data_end) return std::unexpected(data_end.error());
  Superblock superblock = Describe(*data_end, options, contents.tables);
  DescribeIndex(contents.tables, superblock);
  return superblock;
}

}  // namespace quire
