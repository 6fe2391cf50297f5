// SPDX-License-Identifier: Apache-2.0
#include "fs/life/libfuse_log.h"

#include <fuse_log.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <utility>

#include "format/mutex.h"

namespace quire {
namespace {

struct LastError {
  Mutex mutex;
  std::string message QUIRE_GUARDED_BY(mutex);
};

LastError& GetLastError() {
  static LastError last_error;
  return last_error;
}

spdlog::level::level_enum LevelOf(fuse_log_level level) {
  if (level <= FUSE_LOG_ERR) return spdlog::level::err;
  if (level == FUSE_LOG_WARNING) return spdlog::level::warn;
  return level == FUSE_LOG_DEBUG ? spdlog::level::debug : spdlog::level::info;
}

__attribute__((format(printf, 2, 0))) void Log(fuse_log_level level, const char* format, va_list arguments) try {
  std::array<char, 1024> buffer = {};
  std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  std::string_view text = buffer.data();
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (level <= FUSE_LOG_ERR) {
    LastError& last_error = GetLastError();
    const MutexLock lock(last_error.mutex);
    last_error.message = text;
  }
  spdlog::log(LevelOf(level), "libfuse: {}", text);
} catch (const std::exception&) {
  // No memory for a log line: libfuse, which is C, goes on without it.
}

}  // namespace

void RouteLibfuseLog() { fuse_set_log_func(Log); }

std::string TakeLibfuseError() {
  LastError& last_error = GetLastError();
  const MutexLock lock(last_error.mutex);
  return std::exchange(last_error.message, {});
}

}  // namespace quire
