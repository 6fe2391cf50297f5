#include "cache/background_thread.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <string_view>

#include "format/mutex.h"

namespace quire {
namespace {

// More names than the program has. No allocation: what is reported is a want of memory, most often.
constexpr size_t kMaxNames = 16;

// Whether `name` is reported for the first time.
bool IsFirst(const char* name) {
  static Mutex mutex;
  static std::array<std::string_view, kMaxNames> reported;  // guarded by `mutex`, as is `count`
  static size_t count = 0;
  const MutexLock lock(mutex);
  const auto known = std::span(reported).first(count);
  if (std::ranges::find(known, std::string_view(name)) != known.end() || count == kMaxNames) return false;
  reported[count++] = name;
  return true;
}

}  // namespace

void PutThreadFirst(int nice) { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice); }

void ReportThreadException(const char* thread_name) noexcept {
  try {
    if (!IsFirst(thread_name)) return;
    try {
      throw;
    } catch (const std::exception& error) {
      spdlog::error("thread {}: {}; it is logged once", thread_name, error.what());
    } catch (...) {
      spdlog::error("thread {}: an exception of no known kind; it is logged once", thread_name);
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch): without memory for a line of the log there is no way to tell
  }
}

}  // namespace quire
