// SPDX-License-Identifier: Apache-2.0
// Errors as values: every operation that can fail for a reason outside the program returns Result<T>.
// A message names the field, the cause and, where there is one, the remedy; it has no trailing newline.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <expected>
#include <string>
#include <system_error>
#include <utility>

namespace quire {

enum class ErrorCode {
  kCorrupt,      // the bytes contradict FORMAT.md or their own sum
  kUnsupported,  // well formed, but for another release
  kNotFound,     // the path or name is not there
  kInvalid,      // the caller's request makes no sense: wrong usage
  kSystem,       // a system call failed: `system_errno` says how
  kUnreadable,   // what is to be packed cannot be read, or changed meanwhile
  kInterrupted,  // the caller asked to stop
};

struct Error {
  ErrorCode code;
  int system_errno = 0;  // set for kSystem only
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

template <typename... Args>
std::unexpected<Error> MakeError(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{code, 0, fmt::format(format, std::forward<Args>(args)...)});
}

template <typename... Args>
std::unexpected<Error> Corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kCorrupt, format, std::forward<Args>(args)...);
}

template <typename... Args>
std::unexpected<Error> Unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kUnsupported, format, std::forward<Args>(args)...);
}

template <typename... Args>
std::unexpected<Error> Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kInvalid, format, std::forward<Args>(args)...);
}

// What strerror(3) says, and a remedy where it is always the same.
std::string ReasonOf(int error_number);

// "<what>: <reason of error_number>".
template <typename... Args>
std::unexpected<Error> SystemError(int error_number, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(
      Error{ErrorCode::kSystem, error_number,
            fmt::format("{}: {}", fmt::format(format, std::forward<Args>(args)...), ReasonOf(error_number))});
}

// Passes an error of `result` on to the caller, whatever the caller's own value type.
template <typename T>
std::unexpected<Error> Propagate(Result<T>&& result) {
  return std::unexpected(std::move(result).error());
}

}  // namespace quire
