// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/system_counters.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "format/file.h"

namespace quire::bench {
namespace {

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

enum class Serves : uint8_t { kYes, kNo, kNotTold };

// Whether `process` serves the connection; kNotTold where it serves some and the kernel does not say which.
Serves ServesConnection(pid_t process, const std::string& connection) {
  Serves serves = Serves::kNo;
  for (const pid_t fd : NumbersIn(fmt::format("/proc/{}/fd", process))) {
    std::error_code error;
    if (std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", process, fd), error) != "/dev/fuse") continue;
    std::ifstream info(fmt::format("/proc/{}/fdinfo/{}", process, fd));
    bool is_told = false;
    for (std::string line; std::getline(info, line);) {
      if (!line.starts_with("fuse_connection:\t")) continue;
      if (line.ends_with("\t" + connection)) return Serves::kYes;
      is_told = true;
    }
    if (!is_told) serves = Serves::kNotTold;
  }
  return serves;
}

// Brings the code of `process` back into the page cache.
void LoadProgram(pid_t process) {
  std::set<std::string> paths;
  std::ifstream maps(fmt::format("/proc/{}/maps", process));
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string skipped;
    std::string modes;
    std::string path;
    fields >> skipped >> modes >> skipped >> skipped >> skipped;
    std::getline(fields >> std::ws, path);
    if (modes.contains('x') && path.starts_with('/')) paths.insert(path);
  }
  std::vector<std::byte> buffer(1U << 20U);
  for (const std::string& path : paths) {
    const auto file = File::Open(path, O_RDONLY | O_NONBLOCK);
    uint64_t at = 0;
    for (auto bytes = file ? file->ReadUpTo(at, buffer) : Result<size_t>(0); bytes && *bytes > 0;
         bytes = file->ReadUpTo(at, buffer))
      at += *bytes;
  }
}

// "time on a core, time waiting for one, time slices", in nanoseconds; sched-stats in the kernel's documentation.
std::optional<ThreadTimes> ReadSchedStat(const std::string& path) {
  std::ifstream stat(path);
  uint64_t running = 0;
  uint64_t waiting = 0;
  if (!(stat >> running >> waiting)) return std::nullopt;
  return ThreadTimes{.running_seconds = static_cast<double>(running) / 1e9,
                     .waiting_seconds = static_cast<double>(waiting) / 1e9};
}

}  // namespace

double NowSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double ThreadCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ThreadRunQueueSeconds() {
  const auto times = ReadSchedStat("/proc/thread-self/schedstat");
  return times ? times->waiting_seconds : -1;
}

std::map<pid_t, ThreadTimes> ThreadTimesOf(std::span<const pid_t> processes) {
  std::map<pid_t, ThreadTimes> all;
  for (const pid_t process : processes) {
    const std::string threads = fmt::format("/proc/{}/task", process);
    for (const pid_t thread : NumbersIn(threads))
      if (const auto times = ReadSchedStat(fmt::format("{}/{}/schedstat", threads, thread)))
        all.emplace(thread, *times);
  }
  return all;
}

std::optional<double> CpuSeconds(std::span<const pid_t> processes) {
  uint64_t ticks = 0;
  for (const pid_t process : processes) {
    std::ifstream file(fmt::format("/proc/{}/stat", process));
    std::string stat;
    std::getline(file, stat);
    // proc_pid_stat(5): the second field is a name in parentheses that may hold anything; utime and stime are the 14th
    // and 15th.
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    uint64_t user = 0;
    uint64_t system = 0;
    if (!(fields >> user >> system)) return std::nullopt;
    ticks += user + system;
  }
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

FuseDaemons FindFuseDaemons(const std::string& path) {
  struct stat status{};
  // The kernel numbers connections by the minor number of their file system's device.
  if (stat(path.c_str(), &status) != 0 || major(status.st_dev) != 0) return {};
  FuseDaemons daemons;
  bool is_told = true;
  for (const pid_t process : NumbersIn("/proc")) {
    const Serves serves = ServesConnection(process, std::to_string(minor(status.st_dev)));
    if (serves == Serves::kYes) daemons.processes.push_back(process);
    if (serves == Serves::kNotTold) is_told = false;
  }
  if (daemons.processes.empty())
    daemons.why_none = is_told ? "no process that serves it can be seen (another user's is shown to root alone)"
                               : "this kernel does not tell which process serves which mount (Linux 6.17 does)";
  return daemons;
}

std::optional<std::string> WhyNotDropCaches() {
  if (access("/proc/sys/vm/drop_caches", W_OK) == 0) return std::nullopt;
  return "--cold drops the machine's caches, which only root may do: run it as root, or leave --cold out";
}

Result<void> DropCaches(std::span<const pid_t> daemons) {
  sync();  // only clean pages can be dropped
  auto file = File::Open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (!file) return Propagate(std::move(file));
  const char all = '3';
  if (write(file->fd(), &all, 1) != 1) return SystemError(errno, "/proc/sys/vm/drop_caches");
  std::vector<pid_t> processes(daemons.begin(), daemons.end());
  processes.push_back(getpid());
  for (const pid_t process : processes) LoadProgram(process);
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
