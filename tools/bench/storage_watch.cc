// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/storage_watch.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "tools/bench/machine.h"

namespace quire::bench {
namespace {

constexpr uint64_t kSectorBytes = 512;  // of /sys/dev/block/*/stat, whatever the disk's own are
constexpr int kMostLayers = 8;          // a pack in a loop device on an image in a FUSE mount has three
constexpr double kColdFraction = 0.9;
constexpr double kWarmFraction = 0.02;
constexpr uint64_t kLeastNamesBytes = 4096;  // one block, in which the names of a small folder lie

std::string DeviceFolder(dev_t device) { return fmt::format("/sys/dev/block/{}:{}", major(device), minor(device)); }

// "/dev/vda1", as people know it.
std::string DeviceName(dev_t device) {
  std::error_code error;
  const auto folder = std::filesystem::read_symlink(DeviceFolder(device), error);
  return error ? fmt::format("device {}:{}", major(device), minor(device)) : "/dev/" + folder.filename().string();
}

// What the device has read since it is there. A device that has never read counts nothing: heads of NVMe paths before
// Linux 6.1 do not, though all is read through them.
std::optional<uint64_t> DeviceBytesRead(dev_t device) {
  std::ifstream stat(DeviceFolder(device) + "/stat");
  uint64_t reads = 0;
  uint64_t merged = 0;
  uint64_t sectors = 0;
  if (!(stat >> reads >> merged >> sectors) || reads == 0) return std::nullopt;
  return sectors * kSectorBytes;
}

// What a process has had from block devices, and from some network file systems: its threads, those that have ended,
// and the children that it has waited for (proc_pid_io(5), read_bytes).
std::optional<uint64_t> ProcessBytesRead(const std::string& process) {
  std::ifstream io(fmt::format("/proc/{}/io", process));
  for (std::string line; std::getline(io, line);)
    if (line.starts_with("read_bytes: ")) return std::stoull(line.substr(line.find(' ')));
  return std::nullopt;
}

std::optional<uint64_t> BytesReadBy(std::span<const pid_t> processes) {
  uint64_t bytes = 0;
  for (const pid_t process : processes) {
    const auto count = ProcessBytesRead(std::to_string(process));
    if (!count) return std::nullopt;
    bytes += *count;
  }
  return bytes;
}

// What a mount of Quire has read of its pack's samples.
std::optional<uint64_t> QuireBytesRead(const std::string& mount_point) {
  std::ifstream stats(mount_point + "/.quire/stats");
  const auto json = nlohmann::json::parse(stats, nullptr, /*allow_exceptions=*/false);
  const auto bytes = nlohmann::json::json_pointer("/counters/volume_bytes");
  if (json.is_discarded() || !json.contains(bytes) || !json[bytes].is_number_unsigned()) return std::nullopt;
  return json[bytes].get<uint64_t>();
}

// Whether every regular file that `process` has open lies on a block device itself: then its own I/O is all there is.
bool ReadsBlockDevicesAlone(pid_t process) {
  std::error_code error;
  const std::string folder = fmt::format("/proc/{}/fd", process);
  for (auto fd = std::filesystem::directory_iterator(folder, error); !error && fd != end(fd); fd.increment(error)) {
    struct stat status{};
    if (stat(fd->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (status.st_size == 0 || status.st_nlink == 0) continue;  // of /proc and control groups; memory that has no name
    if (major(status.st_dev) == 0 || std::filesystem::exists(DeviceFolder(status.st_dev) + "/loop")) return false;
  }
  return !error;
}

// Sums are not known of what is not known.
std::optional<double> Sum(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return std::nullopt;
  return *a + *b;
}

bool IsOneOf(std::string_view type, std::initializer_list<std::string_view> types) {
  return std::ranges::find(types, type) != types.end();
}

// All devices of a btrfs, which has a number of its own instead of theirs; of others only `device`.
std::vector<dev_t> DevicesBeside(dev_t device) {
  std::error_code error;
  const std::string name = std::filesystem::path(DeviceName(device)).filename();
  for (auto system = std::filesystem::directory_iterator("/sys/fs/btrfs", error); !error && system != end(system);
       system.increment(error)) {
    if (!std::filesystem::exists(system->path() / "devices" / name)) continue;
    std::vector<dev_t> devices;
    for (const auto& entry : std::filesystem::directory_iterator(system->path() / "devices", error)) {
      struct stat status{};
      if (stat(("/dev/" + entry.path().filename().string()).c_str(), &status) == 0) devices.push_back(status.st_rdev);
    }
    return devices;
  }
  return {device};
}

}  // namespace

Fetched operator+(const Fetched& a, const Fetched& b) {
  if (!a.bytes || !b.bytes) return {};
  return {.bytes = *a.bytes + *b.bytes, .at_least = a.at_least || b.at_least};
}

Spent operator+(const Spent& a, const Spent& b) {
  return {.fetched = a.fetched + b.fetched,
          .daemon_cpu_seconds = Sum(a.daemon_cpu_seconds, b.daemon_cpu_seconds),
          .daemon_busiest_seconds = Sum(a.daemon_busiest_seconds, b.daemon_busiest_seconds),
          .daemon_run_queue_seconds = Sum(a.daemon_run_queue_seconds, b.daemon_run_queue_seconds)};
}

const char* ServedFromName(ServedFrom from) {
  static constexpr std::array kNames = {"cold", "partly cold", "warm", "memory", "unknown"};
  return kNames.at(static_cast<size_t>(from));
}

ServedFrom JudgeBytes(const Fetched& fetched, uint64_t served_bytes, bool in_memory) {
  if (in_memory) return ServedFrom::kMemory;
  if (!fetched.bytes) return ServedFrom::kUnknown;
  const auto bytes = static_cast<double>(*fetched.bytes);
  if (bytes > 0 && bytes >= kColdFraction * static_cast<double>(served_bytes)) return ServedFrom::kBelow;
  if (fetched.at_least) return ServedFrom::kUnknown;
  return bytes <= kWarmFraction * static_cast<double>(served_bytes) ? ServedFrom::kCaches : ServedFrom::kPartly;
}

ServedFrom JudgeNames(const Fetched& fetched, bool in_memory) {
  if (in_memory) return ServedFrom::kMemory;
  if (!fetched.bytes) return ServedFrom::kUnknown;
  if (*fetched.bytes >= kLeastNamesBytes) return ServedFrom::kBelow;
  return fetched.at_least ? ServedFrom::kUnknown : ServedFrom::kCaches;
}

std::optional<uint64_t> NfsBytesRead(std::istream& mount_stats, const std::string& mount_point) {
  // "device SERVER:/PATH mounted on /MOUNT with fstype nfs4 ...", and later "bytes: N N N N N N N N", the fifth of
  // which is what the server was asked for. Space and the like are \ooo, as in mountinfo.
  std::string escaped;
  for (const char c : mount_point)
    escaped += std::string_view(" \t\n\\").contains(c) ? fmt::format("\\{:03o}", c) : std::string(1, c);
  bool is_here = false;
  std::optional<uint64_t> bytes;
  for (std::string line; std::getline(mount_stats, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "device") {
      is_here = line.contains(" mounted on " + escaped + " with fstype nfs");
    } else if (is_here && word == "bytes:") {
      std::array<uint64_t, 5> counts{};
      for (uint64_t& count : counts) words >> count;
      if (words) bytes = counts.back();  // of several mounts on each other the latest
    }
  }
  return bytes;
}

void StorageWatch::Count(Counter counter, const std::string& by, bool at_least) {
  if (!counter() || (at_least && !counters_.empty())) return;
  if (std::exchange(at_least_, at_least) && !at_least) {  // a better one
    counters_.clear();
    counted_by_.clear();
  }
  counters_.push_back(std::move(counter));
  counted_by_ += counted_by_.empty() ? by : "; " + by;
}

StorageWatch StorageWatch::Of(const std::string& path, Asked asked) {
  StorageWatch watch;
  watch.asked_ = asked;
  watch.why_no_bytes_ = "no counter of this storage is known";
  watch.LookBelow(path, Reader::kThisProcess, 0);
  if (!watch.counters_.empty() || watch.in_memory_) watch.why_no_bytes_.clear();
  return watch;
}

void StorageWatch::LookBelow(const std::string& path, Reader reader, int depth) {
  if (depth == kMostLayers) return;
  const auto mount = MountUnder(path);
  struct stat status{};
  if (!mount || stat(path.c_str(), &status) != 0) return;
  if (IsOneOf(mount->type, {"tmpfs", "ramfs", "hugetlbfs", "devtmpfs"})) {
    in_memory_ = true;
  } else if (mount->type.starts_with("fuse")) {
    LookBelowDaemon(path, mount->type, mount->source, depth);
  } else if (mount->type == "nfs" || mount->type == "nfs4") {
    const std::string point = mount->mount_point;
    Count(
        [point] {
          std::ifstream stats("/proc/self/mountstats");
          return NfsBytesRead(stats, point);
        },
        fmt::format("what the NFS mount {} read from its server, whoever asked", point));
  } else if (major(status.st_dev) != 0) {
    LookBelowDevice(status.st_dev, reader, depth);
  } else if (struct stat source{}; stat(mount->source.c_str(), &source) == 0 && S_ISBLK(source.st_mode)) {
    for (const dev_t device : DevicesBeside(source.st_rdev)) LookBelowDevice(device, reader, depth);
  } else if (reader == Reader::kThisProcess) {
    // Some account for what they read, others do not.
    why_no_bytes_ = fmt::format("nothing counts what {} reads", mount->type);
    Count([] { return ProcessBytesRead("self"); }, "I/O of the readers, as far as the file system accounts for it",
          /*at_least=*/true);
  }
}

void StorageWatch::LookBelowDevice(dev_t device, Reader reader, int depth) {
  const std::string folder = DeviceFolder(device);
  if (std::ifstream backing(folder + "/loop/backing_file"); backing) {
    std::string file;
    std::getline(backing, file);
    bool is_direct = false;
    behind_cached_loop_ |= !(std::ifstream(folder + "/loop/dio") >> is_direct) || !is_direct;
    LookBelow(file, Reader::kDaemon, depth + 1);  // read by the kernel's own threads
    if (in_memory_) return;
    Count([device] { return DeviceBytesRead(device); }, fmt::format("reads of {}, whoever asked", DeviceName(device)));
  } else if (reader == Reader::kThisProcess) {
    Count([] { return ProcessBytesRead("self"); }, "I/O of the readers");
  } else {
    Count([device] { return DeviceBytesRead(device); }, fmt::format("reads of {}, whoever asked", DeviceName(device)));
  }
}

void StorageWatch::LookBelowDaemon(const std::string& path, const std::string& type, const std::string& source,
                                   int depth) {
  behind_daemon_ = true;
  const FuseDaemons found = FindFuseDaemons(path);
  if (depth == 0) {
    daemons_ = found.processes;
    why_no_cpu_ = found.why_none;
  }
  why_no_bytes_ = fmt::format("nothing counts what the daemon behind the mount reads: {}", found.why_none);
  const bool own_io_is_all = !found.processes.empty() && BytesReadBy(found.processes) &&
                             std::ranges::all_of(found.processes, ReadsBlockDevicesAlone);
  if (own_io_is_all) {
    Count([processes = found.processes] { return BytesReadBy(processes); }, "I/O of the daemon behind the mount");
    return;
  }
  // Only an absolute path says what is meant: many daemons call themselves by a name there.
  if (source.starts_with('/')) LookBelow(source, Reader::kDaemon, depth + 1);
  if (in_memory_) return;
  if (type == kMountType && asked_ == Asked::kSamples)  // the index is not in that count
    if (const auto mount = MountUnder(path))
      Count([point = mount->mount_point] { return QuireBytesRead(point); }, "what the mount read of its pack");
  if (!found.processes.empty())
    Count([processes = found.processes] { return BytesReadBy(processes); },
          "I/O of the daemon behind the mount, as far as its file system accounts for it", /*at_least=*/true);
}

StorageWatch::Mark StorageWatch::Now() const {
  Mark mark;
  for (const Counter& counter : counters_) mark.counts_.push_back(counter());
  mark.cpu_seconds_ = CpuSeconds(daemons_);
  mark.threads_ = ThreadTimesOf(daemons_);
  return mark;
}

Spent StorageWatch::Since(const Mark& mark) const {
  const Mark now = Now();
  Spent spent;
  for (size_t i = 0; i < counters_.size(); ++i) {
    const auto& before = mark.counts_[i];
    const auto& after = now.counts_[i];
    if (!before || !after || *after < *before) continue;
    const uint64_t bytes = *after - *before;
    if (!spent.fetched.bytes || bytes < *spent.fetched.bytes) spent.fetched.bytes = bytes;
  }
  spent.fetched.at_least = at_least_ && spent.fetched.bytes.has_value();
  if (!daemons_.empty() && mark.cpu_seconds_ && now.cpu_seconds_)
    spent.daemon_cpu_seconds = *now.cpu_seconds_ - *mark.cpu_seconds_;
  for (const auto& [thread, after] : now.threads_) {
    const auto found = mark.threads_.find(thread);
    const ThreadTimes before = found == mark.threads_.end() ? ThreadTimes() : found->second;
    const double waiting = after.waiting_seconds - before.waiting_seconds;
    spent.daemon_run_queue_seconds = spent.daemon_run_queue_seconds.value_or(0) + waiting;
    spent.daemon_busiest_seconds =
        std::max(spent.daemon_busiest_seconds.value_or(0), after.running_seconds - before.running_seconds + waiting);
  }
  return spent;
}

}  // namespace quire::bench
