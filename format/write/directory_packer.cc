// SPDX-License-Identifier: Apache-2.0
#include "format/write/directory_packer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cassert>
#include <filesystem>
#include <memory>

#include "format/mutex.h"
#include "format/open_files.h"
#include "format/worker_pool.h"
#include "format/write/duplicates.h"
#include "format/write/index_tables.h"
#include "format/write/leftovers.h"
#include "format/write/output_file.h"
#include "format/write/sample_source.h"
#include "format/write/source_root.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

// What a thread has open of the source at once: a sample, and two folders on the way to it.
constexpr size_t kFilesOfThread = 3;
// Temporary files of the index, the output once more for direct writes, and the list of an order.
constexpr size_t kFilesOfIndex = 14;

// Whether `folder` lies in the directory `root`, or is it. Asks for no paths, which may be longer than a system call
// takes. kSystem where a folder above is closed.
Result<bool> LiesIn(const std::string& folder, const File& root) {
  struct stat wanted{};
  struct stat status{};
  if (fstat(root.fd(), &wanted) != 0) return SystemError(errno, "fstat");
  auto at = File::Open(folder, O_PATH | O_DIRECTORY);
  if (!at) return Propagate(std::move(at));
  for (struct stat below{};; below = status) {
    if (fstat(at->fd(), &status) != 0) return SystemError(errno, "fstat");
    if (status.st_dev == wanted.st_dev && status.st_ino == wanted.st_ino) return true;
    if (status.st_dev == below.st_dev && status.st_ino == below.st_ino) return false;  // "/", which is its own parent
    File above(openat(at->fd(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!above.is_open()) return SystemError(errno, "{}: a folder above it", folder);
    *at = std::move(above);
  }
}

bool IsPacked(const PackDirectoryOptions& options, const std::string& path) {
  if (options.exclude != nullptr && options.exclude->Cover(path)) return false;
  return options.selection == nullptr || options.selection->HasAllBelow(path) || options.selection->Has(path);
}

// A glob that matches `name` and nothing else.
std::string EscapeGlob(std::string_view name) {
  std::string glob;
  for (const char character : name) {
    if (std::string_view("*?[\\").contains(character)) glob += '\\';
    glob += character;
  }
  return glob;
}

// A pack inside the tree that it is made of would be packed into itself.
Result<void> CheckOutputOutside(const PackDirectoryOptions& options, const SourceRoot& root) {
  struct stat status{};
  const bool is_there = stat(options.output.c_str(), &status) == 0;
  if (is_there && !S_ISREG(status.st_mode)) return {};  // which the output file will say
  std::error_code error;
  const fs::path source = fs::canonical(options.source, error);
  if (error && error != std::errc::filename_too_long) return SystemError(error.value(), "{}", options.source);
  const fs::path output = error ? fs::path() : fs::weakly_canonical(fs::absolute(options.output), error);
  if (error && error != std::errc::filename_too_long) return SystemError(error.value(), "{}", options.output);
  if (error) {
    const fs::path folder = fs::path(options.output).parent_path();
    const auto inside = LiesIn(folder.empty() ? "." : folder.string(), root.folder());
    if (!inside) return std::unexpected(inside.error());
    if (!*inside) return {};
    return Invalid("{} lies inside of {}, the directory to be packed: put it elsewhere", options.output,
                   options.source);
  }
  const fs::path relative = output.lexically_relative(source);
  if (relative.empty() || *relative.begin() == ".." || !IsPacked(options, relative.string())) return {};
  return Invalid("{} lies inside of {}, the directory to be packed: put it elsewhere, or add --exclude '/{}'",
                 options.output, options.source, EscapeGlob(relative.string()));
}

// Temporary files inside the tree would be packed where they have names: on NFS and some FUSE file systems all have.
Result<void> CheckSpoolFolder(const PackDirectoryOptions& options, const SourceRoot& root, const std::string& folder) {
  if (auto file = OpenUnnamed(folder); !file) {
    if (options.spool_folder.empty()) return Propagate(std::move(file));
    return SystemError(file.error().system_errno, "--tmp {}: no temporary file can be made there", folder);
  }
  if (HasUnnamedFiles(folder)) return {};
  const auto inside = LiesIn(folder, root.folder());
  if (!inside) return std::unexpected(inside.error());
  if (!*inside) return {};
  return Invalid(
      "{} lies inside of {}, the directory to be packed, and temporary files would be seen there: name "
      "another folder with --tmp",
      folder, options.source);
}

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

std::unexpected<Error> NothingWritten(uint64_t unreadable) {
  return MakeError(ErrorCode::kUnreadable,
                   "{} could not be read; nothing was written (--skip-unreadable packs the rest)",
                   unreadable == 1 ? "an entry" : fmt::format("{} entries", unreadable));
}

}  // namespace

Result<PackSummary> PackDirectory(const PackDirectoryOptions& options) {
  assert(!options.output.empty() || (options.dry_run && !options.spool_folder.empty()));
  const auto root = SourceRoot::Open(options.source);
  if (!root) return std::unexpected(root.error());
  std::unique_ptr<OutputFile> output;
  if (!options.output.empty()) {
    if (auto outside = CheckOutputOutside(options, *root); !outside) return Propagate(std::move(outside));
    auto created = OutputFile::Create(options.output, options.replace);
    if (!created) return Propagate(std::move(created));
    output = std::move(*created);
  }
  const std::string folder = options.spool_folder.empty() ? output->folder() : options.spool_folder;
  if (!options.dry_run)
    for (const std::string& sentence : RemoveLeftovers({output->folder(), folder})) options.on_leftover(sentence);
  if (auto usable = CheckSpoolFolder(options, *root, folder); !usable) return Propagate(std::move(usable));
  // One more for each, which the scan or the source keeps open.
  WorkerPool pool(static_cast<unsigned>(ShareOpenable(options.jobs, kFilesOfThread + 1, kFilesOfIndex)));
  IndexTables tables(folder);
  Spool<SourceIdentity> identities(folder);

  uint64_t unreadable = 0;
  const auto on_unreadable = [&](const std::string& path, const std::string& reason) {
    ++unreadable;
    options.on_unreadable(path, reason);
  };
  const ScanOptions scan{.root = *root,
                         .exclude = options.exclude,
                         .selection = options.selection,
                         .own_name = output == nullptr ? std::string() : output->temporary_name(),
                         .one_file_system = options.one_file_system,
                         .normalisation = options.normalisation,
                         .on_unreadable = on_unreadable,
                         .on_left_out = options.on_left_out,
                         .entries_found = &options.progress->entries_found,
                         .interrupted = options.interrupted};
  auto tree = ScanTree(scan, pool, tables, identities);
  if (!tree) return Propagate(std::move(tree));
  if (options.selection != nullptr)
    for (const std::string& path : options.selection->Missing())
      if (IsPacked(options, path)) on_unreadable(path, "is not there (--files-from)");
  Spool<NodeNumber> samples(folder);
  if (auto ordered = OrderSamples(options.order, tables, samples); !ordered) return Propagate(std::move(ordered));
  const size_t shared_files =
      ShareOpenable(DirectorySource::kMaxOpenFiles, 1, kFilesOfThread * pool.size() + kFilesOfIndex);
  const DirectorySource source(*root, tables, identities, shared_files);
  if (unreadable > 0 && !options.skip_unreadable) {
    if (auto opened = OpenEach(tables, samples, source, pool, on_unreadable, options.interrupted); !opened)
      return Propagate(std::move(opened));
    return NothingWritten(unreadable);
  }
  std::vector<Duplicate> duplicates;
  if (options.deduplicate) {
    options.progress->phase = PackProgress::Phase::kDeduplicate;
    auto found = FindDuplicates(tables, samples, tree->sparse, source, pool, options.interrupted);
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
      .tables = tables, .samples = samples, .sparse = tree->sparse, .duplicates = duplicates, .source = source};
  const PackWriterOptions writer{.order = options.order,
                                 .left_out = tree->counts.left_out,
                                 .mtime = options.normalisation.mtime,
                                 .spool_folder = folder,
                                 .skip_unreadable = options.skip_unreadable,
                                 .on_unreadable = on_unreadable,
                                 .progress = options.progress,
                                 .interrupted = options.interrupted};
  auto superblock = options.dry_run ? MeasurePack(contents, writer) : WritePack(contents, writer, pool, *output);
  if (!superblock) {
    if (unreadable > 0 && !options.skip_unreadable && superblock.error().code == ErrorCode::kUnreadable)
      return NothingWritten(unreadable);
    Error failure = std::move(superblock).error();
    if (failure.code == ErrorCode::kSystem && output != nullptr)
      failure.message = fmt::format("{}: {}", options.output, failure.message);
    return std::unexpected(std::move(failure));
  }
  return PackSummary{.superblock = *superblock,
                     .directories = tables.directories.size(),
                     .counts = tree->counts,
                     .unreadable = unreadable};
}

}  // namespace quire
