// SPDX-License-Identifier: Apache-2.0
#include "format/write/pack_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "format/rounding.h"
#include "format/write/index_writer.h"

namespace quire {
namespace {

// Takes the space of the pages before anything is read: a full disk is known at once, the pages lie together on the
// disk, and can be written in any order without moving the end of the file each time.
Result<void> Preallocate(const OutputFile& output, uint64_t bytes) {
  if (fallocate(output.file().fd(), 0, 0, static_cast<off_t>(bytes)) == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return {};  // the writes will tell
  return SystemError(errno, "taking the {} bytes of its pages", bytes);
}

Superblock Describe(uint64_t data_end, const PackWriterOptions& options) {
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
      : contents_(contents), tables_(contents.tables), options_(options), pool_(pool), output_(output) {}

  Result<Superblock> Run() {
    auto written = WriteSamples(
        contents_,
        {.spool_folder = options_.spool_folder.empty() ? output_.folder() : options_.spool_folder,
         .skip_unreadable = options_.skip_unreadable,
         .compression = options_.compression,
         .report = options_.report,
         .preallocate = [this](uint64_t, uint64_t end) { return Preallocate(output_, AlignUp(end, kIndexAlign)); },
         .on_unreadable = options_.on_unreadable,
         .progress = options_.progress,
         .interrupted = options_.interrupted},
        pool_, output_.file());
    if (!written) return Propagate(std::move(written));
    tables_.volumes = {{.data_begin = written->data_begin, .data_end = written->data_end}};
    if (written->coded_end) tables_.volumes.push_back(FramedVolume(written->decoded_end));
    RemoveUnreadable(std::move(written->failed));
    return Commit(written->data_end);
  }

 private:
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
    Superblock superblock = Describe(data_end, options_);
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
};

}  // namespace

Result<Superblock> WritePack(const PackContents& contents, const PackWriterOptions& options, WorkerPool& pool,
                             OutputFile& output) {
  return PackWriter(contents, options, pool, output).Run();
}

Result<Superblock> MeasurePack(const PackContents& contents, const PackWriterOptions& options) {
  const auto data_end = MeasureSamples(
      contents,
      {.spool_folder = options.spool_folder, .preallocate = {}, .on_unreadable = {}, .progress = options.progress});
  if (!data_end) return std::unexpected(data_end.error());
  contents.tables.volumes = {{.data_begin = kDataBegin, .data_end = *data_end}};
  Superblock superblock = Describe(*data_end, options);
  DescribeIndex(contents.tables, superblock);
  return superblock;
}

}  // namespace quire
