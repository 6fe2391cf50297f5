// SPDX-License-Identifier: Apache-2.0
// What the cache has to tell beside its errors. The program says where that goes; until it does nothing is written,
// since a library has no stream of its own.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>
#include <utility>

namespace quire {

enum class LogLevel : uint8_t { kInfo, kWarning, kError };

// Called by any thread, perhaps by several at once; must not throw.
using LogWriter = void (*)(LogLevel level, std::string_view message);

// Of all caches of the process. Any thread.
void SetLogWriter(LogWriter writer);
LogWriter GetLogWriter();  // null: nobody wants to know

// Loses the message where there is no memory for it.
template <typename... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) noexcept try {
  if (const LogWriter writer = GetLogWriter()) writer(level, fmt::format(format, std::forward<Args>(args)...));
} catch (...) {  // NOLINT(bugprone-empty-catch): there is no other way to tell
}

}  // namespace quire
