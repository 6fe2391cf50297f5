#include "format/directory_packer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "format/duplicates.h"
#include "format/index_tables.h"
#include "format/output_file.h"
#include "format/sample_source.h"
#include "format/source_root.h"
#include "format/tree_scanner.h"
#include "format/worker_pool.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

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

// A pack inside the tree that it is made of would be packed into itself.
Result<void> CheckOutputOutside(const PackDirectoryOptions& options, const SourceRoot& root) {
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
  if (relative.empty() || *relative.begin() == ".." || IsExcluded(options.exclude, relative.string())) return {};
  return Invalid("{} lies inside of {}, the directory to be packed: put it elsewhere, or add --exclude '{}'",
                 options.output, options.source, relative.filename().string());
}

}  // namespace

Result<PackSummary> PackDirectory(const PackDirectoryOptions& options) {
  const auto root = SourceRoot::Open(options.source);
  if (!root) return std::unexpected(root.error());
  if (auto outside = CheckOutputOutside(options, *root); !outside) return Propagate(std::move(outside));
  auto output = OutputFile::Create(options.output, options.replace);
  if (!output) return Propagate(std::move(output));
  const std::string& folder = (*output)->folder();
  WorkerPool pool(options.jobs);
  IndexTables tables(folder);
  Spool<SourceIdentity> identities(folder);

  uint64_t unreadable = 0;
  const auto on_unreadable = [&](const std::string& path, const std::string& reason) {
    ++unreadable;
    options.on_unreadable(path, reason);
  };
  const ScanOptions scan{.root = *root,
                         .exclude = options.exclude,
                         .on_unreadable = on_unreadable,
                         .entries_found = &options.progress->entries_found,
                         .interrupted = options.interrupted};
  auto tree = ScanTree(scan, pool, tables, identities);
  if (!tree) return Propagate(std::move(tree));
  if (unreadable > 0 && !options.skip_unreadable)
    return MakeError(ErrorCode::kUnreadable,
                     "{} entries could not be read; nothing was written (--skip-unreadable packs the rest)",
                     unreadable);

  Spool<NodeNumber> samples(folder);
  if (auto ordered = OrderSamples(options.order, tables, samples); !ordered) return Propagate(std::move(ordered));
  const DirectorySource source(*root, tables, identities);
  std::vector<Duplicate> duplicates;
  if (options.deduplicate) {
    options.progress->phase = PackProgress::Phase::kDeduplicate;
    auto found = FindDuplicates(tables, samples, tree->sparse, source, pool, options.interrupted);
    if (!found) return Propagate(std::move(found));
    duplicates = std::move(*found);
  }

  const PackContents contents{
      .tables = tables, .samples = samples, .sparse = tree->sparse, .duplicates = duplicates, .source = source};
  const PackWriterOptions writer{.order = options.order,
                                 .left_out = tree->left_out,
                                 .skip_unreadable = options.skip_unreadable,
                                 .on_unreadable = on_unreadable,
                                 .progress = options.progress,
                                 .interrupted = options.interrupted};
  auto superblock = WritePack(contents, writer, pool, **output);
  if (!superblock) {
    Error error = std::move(superblock).error();
    if (error.code == ErrorCode::kSystem) error.message = fmt::format("{}: {}", options.output, error.message);
    return std::unexpected(std::move(error));
  }
  return PackSummary{.superblock = *superblock,
                     .directories = tables.directories.size(),
                     .excluded = tree->excluded,
                     .unreadable = unreadable,
                     .clamped_times = tree->clamped_times};
}

}  // namespace quire
