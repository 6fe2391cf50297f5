// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/io_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <memory>
#include <numeric>
#include <random>

#include "format/file.h"

namespace quire::bench {
namespace {

struct SizeClass {
  const char* name;
  uint64_t most_bytes;
};
constexpr std::array<SizeClass, 5> kSizeClasses = {{{"up to 16 KiB", 16ULL << 10},
                                                    {"16 to 128 KiB", 128ULL << 10},
                                                    {"128 KiB to 1 MiB", 1ULL << 20},
                                                    {"1 to 16 MiB", 16ULL << 20},
                                                    {"above 16 MiB", UINT64_MAX}}};

// Breadth first: a walk that ends at its limit has seen something of every part of the tree.
class Walk {
 public:
  Walk(IoFiles& found, const IoLimits& limits) : found_(found), limits_(limits) {}

  std::vector<IoFile> Below(const std::string& root, dev_t device) {
    device_ = device;
    for (directories_.push_back(root); !directories_.empty() && found_.complete; directories_.pop_front())
      ReadDirectory(directories_.front());
    // readdir's order differs between file systems and runs; the choice must not.
    std::ranges::sort(files_, {}, &IoFile::path);
    return std::move(files_);
  }

 private:
  void ReadDirectory(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(path.c_str()), closedir);
    if (stream == nullptr) {
      if (found_.unreadable++ == 0) found_.first_unreadable = SystemError(errno, "{}", path).error().message;
      return;
    }
    while (const dirent* const entry = readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      struct stat status{};
      if (name == "." || name == "..") continue;
      if (fstatat(dirfd(stream.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone since
      if (found_.entries_looked_at == limits_.entries_looked_at) {
        found_.complete = false;
        return;
      }
      ++found_.entries_looked_at;
      if (S_ISDIR(status.st_mode) && status.st_dev == device_) directories_.push_back(fmt::format("{}/{}", path, name));
      if (!S_ISREG(status.st_mode)) continue;
      if (status.st_size > 0)
        files_.push_back({fmt::format("{}/{}", path, name), static_cast<uint64_t>(status.st_size)});
    }
  }

  IoFiles& found_;
  const IoLimits& limits_;
  dev_t device_ = 0;
  std::deque<std::string> directories_;
  std::vector<IoFile> files_;
};

// Those of `candidates` that can be opened, in random order, until a limit is reached.
std::vector<IoFile> Choose(std::vector<IoFile> candidates, std::mt19937_64& random, const IoLimits& limits,
                           IoFiles& found) {
  std::ranges::shuffle(candidates, random);
  std::vector<IoFile> chosen;
  uint64_t bytes = 0;
  for (IoFile& file : candidates) {
    if (chosen.size() == limits.files_per_class || bytes >= limits.bytes_per_class) break;
    if (const auto opened = File::Open(file.path, O_RDONLY | O_NONBLOCK); !opened) {
      if (found.unreadable++ == 0) found.first_unreadable = opened.error().message;
      continue;
    }
    bytes += file.bytes;
    chosen.push_back(std::move(file));
  }
  return chosen;
}

void ChooseInClasses(std::vector<IoFile> files, uint64_t seed, const IoLimits& limits, IoFiles& found) {
  std::mt19937_64 random(seed);
  std::array<std::vector<IoFile>, kSizeClasses.size()> by_class;
  for (IoFile& file : files) {
    const auto in = std::ranges::lower_bound(kSizeClasses, file.bytes, {}, &SizeClass::most_bytes);
    by_class[static_cast<size_t>(in - kSizeClasses.begin())].push_back(std::move(file));
  }
  for (size_t i = 0; i < kSizeClasses.size(); ++i) {
    FileClass file_class = {.name = kSizeClasses[i].name, .files_found = by_class[i].size()};
    for (const IoFile& file : by_class[i]) file_class.bytes_found += file.bytes;
    file_class.files = Choose(std::move(by_class[i]), random, limits, found);
    if (!file_class.files.empty()) found.classes.push_back(std::move(file_class));
  }
}

}  // namespace

uint64_t FileClass::bytes() const {
  return std::accumulate(files.begin(), files.end(), uint64_t{0},
                         [](uint64_t sum, const IoFile& file) { return sum + file.bytes; });
}

uint64_t FileClass::median_bytes() const {
  std::vector<uint64_t> sizes;
  sizes.reserve(files.size());
  for (const IoFile& file : files) sizes.push_back(file.bytes);
  const auto middle = sizes.begin() + static_cast<ptrdiff_t>(sizes.size() / 2);
  std::ranges::nth_element(sizes, middle);
  return *middle;
}

Result<IoFiles> FindIoFiles(const std::string& path, uint64_t seed, const IoLimits& limits) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0)
    return SystemError(errno, "{} (give a directory, a mount, a pack or a file to read)", path);
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
    return Unsupported("{}: neither a directory nor a regular file: give one of these", path);
  IoFiles found;
  std::vector<IoFile> files;
  if (S_ISDIR(status.st_mode)) {
    files = Walk(found, limits).Below(path, status.st_dev);
  } else {
    found.entries_looked_at = 1;
    if (status.st_size > 0) files.push_back({path, static_cast<uint64_t>(status.st_size)});
  }
  const bool nothing_there = files.empty() && found.unreadable == 0;
  ChooseInClasses(std::move(files), seed, limits, found);
  if (!found.classes.empty()) return found;
  if (nothing_there)
    return MakeError(ErrorCode::kNotFound, "{}: no file with bytes in it: give a path that has some", path);
  return MakeError(ErrorCode::kUnreadable, "{}: nothing can be read; {} (run it as a user who may read it)", path,
                   found.first_unreadable);
}

Result<ScratchFile> ScratchFile::Make(const std::string& folder, const std::string& path, uint64_t bytes) {
  struct stat wanted{};
  struct stat given{};
  if (stat(path.c_str(), &wanted) != 0) return SystemError(errno, "{}", path);
  if (stat(folder.c_str(), &given) != 0) return SystemError(errno, "--work {}", folder);
  if (wanted.st_dev != given.st_dev)
    return Invalid("--work {}: lies on another file system than {}: name a folder on the storage that is measured",
                   folder, path);
  std::string name = folder + "/quire-bench.XXXXXX";
  const File file(mkostemp(name.data(), O_CLOEXEC));
  if (!file.is_open()) return SystemError(errno, "--work {}: making a file", folder);
  ScratchFile scratch({name, bytes});
  // Noise, which no file system compresses; each megabyte another, which none stores once only.
  std::vector<uint64_t> block((1U << 20U) / sizeof(uint64_t));
  std::mt19937_64 random(1);
  for (uint64_t& word : block) word = random();
  for (uint64_t at = 0; at < bytes; at += block.size() * sizeof(uint64_t)) {
    for (uint64_t& word : block) word = word * 6364136223846793005U + at;
    const auto size = std::min<uint64_t>(block.size() * sizeof(uint64_t), bytes - at);
    if (auto written = file.WriteAll(at, std::as_bytes(std::span(block)).first(size)); !written)
      return std::unexpected(Error{written.error().code, written.error().system_errno,
                                   fmt::format("--work {}: {}", folder, written.error().message)});
  }
  if (fsync(file.fd()) != 0) return SystemError(errno, "--work {}: sync", folder);
  return scratch;
}

ScratchFile::~ScratchFile() {
  if (!file_.path.empty()) unlink(file_.path.c_str());
}

}  // namespace quire::bench
