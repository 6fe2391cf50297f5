#include "format/tree_scanner.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>

#include "format/file.h"
#include "format/geometry.h"

namespace quire {
namespace {

// Directories listed at once, and entries that one task looks at: large enough to keep every thread busy on a cold
// disk, small enough that what waits for its turn is bounded. Entries of a larger directory are looked at in windows
// (an entry takes about 330 bytes meanwhile).
constexpr size_t kBatchDirectories = 64;
constexpr size_t kEntriesPerTask = 128;
constexpr size_t kWindowEntries = 32768;
constexpr uint64_t kStatBlockBytes = 512;       // the unit of st_blocks
constexpr size_t kMaxPathBytes = PATH_MAX - 1;  // what one system call takes

struct ScannedEntry {
  std::string name;
  struct stat status = {};
  std::string target;             // of a symlink
  std::string xattrs;             // encoded list
  std::vector<DataRange> ranges;  // of a file with holes
  bool has_holes = false;
  std::optional<Error> error;
};

struct Listing {
  std::string path;  // below the root
  File folder;
  std::vector<std::string> names;  // sorted, without what is excluded
  uint64_t excluded = 0;
  std::vector<ScannedEntry> entries;  // of all names, or of one window of them
  std::optional<Error> error;
};

std::string Join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

bool MatchesPattern(const std::vector<std::string>& patterns, const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    if (pattern.find('/') == pattern.npos) return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    const size_t start = pattern.starts_with('/') ? 1 : 0;
    return fnmatch(pattern.c_str() + start, path.c_str(), FNM_PATHNAME) == 0;
  });
}

