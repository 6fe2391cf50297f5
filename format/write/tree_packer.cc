// SPDX-License-Identifier: Apache-2.0
#include "format/write/tree_packer.h"

#include <cassert>
#include <memory>

#include "format/mutex.h"
#include "format/open_files.h"
#include "format/worker_pool.h"
#include "format/write/duplicates.h"
#include "format/write/index_tables.h"
#include "format/write/leftovers.h"
#include "format/write/output_file.h"

namespace quire {
namespace {

// Where nothing will be written any more: opens what would have been read, so that all that cannot be read is named in
// one run.
Result<void> OpenEach(const IndexTables& tables, const Spool<NodeNumber>& samples, const SampleSource& source,
                      WorkerPool& pool,
                      const std::function<void(const std::string&, const std::string&)>& on_unreadable,
                      const std::atomic<bool>* interrupted) {
  Mutex mutex;  // guards on_unreadable
  return pool.ForEach(samples.size(), [&](uint64_t i) -> Result<void> {
    if (interrupted != nullptr && *interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
    const NodeNumber number = samples[i];
    if (tables.nodes[number].size_bytes == 0) return {};  // packed without being opened
    if (const auto opened = source.Read(number, 0, {}); !opened) {
      const MutexLock lock(mutex);
      if (IsOutOfFiles(opened.error())) return std::unexpected(opened.error());
      on_unreadable(tables.PathOf(number), opened.error().message);
    }
    return {};
  });
}

std::unexpected<Error> NothingWritten(uint64_t unreadable, const PackTreeOptions& options) {
  return MakeError(ErrorCode::kUnreadable, "{} could not be read; nothing was written{}",
                   unreadable == 1 ? "an entry" : fmt::format("{} entries", unreadable),
                   options.rest_hint.empty() ? "" : fmt::format(" ({} packs the rest)", options.rest_hint));
}

}  // namespace

bool IsPacked(const PackTreeOptions& options, const std::string& path) {
  if (options.exclude != nullptr && options.exclude->Cover(path)) return false;
  return options.selection == nullptr || options.selection->HasAllBelow(path) || options.selection->Has(path);
}

Result<PackSummary> PackTree(TreeToPack& tree, const PackTreeOptions& options) {
  assert(!options.output.empty() || (options.dry_run && !options.spool_folder.empty()));
  std::unique_ptr<OutputFile> output;
  if (!options.output.empty()) {
    if (auto outside = tree.CheckOutput(options); !outside) return Propagate(std::move(outside));
    auto created = OutputFile::Create(options.output, options.replace);
    if (!created) return Propagate(std::move(created));
    output = std::move(*created);
  }
  const std::string folder = options.spool_folder.empty() ? output->folder() : options.spool_folder;
  if (!options.dry_run)
    for (const std::string& sentence : RemoveLeftovers({output->folder(), folder})) options.on_leftover(sentence);
  if (auto usable = tree.CheckSpoolFolder(options, folder); !usable) return Propagate(std::move(usable));
  // One more for each, which the scan or the source keeps open.
  WorkerPool pool(static_cast<unsigned>(ShareOpenable(options.jobs, kFilesOfThread + 1, kFilesOfIndex)));
  IndexTables tables(folder);

  uint64_t unreadable = 0;
  const auto on_unreadable = [&](const std::string& path, const std::string& reason) {
    ++unreadable;
    options.on_unreadable(path, reason);
  };
  const ScanOptions scan{.exclude = options.exclude,
                         .selection = options.selection,
                         .own_name = output == nullptr ? std::string() : output->temporary_name(),
                         .normalisation = options.normalisation,
                         .on_unreadable = on_unreadable,
                         .on_left_out = options.on_left_out,
                         .entries_found = &options.progress->entries_found,
                         .interrupted = options.interrupted};
  auto scanned = tree.Scan(scan, pool, tables, folder);
  if (!scanned) return Propagate(std::move(scanned));
  unreadable += scanned->counts.nameless;
  if (options.selection != nullptr)
    for (const std::string& path : options.selection->Missing())
      if (IsPacked(options, path)) on_unreadable(path, "is not there (--files-from)");
  Spool<NodeNumber> samples(folder);
  if (auto ordered = OrderSamples(options.order, tables, samples); !ordered) return Propagate(std::move(ordered));
  const SampleSource& source = tree.samples();
  if (unreadable > 0 && !options.skip_unreadable) {
    if (auto opened = OpenEach(tables, samples, source, pool, on_unreadable, options.interrupted); !opened)
      return Propagate(std::move(opened));
    return NothingWritten(unreadable, options);
  }
  std::vector<Duplicate> duplicates;
  if (options.deduplicate) {
    options.progress->phase = PackProgress::Phase::kDeduplicate;
    auto found = FindDuplicates(tables, samples, scanned->sparse, source, pool, options.interrupted);
    if (!found) return Propagate(std::move(found));
    duplicates = std::move(*found);
  }

  if (options.dry_run) {
    for (NodeNumber number = 1; number < tables.nodes.size(); ++number) {
      if (options.interrupted != nullptr && *options.interrupted)
        return MakeError(ErrorCode::kInterrupted, "interrupted");
      options.on_planned(tables.PathOf(number) + (tables.nodes[number].kind == NodeKind::kDirectory ? "/" : ""));
    }
  }
  const PackContents contents{
      .tables = tables, .samples = samples, .sparse = scanned->sparse, .duplicates = duplicates, .source = source};
  CompressionReport report;
  const PackWriterOptions writer{.order = options.order,
                                 .left_out = scanned->counts.left_out,
                                 .mtime = options.normalisation.mtime,
                                 .spool_folder = folder,
                                 .skip_unreadable = options.skip_unreadable,
                                 .compression = options.compression ? &*options.compression : nullptr,
                                 .report = &report,
                                 .on_unreadable = on_unreadable,
                                 .progress = options.progress,
                                 .interrupted = options.interrupted};
  auto superblock = options.dry_run ? MeasurePack(contents, writer) : WritePack(contents, writer, pool, *output);
  if (!superblock) {
    if (unreadable > 0 && !options.skip_unreadable && superblock.error().code == ErrorCode::kUnreadable)
      return NothingWritten(unreadable, options);
    Error failure = std::move(superblock).error();
    if (failure.code == ErrorCode::kSystem && output != nullptr)
      failure.message = fmt::format("{}: {}", options.output, failure.message);
    return std::unexpected(std::move(failure));
  }
  return PackSummary{.superblock = *superblock,
                     .directories = tables.directories.size(),
                     .counts = scanned->counts,
                     .unreadable = unreadable,
                     .compression = options.compression && !options.dry_run ? std::optional(report) : std::nullopt};
}

}  // namespace quire
