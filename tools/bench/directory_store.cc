// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

#include "format/file.h"
#include "format/pack/pack.h"
#include "format/pack/sample_content.h"
#include "tools/bench/machine.h"
#include "tools/bench/sample_store.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

// Millions of paths in one piece of memory, each ended by NUL.
class PathList {
 public:
  void Add(std::string_view path) {
    begins_.push_back(text_.size());
    text_.append(path);
    text_.push_back('\0');
  }
  [[nodiscard]] uint64_t size() const { return begins_.size(); }
  const char* operator[](uint64_t i) const { return text_.data() + begins_[i]; }

 private:
  std::string text_;
  std::vector<uint64_t> begins_;
};

struct Entry {
  std::string name;
  bool is_directory = false;
};

enum class WithStat : bool { kNo, kYes };

// Of a file that a reader has in memory at a time: more than any loader's buffer, and no more for files of gigabytes.
constexpr uint64_t kPieceBytes = 8U << 20U;

// The files and directories in the directory `fd`, which it closes, by name.
Result<std::vector<Entry>> ReadDirectory(int fd, const std::string& path, WithStat with_stat) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd), closedir);
  if (stream == nullptr) return SystemError(errno, "{}", path);
  std::vector<Entry> entries;
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    struct stat status{};
    if ((type == DT_UNKNOWN || with_stat == WithStat::kYes) &&
        fstatat(dirfd(stream.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
      type = IFTODT(status.st_mode);
    if (type == DT_REG || type == DT_DIR) entries.push_back({std::string(name), type == DT_DIR});
  }
  if (errno != 0) return SystemError(errno, "{}", path);
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

class DirectoryReader final : public StoreReader {
 public:
  DirectoryReader(int root, const PathList& paths) : root_(root), paths_(paths) {}

  Result<uint64_t> Read(uint64_t sample) override {
    const double start = NowSeconds();
    const File file(openat(root_, paths_[sample], O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return SystemError(errno, "{}", paths_[sample]);
    struct stat status{};
    if (fstat(file.fd(), &status) != 0) return SystemError(errno, "{}: fstat", paths_[sample]);
    open_seconds_ = NowSeconds() - start;
    uint64_t done = 0;
    for (const auto size = static_cast<uint64_t>(status.st_size); done < size;) {
      const std::span<std::byte> piece = buffer_.Take(std::min(kPieceBytes, size - done));
      const auto bytes = file.ReadUpTo(done, piece);
      if (!bytes)
        return std::unexpected(Error{bytes.error().code, bytes.error().system_errno,
                                     fmt::format("{}: {}", paths_[sample], bytes.error().message)});
      done += *bytes;
      if (*bytes < piece.size()) break;  // it became shorter
    }
    return done;
  }

  [[nodiscard]] double open_seconds() const override { return open_seconds_; }

 private:
  const int root_;
  const PathList& paths_;
  ReadBuffer buffer_;
  double open_seconds_ = 0;
};

class DirectoryStore final : public SampleStore {
 public:
  DirectoryStore(std::string path, File root) : path_(std::move(path)), root_(std::move(root)) {}

  Result<void> List() override {
    paths_ = {};
    return ListBelow(".", "", WithStat::kNo);
  }

  Result<void> ListWithAttributes() override {
    paths_ = {};
    return ListBelow(".", "", WithStat::kYes);
  }

  [[nodiscard]] uint64_t sample_count() const override { return paths_.size(); }

  [[nodiscard]] std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    paths.reserve(paths_.size());
    for (uint64_t i = 0; i < paths_.size(); ++i) paths.emplace_back(paths_[i]);
    return paths;
  }

  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override {
    auto positions = Positions();
    if (!positions) return Propagate(std::move(positions));
    std::vector<uint64_t> order = CountUp(paths_.size());
    std::ranges::sort(order, {}, [&](uint64_t sample) { return std::pair((*positions)[sample], sample); });
    return order;
  }

  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    return std::make_unique<DirectoryReader>(root_.fd(), paths_);
  }

 private:
  [[nodiscard]] std::string FullPath(uint64_t sample) const { return path_ + "/" + paths_[sample]; }

  // `prefix`: of the paths in `directory`; empty or ending with '/'.
  Result<void> ListBelow(const std::string& directory, const std::string& prefix, WithStat with_stat) {
    const int fd = openat(root_.fd(), directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return SystemError(errno, "{}/{}", path_, directory);
    const auto entries = ReadDirectory(fd, path_ + "/" + directory, with_stat);
    if (!entries) return std::unexpected(entries.error());
    for (const auto& [name, is_directory] : *entries) {
      const std::string path = prefix + name;
      if (!is_directory) {
        paths_.Add(path);
      } else if (auto listed = ListBelow(path, path + "/", with_stat); !listed) {
        return listed;
      }
    }
    return {};
  }

  // Where each sample begins, in whatever unit sorts them as they lie on disk.
  [[nodiscard]] Result<std::vector<uint64_t>> Positions() const {
    std::function<Result<uint64_t>(const File&)> position = FirstBlock;
    std::unique_ptr<Pack> pack;
    const auto mount = MountUnder(path_);
    if (mount && mount->type == kMountType) {
      auto opened = Pack::Open(mount->source);
      if (!opened) return Propagate(std::move(opened));
      pack = std::move(*opened);
      position = [&pack](const File& file) { return FirstExtent(*pack, file); };
    }
    std::vector<uint64_t> positions;
    for (uint64_t i = 0; i < paths_.size(); ++i) {
      const auto file = File::Open(FullPath(i), O_RDONLY);
      if (!file) return std::unexpected(file.error());
      auto found = position(*file);
      if (!found) return Propagate(std::move(found));
      positions.push_back(*found);
    }
    return positions;
  }

  static Result<uint64_t> InodeOf(const File& file) {
    struct stat status{};
    if (fstat(file.fd(), &status) != 0) return SystemError(errno, "fstat");
    return status.st_ino;
  }

  // The physical address of the first block, as the kernel's documentation of fiemap tells; where the file system does
  // not know it, the inode number, which most hand out in the order of writing.
  static Result<uint64_t> FirstBlock(const File& file) {
    alignas(fiemap) std::array<std::byte, sizeof(fiemap) + sizeof(fiemap_extent)> memory{};
    auto* const map = new (memory.data()) fiemap{};
    map->fm_length = std::numeric_limits<uint64_t>::max();
    map->fm_extent_count = 1;
    if (ioctl(file.fd(), FS_IOC_FIEMAP, map) != 0) return InodeOf(file);
    return map->fm_mapped_extents == 0 ? 0 : map->fm_extents[0].fe_physical;
  }

  // Through a mount the inode number of an entry is its node number + 1.
  static Result<uint64_t> FirstExtent(const Pack& pack, const File& file) {
    const auto inode = InodeOf(file);
    if (!inode) return inode;
    const auto node = pack.index().GetNode(*inode - 1);
    if (!node) return std::unexpected(node.error());
    if (!node->is_sample() || node->size_bytes == 0) return 0;
    const auto run = FindRun(pack.index(), *node, 0);
    if (!run) return std::unexpected(run.error());
    if (!run->extent) return 0;
    const auto extent = pack.index().GetExtent(*run->extent);
    if (!extent) return std::unexpected(extent.error());
    return extent->offset;
  }

  const std::string path_;
  const File root_;
  PathList paths_;
};

}  // namespace

Result<std::unique_ptr<SampleStore>> OpenDirectoryStore(const std::string& path) {
  auto root = File::Open(path, O_RDONLY | O_DIRECTORY);
  if (!root) return Propagate(std::move(root));
  return std::make_unique<DirectoryStore>(path, std::move(*root));
}

Result<std::vector<std::string>> ListSamplePaths(const std::string& root) {
  auto directory = File::Open(root, O_RDONLY | O_DIRECTORY);
  if (!directory) return Propagate(std::move(directory));
  DirectoryStore store(root, std::move(*directory));
  if (auto listed = store.List(); !listed) return Propagate(std::move(listed));
  return store.Paths();
}

}  // namespace quire::bench
