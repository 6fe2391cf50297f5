// SPDX-License-Identifier: Apache-2.0
#include "format/write/tree_scanner.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "format/escaping.h"
#include "format/file.h"
#include "format/open_files.h"
#include "format/pack/geometry.h"
#include "format/write/source_attributes.h"

namespace quire {
namespace {

// Directories listed at once, and entries that one task looks at: large enough to keep every thread busy on a cold
// disk, small enough that what waits for its turn is bounded. Entries of a larger directory are looked at in windows
// (an entry takes about 330 bytes meanwhile).
constexpr size_t kBatchDirectories = 64;
// Two files for each thread, that which it looks into and one on the way there, and what else is opened meanwhile.
constexpr size_t kFilesOfThread = 2;
constexpr size_t kFilesOfOthers = 4;
constexpr size_t kEntriesPerTask = 128;
constexpr size_t kWindowEntries = 32768;
constexpr uint64_t kStatBlockBytes = 512;  // the unit of st_blocks

struct ScannedEntry {
  std::string name;
  struct stat status = {};
  std::string target;  // of a symlink
  SourceAttributes attributes;
  std::optional<std::vector<DataRange>> data;  // of a file that may have holes
  std::optional<Error> error;
};

struct Listing {
  std::string path;  // below the root
  File folder;
  std::vector<std::string> names;  // sorted, without what is excluded
  std::vector<std::string> excluded;
  bool is_other_file_system = false;
  std::vector<ScannedEntry> entries;  // of all names, or of one window of them
  std::optional<Error> error;
};

std::string Join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

std::unexpected<Error> AtPath(const std::string& path, Error error) {
  error.message = fmt::format("{}: {}", EscapeName(path.empty() ? "." : path), error.message);
  return std::unexpected(std::move(error));
}

std::string_view NameOfKind(mode_t type) {
  switch (type) {
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

// Where `file` has data, by SEEK_DATA and SEEK_HOLE (lseek(2)).
Result<std::vector<DataRange>> FindDataRanges(const File& file, uint64_t size) {
  std::vector<DataRange> ranges;
  for (uint64_t at = 0; at < size;) {
    const off_t data = lseek(file.fd(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) return SystemError(errno, "lseek");
    const off_t hole = lseek(file.fd(), data, SEEK_HOLE);
    if (hole < 0) return SystemError(errno, "lseek");
    if (static_cast<uint64_t>(data) >= size) break;
    AddData(ranges, static_cast<uint64_t>(data), static_cast<uint64_t>(hole), size);
    at = ranges.back().offset + ranges.back().length_bytes;
  }
  return ranges;
}

Result<struct stat> LookAt(const File& folder, const std::string& name) {
  struct stat status{};
  if (fstatat(folder.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return SystemError(errno, "lstat");
  return status;
}

Result<void> ReadTarget(const File& folder, ScannedEntry& entry) {
  entry.target.resize(kMaxTargetBytes + 1);
  const ssize_t got = readlinkat(folder.fd(), entry.name.c_str(), entry.target.data(), entry.target.size());
  if (got < 0) return SystemError(errno, "readlink");
  if (static_cast<size_t>(got) > kMaxTargetBytes)
    return Unsupported("symlink target longer than {} bytes", kMaxTargetBytes);
  entry.target.resize(static_cast<size_t>(got));
  return {};
}

Result<void> ReadHoles(const File& folder, ScannedEntry& entry) {
  const int fd = openat(folder.fd(), entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, "open");
  const auto size = static_cast<uint64_t>(entry.status.st_size);
  auto ranges = FindDataRanges(File(fd), size);
  if (!ranges) return Propagate(std::move(ranges));
  entry.data = *std::move(ranges);
  return {};
}

Result<void> ReadEntry(const File& folder, ScannedEntry& entry) {
  if (entry.name.size() > kMaxNameBytes)
    return Unsupported("its name has {} bytes, and a pack's at most {}: rename it", entry.name.size(), kMaxNameBytes);
  auto status = LookAt(folder, entry.name);
  if (status && S_ISREG(status->st_mode) && AwaitTellingCtime(*status)) status = LookAt(folder, entry.name);
  if (!status) return Propagate(std::move(status));
  entry.status = *status;
  const mode_t type = status->st_mode & S_IFMT;
  if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) return {};
  if (type == S_IFLNK) {
    if (auto read = ReadTarget(folder, entry); !read) return read;
  } else {
    auto attributes = ReadSourceAttributes(ProcPath(folder.fd()) + "/" + entry.name);
    if (!attributes) return Propagate(std::move(attributes));
    entry.attributes = std::move(*attributes);
  }
  const auto size = static_cast<uint64_t>(status->st_size);
  const bool may_have_holes = type == S_IFREG && static_cast<uint64_t>(status->st_blocks) * kStatBlockBytes < size;
  if (may_have_holes)
    if (auto read = ReadHoles(folder, entry); !read) return read;
  // A directory changes with its entries, and a file is compared again when its bytes are read.
  if (type == S_IFDIR || (type == S_IFREG && size > 0 && !may_have_holes)) return {};
  status = LookAt(folder, entry.name);
  if (!status) return Propagate(std::move(status));
  return CheckUnchanged(IdentityOf(entry.status), *status, folder);
}

class Scanner {
 public:
  Scanner(const SourceRoot& root, const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
          Spool<SourceIdentity>& identities)
      : root_(root), options_(options), pool_(pool), builder_(tables), identities_(identities) {}

  Result<ScannedTree> Run() {
    if (auto root = AddRoot(); !root) return Propagate(std::move(root));
    const size_t batch_directories =
        ShareOpenable(kBatchDirectories, 1, kFilesOfThread * pool_.size() + kFilesOfOthers);
    while (!pending_.empty()) {
      std::vector<Listing> batch(std::min(pending_.size(), batch_directories));
      for (Listing& listing : batch) {
        listing.path = std::move(pending_.front());
        pending_.pop_front();
      }
      if (auto read = ReadBatch(batch); !read) return Propagate(std::move(read));
      for (Listing& listing : batch)
        if (auto taken = TakeListing(listing); !taken) return Propagate(std::move(taken));
    }
    auto sparse = builder_.Finish();
    if (!sparse) return Propagate(std::move(sparse));
    return ScannedTree{.sparse = *std::move(sparse), .counts = counts_};
  }

 private:
  Result<void> AddRoot() {
    ScannedEntry root;
    const int fd = root_.folder().fd();
    if (fstat(fd, &root.status) != 0) return SystemError(errno, "fstat");
    auto attributes = ReadSourceAttributes(ProcPath(fd) + "/.");
    if (!attributes) return Propagate(std::move(attributes));
    root.attributes = std::move(*attributes);
    device_ = root.status.st_dev;
    return AddEntry(root, "");
  }

  Result<void> ReadBatch(std::vector<Listing>& batch) {
    auto listed = pool_.ForEach(batch.size(), [&](uint64_t i) -> Result<void> {
      if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
      Listing& listing = batch[i];
      auto listing_done = List(listing);
      if (!listing_done && IsOutOfFiles(listing_done.error())) return AtPath(listing.path, listing_done.error());
      if (!listing_done) listing.error = std::move(listing_done).error();
      return {};
    });
    if (!listed) return listed;
    std::vector<Listing*> small;
    for (Listing& listing : batch) {
      if (listing.names.size() > kWindowEntries) continue;
      StartWindow(listing, 0);
      small.push_back(&listing);
    }
    return ReadWindows(small);
  }

  static void StartWindow(Listing& listing, size_t begin) {
    const size_t end = std::min(begin + kWindowEntries, listing.names.size());
    listing.entries = std::vector<ScannedEntry>(end - begin);
    for (size_t i = begin; i < end; ++i) listing.entries[i - begin].name = std::move(listing.names[i]);
  }

  Result<void> ReadWindows(const std::vector<Listing*>& listings) {
    struct Task {
      Listing* listing;
      size_t begin;
    };
    std::vector<Task> tasks;
    for (Listing* listing : listings)
      for (size_t begin = 0; begin < listing->entries.size(); begin += kEntriesPerTask)
        tasks.push_back({listing, begin});
    return pool_.ForEach(tasks.size(), [&](uint64_t i) -> Result<void> {
      if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
      const auto [listing, begin] = tasks[i];
      const size_t end = std::min(begin + kEntriesPerTask, listing->entries.size());
      for (size_t e = begin; e < end; ++e) {
        ScannedEntry& entry = listing->entries[e];
        auto read = ReadEntry(listing->folder, entry);
        if (!read && IsOutOfFiles(read.error())) return AtPath(Join(listing->path, entry.name), read.error());
        if (!read) entry.error = std::move(read).error();
      }
      if (options_.entries_found != nullptr) *options_.entries_found += end - begin;
      return {};
    });
  }

  Result<void> List(Listing& listing) {
    auto folder = root_.OpenBelow(listing.path, O_RDONLY | O_DIRECTORY);
    if (!folder) return Propagate(std::move(folder));
    listing.folder = std::move(*folder);
    if (options_.one_file_system) {
      struct stat status{};
      if (fstat(listing.folder.fd(), &status) != 0) return SystemError(errno, "fstat");
      listing.is_other_file_system = status.st_dev != device_;
      if (listing.is_other_file_system) return {};
    }
    auto names = ListNames(listing.folder);
    if (!names) return Propagate(std::move(names));
    listing.names = std::move(*names);
    LeaveOut(listing);
    return {};
  }

  // Takes the names out that are not to be packed.
  void LeaveOut(Listing& listing) const {
    std::erase(listing.names, options_.own_name);
    if (options_.selection != nullptr) {
      const bool has_all = options_.selection->HasAllBelow(listing.path);
      std::erase_if(listing.names, [&](const std::string& name) {
        return !options_.selection->Has(Join(listing.path, name)) && !has_all;
      });
    }
    if (options_.exclude == nullptr || options_.exclude->empty()) return;
    std::erase_if(listing.names, [&](const std::string& name) {
      const bool is_excluded = options_.exclude->Match(Join(listing.path, name), [&] {
        struct stat status{};
        return fstatat(listing.folder.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
      });
      if (is_excluded) listing.excluded.push_back(name);
      return is_excluded;
    });
  }

  Result<void> TakeListing(Listing& listing) {
    builder_.BeginDirectory();
    if (listing.error) options_.on_unreadable(listing.path.empty() ? "." : listing.path, listing.error->message);
    counts_.excluded += listing.excluded.size();
    for (const std::string& name : listing.excluded) options_.on_left_out(Join(listing.path, name), "excluded");
    if (listing.is_other_file_system) ++counts_.other_file_systems;
    for (size_t begin = 0; begin < listing.names.size(); begin += kWindowEntries) {
      if (listing.names.size() > kWindowEntries) {
        StartWindow(listing, begin);
        if (auto read = ReadWindows({&listing}); !read) return read;
      }
      for (const ScannedEntry& entry : listing.entries) {
        const std::string path = Join(listing.path, entry.name);
        if (entry.error) {
          options_.on_unreadable(path, entry.error->message);
        } else if (path.size() > kMaxPathBytes) {
          options_.on_unreadable(path,
                                 fmt::format("its path has {} bytes below the directory to be packed, and may have "
                                             "{}: pack a folder above it by itself",
                                             path.size(), kMaxPathBytes));
        } else if (auto added = AddEntry(entry, path); !added) {
          return added;
        }
      }
    }
    return builder_.EndDirectory();
  }

  Result<void> AddEntry(const ScannedEntry& entry, const std::string& path) {
    const struct stat& status = entry.status;
    const mode_t type = status.st_mode & S_IFMT;
    if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
      ++counts_.left_out;
      options_.on_left_out(path, NameOfKind(type));
      return {};
    }
    const SourceIdentity identity = IdentityOf(status);
    if (auto added = identities_.Append(identity); !added) return added;
    const bool may_be_linked = type != S_IFDIR && status.st_nlink > 1;
    if (may_be_linked) {
      if (const auto found = hard_linked_.find(identity); found != hard_linked_.end())
        return DropNumber(builder_.AddName(entry.name, found->second));
    }
    std::string xattrs;
    for (const auto& [name, value] : entry.attributes.xattrs) xattrs += EncodeXattr(name, value);
    CountLoss(entry);
    const auto added = builder_.Add({.name = entry.name,
                                     .kind = type == S_IFREG   ? NodeKind::kFile
                                             : type == S_IFDIR ? NodeKind::kDirectory
                                                               : NodeKind::kSymlink,
                                     .mode = ModeOf(entry),
                                     .uid = options_.normalisation.uid.value_or(status.st_uid),
                                     .gid = options_.normalisation.gid.value_or(status.st_gid),
                                     .xattrs = xattrs,
                                     .mtime = EncodeMtime(status.st_mtim),
                                     .size_bytes = static_cast<uint64_t>(status.st_size),
                                     .target = entry.target,
                                     .data = entry.data ? &*entry.data : nullptr});
    if (!added) return std::unexpected(added.error());
    if (type == S_IFDIR) pending_.push_back(path);
    if (may_be_linked) hard_linked_[identity] = *added;
    return {};
  }

  static uint32_t ModeOf(const ScannedEntry& entry) {
    return entry.status.st_mode & (07000 | entry.attributes.most_access.value_or(0777));
  }

  // What the pack does not have of an entry.
  void CountLoss(const ScannedEntry& entry) {
    const SourceAttributes& attributes = entry.attributes;
    if (attributes.has_access_list) ++counts_.access_lists;
    if (attributes.has_label) ++counts_.labels;
    if (attributes.has_capability) ++counts_.capabilities;
    if (attributes.has_other) ++counts_.other_attributes;
    if (!S_ISLNK(entry.status.st_mode) && ModeOf(entry) != (entry.status.st_mode & 07777)) ++counts_.narrowed_modes;
    if (!options_.normalisation.mtime && !MtimeFits(entry.status.st_mtim)) ++counts_.clamped_times;
  }

  static Result<void> DropNumber(const Result<NodeNumber>& added) {
    if (!added) return std::unexpected(added.error());
    return {};
  }

  [[nodiscard]] bool IsInterrupted() const { return options_.interrupted != nullptr && *options_.interrupted; }

  const SourceRoot& root_;
  const ScanOptions& options_;
  WorkerPool& pool_;
  TreeBuilder builder_;
  Spool<SourceIdentity>& identities_;
  ScanCounts counts_;
  std::deque<std::string> pending_;  // directories in node order whose listing was not taken yet
  dev_t device_ = 0;                 // of the root
  // By identity, not by inode: the number of a file that was removed may be another's by now.
  std::map<SourceIdentity, NodeNumber> hard_linked_;
};

}  // namespace

Result<ScannedTree> ScanTree(const SourceRoot& root, const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                             Spool<SourceIdentity>& identities) {
  return Scanner(root, options, pool, tables, identities).Run();
}

}  // namespace quire
