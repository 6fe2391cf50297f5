// SPDX-License-Identifier: Apache-2.0
#include "format/write/sample_writer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "format/mutex.h"
#include "format/open_files.h"
#include "format/rounding.h"
#include "format/write/dictionary_trainer.h"
#include "format/write/page_writer.h"

namespace quire {
namespace {

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

class SampleWriter {
 public:
  SampleWriter(const PackContents& contents, const SampleWriterOptions& options, WorkerPool& pool, const File& file)
      : contents_(contents),
        tables_(contents.tables),
        options_(options),
        pool_(pool),
        file_(file),
        file_offsets_(options.spool_folder) {}

  Result<WrittenSamples> Run() {
    CountTotals(contents_, *options_.progress);
    options_.progress->phase = PackProgress::Phase::kPages;
    if (options_.compression != nullptr)
      if (auto done = CompressSamples(); !done) return Propagate(std::move(done));
    const Spool<NodeNumber>& in_pages = frames_ ? frames_->left : contents_.samples;
    WrittenSamples written;
    written.data_begin = AlignUp(frames_ ? frames_->stored_end : options_.places.begin, options_.places.pages_align);
    const auto data_end = LayOut(contents_, in_pages, written.data_begin, file_offsets_);
    if (!data_end) return std::unexpected(data_end.error());
    written.data_end = *data_end;
    if (written.data_end > written.data_begin)
      if (auto done = options_.preallocate(written.data_begin, written.data_end); !done)
        return Propagate(std::move(done));
    if (auto done = Write(written); !done) return Propagate(std::move(done));
    return written;
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

  [[nodiscard]] bool has_frames() const { return frames_ && frames_->stored_end > options_.places.begin; }

  Result<void> CompressSamples() {
    const SamplesToCompress samples{.tables = tables_,
                                    .samples = contents_.samples,
                                    .sparse = contents_.sparse,
                                    .duplicates = contents_.duplicates,
                                    .source = contents_.source};
    options_.progress->phase = PackProgress::Phase::kTrain;
    if (auto trained = TrainDictionaries(samples, *options_.compression, pool_, options_.interrupted, dictionaries_);
        !trained)
      return trained;
    if (dictionaries_.count() > options_.places.most_dictionaries) dictionaries_ = {};
    options_.progress->phase = PackProgress::Phase::kPages;
    frames_.emplace(options_.spool_folder, options_.places.begin, options_.places.decoded_begin);
    const PageWriterOptions writer = WriterOptions();
    if (auto done = WriteFrames(samples, *options_.compression, dictionaries_, pool_, file_, writer, *frames_); !done)
      return done;
    *options_.report = frames_->report;
    if (has_frames()) {
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

  Result<void> Write(WrittenSamples& written) {
    auto failed = WritePages(tables_, file_offsets_, written.data_begin, written.data_end, contents_.source, pool_,
                             file_, WriterOptions());
    if (!failed) return Propagate(std::move(failed));
    if (!failed->empty() && !options_.skip_unreadable) return NothingWritten();
    // Also where nothing is left of what was compressed: its place is there.
    if (has_frames()) {
      if (auto added = AddFrames(*frames_, dictionaries_, tables_); !added) return added;
      written.coded_end = frames_->stored_end;
      written.decoded_end = frames_->decoded_end;
    }
    ShareContent(contents_);
    if (frames_) {
      failed->insert(failed->end(), frames_->failed.begin(), frames_->failed.end());
      std::ranges::sort(*failed);
    }
    written.failed = std::move(*failed);
    return {};
  }

  const PackContents& contents_;
  IndexTables& tables_;
  const SampleWriterOptions& options_;
  WorkerPool& pool_;
  const File& file_;
  Spool<uint64_t> file_offsets_;  // by extent of the pages
  EncoderDictionaries dictionaries_;
  std::optional<WrittenFrames> frames_;  // where samples are compressed
};

}  // namespace

Result<WrittenSamples> WriteSamples(const PackContents& contents, const SampleWriterOptions& options, WorkerPool& pool,
                                    const File& file) {
  return SampleWriter(contents, options, pool, file).Run();
}

Result<uint64_t> MeasureSamples(const PackContents& contents, const SampleWriterOptions& options) {
  Spool<uint64_t> file_offsets(options.spool_folder);
  CountTotals(contents, *options.progress);
  auto data_end =
      LayOut(contents, contents.samples, AlignUp(options.places.begin, options.places.pages_align), file_offsets);
  if (data_end) ShareContent(contents);
  return data_end;
}

}  // namespace quire
