#include "tools/bench/formats_samples.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "format/coding.h"
#include "format/file.h"
#include "tools/bench/sample_files.h"
#include "tools/bench/system_counters.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

constexpr uint64_t kBlockBytes = 4096;  // of most file systems

// Makes the folders that lie on the way to `path`, below the directory `root`.
Result<void> MakeParents(const File& root, const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdirat(root.fd(), folder.c_str(), 0700) != 0 && errno != EEXIST)
      return SystemError(errno, "{}", EscapeName(folder));
  }
  return {};
}

Result<void> WriteSample(const File& root, const std::string& path, std::span<const std::byte> bytes) {
  if (auto made = MakeParents(root, path); !made) return made;
  const File file(openat(root.fd(), path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  if (!file.is_open()) return SystemError(errno, "{}", EscapeName(path));
  auto written = file.WriteAll(0, bytes);
  if (!written) written.error().message = fmt::format("{}: {}", EscapeName(path), written.error().message);
  return written;
}

}  // namespace

std::vector<uint64_t> SpreadEvenly(uint64_t count, uint64_t wanted) {
  std::vector<uint64_t> numbers(std::min(count, wanted));
  for (uint64_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<uint64_t>(static_cast<__uint128_t>(i) * count / numbers.size());
  return numbers;
}

std::vector<uint64_t> SpreadWithin(std::span<const uint64_t> sizes, uint64_t limit_bytes) {
  uint64_t wanted = sizes.size();
  while (true) {
    auto numbers = SpreadEvenly(sizes.size(), wanted);
    uint64_t bytes = 0;
    for (const uint64_t i : numbers) bytes += sizes[i];
    if (bytes <= limit_bytes) return numbers;
    const auto fitting = static_cast<uint64_t>(static_cast<__uint128_t>(wanted) * limit_bytes / bytes);
    wanted = std::min(wanted - 1, fitting);
  }
}

Result<ChosenSamples> ChooseSamples(const std::string& root, const SampleLimits& limits) {
  auto paths = ListSamplePaths(root);
  const auto files = SampleFiles::Open(root);
  if (!paths) return Propagate(std::move(paths));
  if (!files) return std::unexpected(files.error());
  if (paths->empty()) return MakeError(ErrorCode::kNotFound, "{}: holds no regular file", root);
  std::vector<std::string> candidates;
  std::vector<uint64_t> sizes;
  for (const uint64_t i : SpreadEvenly(paths->size(), limits.samples)) {
    candidates.push_back(std::move((*paths)[i]));
    sizes.push_back(files->Size(candidates.back()).value_or(0));  // what is gone by now is for the copy to tell
  }
  ChosenSamples chosen{.list = {.root = root, .paths = {}}, .found = paths->size()};
  for (const uint64_t i : SpreadWithin(sizes, limits.bytes)) {
    chosen.list.paths.push_back(std::move(candidates[i]));
    chosen.disk_bytes += AlignUp(sizes[i], kBlockBytes) + kBlockBytes;
  }
  if (chosen.list.paths.empty())
    return Invalid("{}: not one sample fits into {} bytes: raise --limit-bytes", root, limits.bytes);
  return chosen;
}

Result<SampleCopy> CopySamples(const SampleList& samples, const std::string& to, const Stop& stop) {
  const auto source = SampleFiles::Open(samples.root);
  if (!source) return std::unexpected(source.error());
  if (mkdir(to.c_str(), 0700) != 0) return SystemError(errno, "{}", to);
  const auto target = File::Open(to, O_RDONLY | O_DIRECTORY);
  if (!target) return std::unexpected(target.error());
  SampleCopy copy{.list = {.root = to, .paths = {}}};
  ReadBuffer buffer;
  for (const std::string& path : samples.paths) {
    if (stop()) return MakeError(ErrorCode::kInterrupted, "interrupted");
    const auto bytes = source->Read(path, buffer);
    if (!bytes) {
      if (copy.left_out++ == 0) copy.first_left_out = bytes.error().message;
      continue;
    }
    if (auto written = WriteSample(*target, path, *bytes); !written)
      return std::unexpected(Error{written.error().code, written.error().system_errno,
                                   fmt::format("{}: {}", to, written.error().message)});
    copy.list.paths.push_back(path);
    copy.bytes += bytes->size();
  }
  if (copy.list.paths.empty())
    return MakeError(ErrorCode::kUnreadable, "{}: not one sample could be read: {}", samples.root, copy.first_left_out);
  if (syncfs(target->fd()) != 0) return SystemError(errno, "{}: sync", to);
  return copy;
}

void EvictSamples(const SampleList& samples) {
  for (const std::string& path : samples.paths) {
    [[maybe_unused]] const auto evicted =
        EvictFile(samples.root + "/" + path);  // what cannot be read is for others to tell
  }
}

uint64_t DiskUsage(const std::string& folder) {
  uint64_t blocks = 0;
  struct stat status{};
  if (lstat(folder.c_str(), &status) == 0) blocks += static_cast<uint64_t>(status.st_blocks);
  std::error_code error;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, error); !error && entry != end(entry);
       entry.increment(error))
    if (lstat(entry->path().c_str(), &status) == 0) blocks += static_cast<uint64_t>(status.st_blocks);
  return blocks * 512;  // stat(2): of 512 bytes, whatever the file system's own
}

}  // namespace quire::bench
