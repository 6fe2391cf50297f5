// SPDX-License-Identifier: Apache-2.0
#include "format/write/pack_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "format/mutex.h"
#include "format/open_files.h"
#include "format/rounding.h"
#include "format/write/dictionary_trainer.h"
#include "format/write/frame_writer.h"
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

// Calls `visit` with each sample that is stored for itself, and its data.
template <typename Visit>
Result<void> ForEachStored(const PackContents& contents, const Spool<NodeNumber>& samples, Visit visit) {
  for (const NodeNumber number : samples.span()) {
    if (std::ranges::binary_search(contents.duplicates, number, {}, &Duplicate::node)) continue;
    const DataRange all{.offset = 0, .length_bytes = contents.tables.nodes[number].size_bytes};
    const auto sparse = contents.sparse.find(number);
    const auto ranges = sparse == contents.sparse.end() ? std::span(&all, 1) : std::span(sparse->second);
    if (Result<void> visited = visit(number, ranges); !visited) return visited;
  }
  return {};
}

void CountTotals(const PackContents& contents, PackProgress& progress) {
  const auto counted = ForEachStored(contents, contents.samples,
                                     [&](NodeNumber node, std::span<const DataRange> ranges) -> Result<void> {
                                       if (contents.tables.nodes[node].size_bytes > 0 && !ranges.empty())
                                         ++progress.samples_total;
                                       for (const DataRange& range : ranges) progress.bytes_total += range.length_bytes;
                                       return {};
                                     });
  static_cast<void>(counted);  // it cannot fail
}

// Lays `samples` out in pages from `begin` on. Returns the end of the sample bytes in the pack.
Result<uint64_t> LayOut(const PackContents& contents, const Spool<NodeNumber>& samples, uint64_t begin,
                        Spool<uint64_t>& file_offsets) {
  PageLayout layout(contents.tables, file_offsets, begin);
  auto added = ForEachStored(
      contents, samples, [&](NodeNumber node, std::span<const DataRange> ranges) { return layout.Add(node, ranges); });
  if (!added) return Propagate(std::move(added));
  return layout.Finish();
}

