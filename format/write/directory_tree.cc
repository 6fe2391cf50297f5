// SPDX-License-Identifier: Apache-2.0
#include "format/write/directory_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "format/open_files.h"
#include "format/write/output_file.h"

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

// A glob that matches `name` and nothing else.
std::string EscapeGlob(std::string_view name) {
  std::string glob;
  for (const char character : name) {
    if (std::string_view("*?[\\").contains(character)) glob += '\\';
    glob += character;
  }
  return glob;
}

}  // namespace

Result<std::unique_ptr<DirectoryTree>> DirectoryTree::Open(const std::string& path, bool one_file_system) {
  auto root = SourceRoot::Open(path);
  if (!root) return Propagate(std::move(root));
  return std::unique_ptr<DirectoryTree>(new DirectoryTree(path, *std::move(root), one_file_system));
}

// A pack inside the tree that it is made of would be packed into itself.
Result<void> DirectoryTree::CheckOutput(const PackTreeOptions& options) const {
  struct stat status{};
  const bool is_there = stat(options.output.c_str(), &status) == 0;
  if (is_there && !S_ISREG(status.st_mode)) return {};  // which the output file will say
  std::error_code error;
  const fs::path source = fs::canonical(path_, error);
  if (error && error != std::errc::filename_too_long) return SystemError(error.value(), "{}", path_);
  const fs::path output = error ? fs::path() : fs::weakly_canonical(fs::absolute(options.output), error);
  if (error && error != std::errc::filename_too_long) return SystemError(error.value(), "{}", options.output);
  if (error) {
    const fs::path folder = fs::path(options.output).parent_path();
    const auto inside = LiesIn(folder.empty() ? "." : folder.string(), root_.folder());
    if (!inside) return std::unexpected(inside.error());
    if (!*inside) return {};
    return Invalid("{} lies inside of {}, the directory to be packed: put it elsewhere", options.output, path_);
  }
  const fs::path relative = output.lexically_relative(source);
  if (relative.empty() || *relative.begin() == ".." || !IsPacked(options, relative.string())) return {};
  return Invalid("{} lies inside of {}, the directory to be packed: put it elsewhere, or add --exclude '/{}'",
                 options.output, path_, EscapeGlob(relative.string()));
}

// Temporary files inside the tree would be packed where they have names: on NFS and some FUSE file systems all have.
Result<void> DirectoryTree::CheckSpoolFolder(const PackTreeOptions& options, const std::string& folder) const {
  if (auto file = OpenUnnamed(folder); !file) {
    if (options.spool_folder.empty()) return Propagate(std::move(file));
    return SystemError(file.error().system_errno, "--tmp {}: no temporary file can be made there", folder);
  }
  if (HasUnnamedFiles(folder)) return {};
  const auto inside = LiesIn(folder, root_.folder());
  if (!inside) return std::unexpected(inside.error());
  if (!*inside) return {};
  return Invalid(
      "{} lies inside of {}, the directory to be packed, and temporary files would be seen there: name "
      "another folder with --tmp",
      folder, path_);
}

Result<ScannedTree> DirectoryTree::Scan(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                                        const std::string& spool_folder) {
  identities_.emplace(spool_folder);
  ScanOptions scan = options;
  scan.one_file_system = one_file_system_;
  auto tree = ScanTree(root_, scan, pool, tables, *identities_);
  const size_t shared_files =
      ShareOpenable(DirectorySource::kMaxOpenFiles, 1, kFilesOfThread * pool.size() + kFilesOfIndex);
  source_.emplace(root_, tables, *identities_, shared_files);
  return tree;
}

}  // namespace quire
