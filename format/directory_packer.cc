#include "format/directory_packer.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>

#include "format/coding.h"
#include "format/duplicates.h"
#include "format/index_tables.h"
#include "format/index_writer.h"
#include "format/output_file.h"
#include "format/page_layout.h"
#include "format/page_writer.h"
#include "format/sample_source.h"
#include "format/tree_scanner.h"
#include "format/worker_pool.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

// A pack inside the tree that it is made of would be packed into itself.
Result<void> CheckOutputOutside(const PackDirectoryOptions& options) {
  std::error_code error;
  const fs::path source = fs::canonical(options.source, error);
  if (error) return SystemError(error.value(), "{}", options.source);
  const fs::path output = fs::weakly_canonical(options.output, error);
  if (error) return SystemError(error.value(), "{}", options.output);
  const fs::path relative = output.lexically_relative(source);
  if (relative.empty() || *relative.begin() == ".." || IsExcluded(options.exclude, relative.string())) return {};
  return Invalid("{} lies inside of {}, the directory to be packed: put it elsewhere, or add --exclude '{}'",
                 options.output, options.source, relative.filename().string());
}

Result<void> CheckSpace(const OutputFile& output, uint64_t needed_bytes) {
  struct statvfs status{};
  if (fstatvfs(output.file().fd(), &status) != 0) return {};  // the write will tell
  const uint64_t free_bytes = status.f_bavail * status.f_frsize;
  if (needed_bytes <= free_bytes) return {};
  return SystemError(ENOSPC, "{}: {} bytes needed, {} free", output.folder(), needed_bytes, free_bytes);
}

class DirectoryPacker {
 public:
  DirectoryPacker(const PackDirectoryOptions& options, std::unique_ptr<OutputFile> output)
      : options_(options),
        output_(std::move(output)),
        pool_(options.jobs),
        tables_(output_->folder()),
        samples_(output_->folder()),
        file_offsets_(output_->folder()) {}

  Result<PackSummary> Run() {
    if (auto done = Scan(); !done) return Propagate(std::move(done));
    if (auto done = OrderSamples(options_.order, tables_, samples_); !done) return Propagate(std::move(done));
    auto source = DirectorySource::Open(options_.source, tables_);
    if (!source) return Propagate(std::move(source));
    if (auto done = Deduplicate(**source); !done) return Propagate(std::move(done));
    const auto data_end = LayOut();
    if (!data_end) return std::unexpected(data_end.error());
    if (auto done = CheckSpace(*output_, *data_end); !done) return Propagate(std::move(done));
    if (auto done = WriteSamples(**source, *data_end); !done) return Propagate(std::move(done));
    return Commit(*data_end);
  }

 private:
  Result<void> Scan() {
    const ScanOptions scan{.root = options_.source,
                           .exclude = options_.exclude,
                           .on_unreadable =
                               [this](const std::string& path, const std::string& reason) {
                                 ++unreadable_;
                                 options_.on_unreadable(path, reason);
                               },
                           .entries_found = &options_.progress->entries_found,
                           .interrupted = options_.interrupted};
    auto tree = ScanTree(scan, pool_, tables_);
    if (!tree) return Propagate(std::move(tree));
    tree_ = std::move(*tree);
    return CheckUnreadable();
  }

  Result<void> CheckUnreadable() const {
    if (unreadable_ == 0 || options_.skip_unreadable) return {};
    return MakeError(ErrorCode::kUnreadable,
                     "{}: entries that could not be packed: {}; nothing was written (--skip-unreadable packs the rest)",
                     options_.source, unreadable_);
  }

  Result<void> Deduplicate(const SampleSource& source) {
    if (!options_.deduplicate) return {};
    options_.progress->phase = PackProgress::Phase::kDeduplicate;
    auto duplicates = FindDuplicates(tables_, samples_, source, pool_, options_.interrupted);
    if (!duplicates) return Propagate(std::move(duplicates));
    duplicates_ = std::move(*duplicates);
    return {};
  }

