#include "fs/open_call.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

namespace quire {
namespace {

// A thread that has not gone to sleep yet, behind the message that it sent us, is told of as "running".
constexpr int kLooks = 5;
constexpr std::chrono::milliseconds kBetweenLooks(1);

// The flags of the open that `line` tells of: "NUMBER 0xARGUMENT...", proc_pid_syscall(5).
std::optional<uint64_t> FlagsOf(const std::string& line) {
  long number = 0;
  std::array<uint64_t, 3> arguments = {};
  if (std::sscanf(line.c_str(), "%ld %lx %lx %lx", &number, &arguments[0], &arguments[1], &arguments[2]) != 4)
    return std::nullopt;
  if (number == SYS_openat) return arguments[2];
#ifdef SYS_open
  if (number == SYS_open) return arguments[1];
#endif
  return std::nullopt;
}

}  // namespace

bool IsOpeningToRead(pid_t thread) {
  const std::string path = fmt::format("/proc/{}/syscall", thread);
  for (int look = 0; look < kLooks; ++look) {
    if (look > 0) std::this_thread::sleep_for(kBetweenLooks);
    std::string line;
    if (!std::getline(std::ifstream(path), line)) return false;
    if (line == "running") continue;
    const auto flags = FlagsOf(line);
    return flags && (*flags & O_ACCMODE) == O_RDONLY && (*flags & (O_NONBLOCK | O_PATH)) == 0;
  }
  return false;
}

}  // namespace quire
