#include "tools/bench/system_counters.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "format/file.h"

namespace quire::bench {
namespace {

constexpr uint64_t kSectorBytes = 512;  // of /proc/diskstats, whatever the disk's own are

// What is made of other block devices, or of memory.
bool IsStacked(const std::string& name) {
  for (const char* prefix : {"loop", "ram", "zram", "dm-", "md"})
    if (name.starts_with(prefix)) return true;
  return false;
}

// The numbers among the names in `folder`.
std::vector<pid_t> NumbersIn(const std::string& folder) {
  std::vector<pid_t> numbers;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder, error); !error && entry != end(entry);
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t number = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (code == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  return numbers;
}

bool ServesConnection(pid_t process, const std::string& connection_line) {
  for (const pid_t fd : NumbersIn(fmt::format("/proc/{}/fd", process))) {
    std::error_code error;
    if (std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", process, fd), error) != "/dev/fuse") continue;
    std::ifstream info(fmt::format("/proc/{}/fdinfo/{}", process, fd));
    for (std::string line; std::getline(info, line);)
      if (line == connection_line) return true;
  }
  return false;
}

}  // namespace

double NowSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint64_t DiskBytesRead() {
  uint64_t sectors = 0;
  std::ifstream stats("/proc/diskstats");
  for (std::string line; std::getline(stats, line);) {
    std::istringstream fields(line);
    unsigned major_number = 0;
    unsigned minor_number = 0;
    std::string name;
    uint64_t reads = 0;
    uint64_t merged = 0;
    uint64_t sectors_read = 0;
    fields >> major_number >> minor_number >> name >> reads >> merged >> sectors_read;
    if (!fields || IsStacked(name)) continue;
    // Whole disks have a folder in /sys/block, partitions have not; '/' in names is '!' there.
    std::ranges::replace(name, '/', '!');
    if (std::filesystem::exists("/sys/block/" + name)) sectors += sectors_read;
  }
  return sectors * kSectorBytes;
}

double CpuSeconds(std::span<const pid_t> processes) {
  uint64_t ticks = 0;
  for (const pid_t process : processes) {
    std::ifstream file(fmt::format("/proc/{}/stat", process));
    std::string stat;
    std::getline(file, stat);
    // proc_pid_stat(5): the second field is a name in parentheses that may hold anything; utime and stime are the 14th
    // and 15th.
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    uint64_t user = 0;
    uint64_t system = 0;
    fields >> user >> system;
    ticks += user + system;
  }
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<pid_t> FindFuseDaemons(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return {};
  // The kernel numbers connections by the minor number of their file system's device.
  if (major(status.st_dev) != 0) return {};
  const std::string connection_line = fmt::format("fuse_connection:\t{}", minor(status.st_dev));
  std::vector<pid_t> daemons;
  for (const pid_t process : NumbersIn("/proc"))
    if (ServesConnection(process, connection_line)) daemons.push_back(process);
  return daemons;
}

std::optional<std::string> WhyNotDropCaches() {
  if (access("/proc/sys/vm/drop_caches", W_OK) == 0) return std::nullopt;
  return "--cold drops the machine's caches, which only root may do: run it as root, or leave --cold out";
}

Result<void> DropCaches() {
  sync();  // only clean pages can be dropped
  auto file = File::Open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (!file) return Propagate(std::move(file));
  const char all = '3';
  if (write(file->fd(), &all, 1) != 1) return SystemError(errno, "/proc/sys/vm/drop_caches");
  return {};
}

Result<void> EvictFile(const std::string& path) {
  auto file = File::Open(path, O_RDONLY | O_NONBLOCK);
  if (!file) return Propagate(std::move(file));
  if (const int error = posix_fadvise(file->fd(), 0, 0, POSIX_FADV_DONTNEED); error != 0)
    return SystemError(error, "{}: posix_fadvise", path);
  return {};
}

}  // namespace quire::bench