void ShareContent(const PackContents& contents) {
  for (const auto& [duplicate, first] : contents.duplicates) {
    contents.tables.nodes[duplicate].kind = contents.tables.nodes[first].kind;
    contents.tables.nodes[duplicate].content = contents.tables.nodes[first].content;
  }
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
      : contents_(contents),
        tables_(contents.tables),
        options_(options),
        pool_(pool),
        output_(output),
        file_offsets_(spool_folder()) {}

  Result<Superblock> Run() {
    CountTotals(contents_, *options_.progress);
    options_.progress->phase = PackProgress::Phase::kPages;
    if (options_.compression != nullptr)
      if (auto done = CompressSamples(); !done) return Propagate(std::move(done));
    const Spool<NodeNumber>& in_pages = frames_ ? frames_->left : contents_.samples;
    const uint64_t data_begin = frames_ ? AlignUp(frames_->stored_end, kIndexAlign) : kDataBegin;
    const auto data_end = LayOut(contents_, in_pages, data_begin, file_offsets_);
    if (!data_end) return std::unexpected(data_end.error());
    if (auto done = Preallocate(output_, AlignUp(*data_end, kIndexAlign)); !done) return Propagate(std::move(done));
    if (auto done = WriteSamples(data_begin, *data_end); !done) return Propagate(std::move(done));
    return Commit(*data_end);
  }

 private:
  [[nodiscard]] PageWriterOptions WriterOptions() {
    return {
        .skip_unreadable = options_.skip_unreadable,
        .on_unreadable = [this](NodeNumber node,
                                const std::string& reason) { options_.on_unreadable(tables_.PathOf(node), reason); },
        .samples_done = &options_.progress->samples_done,
        .bytes_done = &options_.progress->bytes_done,
        .interrupted = options_.interrupted};
  }

  static std::unexpected<Error> NothingWritten() {
    return MakeError(ErrorCode::kUnreadable, "a sample could not be read; nothing was written");
  }

  Result<void> CompressSamples() {
    frames_.emplace(spool_folder());
    const SamplesToCompress samples{.tables = tables_,
                                    .samples = contents_.samples,
                                    .sparse = contents_.sparse,
                                    .duplicates = contents_.duplicates,
                                    .source = contents_.source};
    options_.progress->phase = PackProgress::Phase::kTrain;
    if (auto trained = TrainDictionaries(samples, *options_.compression, pool_, options_.interrupted, dictionaries_);
        !trained)
      return trained;
    options_.progress->phase = PackProgress::Phase::kPages;
    const PageWriterOptions writer = WriterOptions();
    if (auto done = WriteFrames(samples, *options_.compression, dictionaries_, pool_, output_.file(), writer, *frames_);
        !done)
      return done;
    *options_.report = frames_->report;
    if (frames_->stored_end > kDataBegin) {
      options_.report->dictionaries = dictionaries_.count();
      for (size_t number = 1; number <= dictionaries_.count(); ++number)
        options_.report->dictionary_bytes += dictionaries_.bytes(number).size();
    }
    if (frames_->failed.empty() || options_.skip_unreadable) return {};
    if (auto told = TellUnreadable(frames_->left, writer); !told) return told;
    return NothingWritten();
  }

  // Nothing will be written: opens what the pages would have read, so that all that cannot be read is told.
  Result<void> TellUnreadable(const Spool<NodeNumber>& samples, const PageWriterOptions& writer) {
    Mutex mutex;  // guards on_unreadable
    return pool_.ForEach(samples.size(), [&](uint64_t i) -> Result<void> {
      if (options_.interrupted != nullptr && *options_.interrupted)
        return MakeError(ErrorCode::kInterrupted, "interrupted");
      if (tables_.nodes[samples[i]].size_bytes == 0) return {};
      const auto opened = contents_.source.Read(samples[i], 0, {});
      if (opened) return {};
      if (IsOutOfFiles(opened.error())) return opened;
      const MutexLock lock(mutex);
      writer.on_unreadable(samples[i], opened.error().message);
      return {};
    });
  }

  Result<void> WriteSamples(uint64_t data_begin, uint64_t data_end) {
    auto failed = WritePages(tables_, file_offsets_, data_begin, data_end, contents_.source, pool_, output_.file(),
                             WriterOptions());
    if (!failed) return Propagate(std::move(failed));
    if (!failed->empty() && !options_.skip_unreadable) return NothingWritten();
    tables_.volumes = {{.data_begin = data_begin, .data_end = data_end}};
    // Also where nothing is left of what was compressed: its place is there.
    if (frames_ && frames_->stored_end > kDataBegin)
      if (auto added = AddFrames(*frames_, dictionaries_, tables_); !added) return added;
    ShareContent(contents_);
    if (frames_) {
      failed->insert(failed->end(), frames_->failed.begin(), frames_->failed.end());
      std::ranges::sort(*failed);
    }
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

  [[nodiscard]] const std::string& spool_folder() const {
    return options_.spool_folder.empty() ? output_.folder() : options_.spool_folder;
  }

  const PackContents& contents_;
  IndexTables& tables_;
  const PackWriterOptions& options_;
  WorkerPool& pool_;
  OutputFile& output_;
  Spool<uint64_t> file_offsets_;  // by extent of the pages
  EncoderDictionaries dictionaries_;
  std::optional<WrittenFrames> frames_;  // where samples are compressed
};

}  // namespace

Result<Superblock> WritePack(const PackContents& contents, const PackWriterOptions& options, WorkerPool& pool,
                             OutputFile& output) {
  return PackWriter(contents, options, pool, output).Run();
}

Result<Superblock> MeasurePack(const PackContents& contents, const PackWriterOptions& options) {
  Spool<uint64_t> file_offsets(options.spool_folder);
  CountTotals(contents, *options.progress);
  const auto data_end = LayOut(contents, contents.samples, kDataBegin, file_offsets);
  if (!data_end) return std::unexpected(data_end.error());
  ShareContent(contents);
  contents.tables.volumes = {{.data_begin = kDataBegin, .data_end = *data_end}};
  Superblock superblock = Describe(*data_end, options);
  DescribeIndex(contents.tables, superblock);
  return superblock;
}

}  // namespace quire