  Result<uint64_t> LayOut() {
    PageLayout layout(tables_, file_offsets_);
    for (const NodeNumber number : static_cast<const Spool<NodeNumber>&>(samples_).span()) {
      if (std::ranges::binary_search(duplicates_, number, {}, &Duplicate::node)) continue;
      const Node& node = tables_.nodes[number];
      const DataRange all{.offset = 0, .length_bytes = node.size_bytes};
      const auto sparse = tree_.sparse.find(number);
      const auto ranges =
          sparse == tree_.sparse.end() ? std::span(&all, 1) : std::span<const DataRange>(sparse->second);
      if (auto added = layout.Add(number, ranges); !added) return Propagate(std::move(added));
      options_.progress->samples_total += node.size_bytes > 0 && !ranges.empty() ? 1 : 0;
      for (const DataRange& range : ranges) options_.progress->bytes_total += range.length_bytes;
    }
    const auto data_end = layout.Finish();
    if (!data_end) return data_end;
    for (const auto& [duplicate, first] : duplicates_) tables_.nodes[duplicate].content = tables_.nodes[first].content;
    return data_end;
  }

  Result<void> WriteSamples(const SampleSource& source, uint64_t data_end) {
    options_.progress->phase = PackProgress::Phase::kPages;
    const PageWriterOptions writer{.skip_unreadable = options_.skip_unreadable,
                                   .on_unreadable =
                                       [this](NodeNumber node, const std::string& reason) {
                                         ++unreadable_;
                                         options_.on_unreadable(tables_.PathOf(node), reason);
                                       },
                                   .samples_done = &options_.progress->samples_done,
                                   .bytes_done = &options_.progress->bytes_done,
                                   .interrupted = options_.interrupted};
    auto failed = WritePages(tables_, file_offsets_, data_end, source, pool_, output_->file(), writer);
    if (!failed) return Propagate(std::move(failed));
    if (auto none = CheckUnreadable(); !none) return none;
    Remove(std::move(*failed));
    return {};
  }

  // Samples that share the content of one that failed fail with it.
  void Remove(std::vector<NodeNumber> failed) {
    const std::vector<NodeNumber> owners = failed;  // sorted
    for (const auto& [duplicate, first] : duplicates_) {
      if (!std::ranges::binary_search(owners, first)) continue;
      ++unreadable_;
      options_.on_unreadable(tables_.PathOf(duplicate),
                             fmt::format("has the content of '{}', which cannot be read", tables_.PathOf(first)));
      failed.push_back(duplicate);
    }
    std::ranges::sort(failed);
    tables_.RemoveSamples(std::move(failed));
  }

  Result<PackSummary> Commit(uint64_t data_end) {
    options_.progress->phase = PackProgress::Phase::kIndex;
    tables_.volumes = {{.data_begin = kDataBegin, .data_end = data_end}};
    Superblock superblock;
    superblock.generation = 1;
    superblock.index_offset = AlignUp(data_end, kIndexAlign);
    superblock.left_out = tree_.left_out;
    superblock.order = options_.order.order;
    superblock.order_seed = options_.order.seed;
    if (auto written = WriteIndex(tables_, output_->file(), superblock); !written) return Propagate(std::move(written));
    if (auto committed = CommitGeneration(output_->file(), superblock); !committed)
      return Propagate(std::move(committed));
    if (options_.interrupted != nullptr && *options_.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    if (auto named = output_->Commit(); !named) return Propagate(std::move(named));
    options_.progress->phase = PackProgress::Phase::kDone;
    return PackSummary{.samples = superblock.samples,
                       .directories = tables_.directories.size(),
                       .symlinks = superblock.symlinks,
                       .hard_links = superblock.hard_links,
                       .sample_bytes = superblock.sample_bytes,
                       .stored_bytes = superblock.stored_bytes,
                       .pack_bytes = superblock.pack_bytes,
                       .left_out = superblock.left_out,
                       .excluded = tree_.excluded,
                       .unreadable = unreadable_,
                       .clamped_times = tree_.clamped_times};
  }

  const PackDirectoryOptions& options_;
  const std::unique_ptr<OutputFile> output_;
  WorkerPool pool_;
  IndexTables tables_;
  Spool<NodeNumber> samples_;     // in pack order
  Spool<uint64_t> file_offsets_;  // by extent
  ScannedTree tree_;
  std::vector<Duplicate> duplicates_;
  uint64_t unreadable_ = 0;
};

}  // namespace

Result<PackSummary> PackDirectory(const PackDirectoryOptions& options) {
  if (auto outside = CheckOutputOutside(options); !outside) return Propagate(std::move(outside));
  auto output = OutputFile::Create(options.output, options.replace);
  if (!output) return Propagate(std::move(output));
  return DirectoryPacker(options, std::move(*output)).Run();
}

}  // namespace quire