// Sorted, each once: some file systems list a name again that they listed before.
Result<std::vector<std::string>> ListNames(const File& folder) {
  const int duplicate = openat(folder.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (duplicate < 0) return SystemError(errno, "open");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(duplicate), closedir);
  if (stream == nullptr) return SystemError(errno, "opendir");
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return SystemError(errno, "readdir");
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

// The user.* extended attributes of the entry at `path`, encoded in name order; none where the file system has none.
Result<std::string> ReadXattrs(const std::string& path) {
  std::string names(1024, '\0');
  ssize_t bytes = 0;
  while ((bytes = llistxattr(path.c_str(), names.data(), names.size())) < 0 && errno == ERANGE)
    names.resize(names.size() * 8);
  if (bytes < 0) {
    if (errno == ENOTSUP) return std::string();
    return SystemError(errno, "listxattr");
  }
  std::vector<std::string> wanted;
  for (size_t at = 0; at < static_cast<size_t>(bytes);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (name.starts_with("user.")) wanted.push_back(name);
  }
  std::ranges::sort(wanted);
  std::string list;
  for (const std::string& name : wanted) {
    std::string value(XATTR_SIZE_MAX, '\0');
    const ssize_t got = lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (got < 0) return SystemError(errno, "getxattr {}", name);
    value.resize(static_cast<size_t>(got));
    list += EncodeXattr(name, value);
  }
  return list;
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
    const auto begin = static_cast<uint64_t>(data);
    if (begin >= size) break;
    at = std::min(static_cast<uint64_t>(hole), size);
    ranges.push_back({.offset = begin, .length_bytes = at - begin});
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
  entry.has_holes = ranges->size() != 1 || ranges->front().length_bytes != size;
  entry.ranges = std::move(*ranges);
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
    auto xattrs = ReadXattrs(fmt::format("/proc/self/fd/{}/{}", folder.fd(), entry.name));
    if (!xattrs) return Propagate(std::move(xattrs));
    entry.xattrs = std::move(*xattrs);
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
  Scanner(const ScanOptions& options, WorkerPool& pool, IndexTables& tables, Spool<SourceIdentity>& identities)
      : options_(options), pool_(pool), tables_(tables), identities_(identities) {}

  Result<ScannedTree> Run() {
    if (auto root = AddRoot(); !root) return Propagate(std::move(root));
    while (!pending_.empty()) {
      std::vector<Listing> batch(std::min(pending_.size(), kBatchDirectories));
      for (Listing& listing : batch) {
        listing.path = std::move(pending_.front());
        pending_.pop_front();
      }
      if (auto read = ReadBatch(batch); !read) return Propagate(std::move(read));
      for (Listing& listing : batch)
        if (auto taken = TakeListing(listing); !taken) return Propagate(std::move(taken));
    }
    if (auto counted = CountLinks(); !counted) return Propagate(std::move(counted));
    return std::move(tree_);
  }

 private:
  struct HardLinked {
    NodeNumber node;
    uint32_t names;
  };

  Result<void> AddRoot() {
    ScannedEntry root;
    const int fd = options_.root.folder().fd();
    if (fstat(fd, &root.status) != 0) return SystemError(errno, "fstat");
    auto xattrs = ReadXattrs(fmt::format("/proc/self/fd/{}/.", fd));
    if (!xattrs) return Propagate(std::move(xattrs));
    root.xattrs = std::move(*xattrs);
    return AddEntry(root, "");
  }

  Result<void> ReadBatch(std::vector<Listing>& batch) {
    auto listed = pool_.ForEach(batch.size(), [&](uint64_t i) -> Result<void> {
      if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
      Listing& listing = batch[i];
      auto listing_done = List(listing);
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
        auto read = ReadEntry(listing->folder, listing->entries[e]);
        if (!read) listing->entries[e].error = std::move(read).error();
      }
      if (options_.entries_found != nullptr) *options_.entries_found += end - begin;
      return {};
    });
  }

  Result<void> List(Listing& listing) {
    auto folder = options_.root.OpenBelow(listing.path, O_RDONLY | O_DIRECTORY);
    if (!folder) return Propagate(std::move(folder));
    listing.folder = std::move(*folder);
    auto names = ListNames(listing.folder);
    if (!names) return Propagate(std::move(names));
    listing.names = std::move(*names);
    listing.excluded = std::erase_if(listing.names, [&](const std::string& name) {
      return MatchesPattern(options_.exclude, Join(listing.path, name));
    });
    return {};
  }

  Result<void> TakeListing(Listing& listing) {
    const uint64_t number = next_directory_++;
    tables_.directories[number].first_child = tables_.nodes.size();
    if (listing.error) options_.on_unreadable(listing.path.empty() ? "." : listing.path, listing.error->message);
    tree_.excluded += listing.excluded;
    uint32_t subdirectories = 0;
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
        } else {
          if (S_ISDIR(entry.status.st_mode)) ++subdirectories;
          if (auto added = AddEntry(entry, path); !added) return added;
        }
      }
    }
    Directory& directory = tables_.directories[number];
    directory.child_count = tables_.nodes.size() - directory.first_child;
    return SetLinks(directory.node, 2 + subdirectories);
  }

  Result<void> AddEntry(const ScannedEntry& entry, const std::string& path) {
    const struct stat& status = entry.status;
    const mode_t type = status.st_mode & S_IFMT;
    if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
      ++tree_.left_out;
      return {};
    }
    const SourceIdentity identity = IdentityOf(status);
    if (auto added = identities_.Append(identity); !added) return added;
    const bool may_be_linked = type != S_IFDIR && status.st_nlink > 1;
    if (may_be_linked) {
      if (const auto found = hard_linked_.find(identity); found != hard_linked_.end()) {
        ++found->second.names;
        return DropNumber(tables_.AddNode({.kind = NodeKind::kHardLink, .content = found->second.node}, entry.name));
      }
    }
    Attributes attributes{.mode = status.st_mode & 07777, .uid = status.st_uid, .gid = status.st_gid, .nlink = 1};
    if (auto interned = tables_.InternXattrs(entry.xattrs, attributes); !interned) return interned;
    const auto number = tables_.InternAttributes(attributes);
    if (!number) return std::unexpected(number.error());
    if (!MtimeFits(status.st_mtim)) ++tree_.clamped_times;
    Node node{.mtime = EncodeMtime(status.st_mtim),
              .size_bytes = static_cast<uint64_t>(status.st_size),
              .attributes = *number};
    if (type == S_IFREG) {
      node.kind = entry.has_holes || node.size_bytes > kPageBytes ? NodeKind::kSegmented : NodeKind::kFile;
    } else if (type == S_IFLNK) {
      node.kind = NodeKind::kSymlink;
      node.size_bytes = entry.target.size();
      const auto target = tables_.AddText(entry.target);
      if (!target) return std::unexpected(target.error());
      node.content = *target;
    } else {
      node.kind = NodeKind::kDirectory;
      node.content = tables_.directories.size();
      if (auto added = tables_.directories.Append({.node = tables_.nodes.size()}); !added) return added;
      pending_.push_back(path);
    }
    const auto added = tables_.AddNode(node, entry.name);
    if (!added) return std::unexpected(added.error());
    if (entry.has_holes) tree_.sparse[*added] = entry.ranges;
    if (may_be_linked) hard_linked_[identity] = {.node = *added, .names = 1};
    return {};
  }

  // A link count is known only when all names were seen; those outside of the tree do not count.
  Result<void> CountLinks() {
    std::vector<HardLinked> several;
    for (const auto& [identity, linked] : hard_linked_)
      if (linked.names > 1) several.push_back(linked);
    std::ranges::sort(several, {}, &HardLinked::node);  // the order in which attributes are numbered
    for (const HardLinked& linked : several)
      if (auto set = SetLinks(linked.node, linked.names); !set) return set;
    return {};
  }

  Result<void> SetLinks(NodeNumber number, uint32_t nlink) {
    Attributes attributes = tables_.attributes[tables_.nodes[number].attributes];
    attributes.nlink = nlink;
    const auto interned = tables_.InternAttributes(attributes);
    if (!interned) return std::unexpected(interned.error());
    tables_.nodes[number].attributes = *interned;
    return {};
  }

  static Result<void> DropNumber(const Result<NodeNumber>& added) {
    if (!added) return std::unexpected(added.error());
    return {};
  }

  [[nodiscard]] bool IsInterrupted() const { return options_.interrupted != nullptr && *options_.interrupted; }

  const ScanOptions& options_;
  WorkerPool& pool_;
  IndexTables& tables_;
  Spool<SourceIdentity>& identities_;
  ScannedTree tree_;
  std::deque<std::string> pending_;  // directories in node order whose listing was not taken yet
  uint64_t next_directory_ = 0;      // the record of pending_.front()
  // By identity, not by inode: the number of a file that was removed may be another's by now.
  std::map<SourceIdentity, HardLinked> hard_linked_;
};

}  // namespace

bool IsExcluded(const std::vector<std::string>& patterns, std::string_view path) {
  for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
    if (MatchesPattern(patterns, std::string(path.substr(0, end)))) return true;
    if (end == path.npos) return false;
  }
}

Result<ScannedTree> ScanTree(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                             Spool<SourceIdentity>& identities) {
  return Scanner(options, pool, tables, identities).Run();
}

}  // namespace quire
