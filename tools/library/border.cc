// SPDX-License-Identifier: Apache-2.0
#include "tools/library/border.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace quire {

int NumberOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kCorrupt:
      return -EBADMSG;
    case ErrorCode::kUnsupported:
      return -ENOTSUP;
    case ErrorCode::kNotFound:
      return -ENOENT;
    case ErrorCode::kInvalid:
      return -EINVAL;
    case ErrorCode::kInterrupted:
      return -EINTR;
    case ErrorCode::kUnreadable:
      return -EIO;
    case ErrorCode::kSystem:
      break;
  }
  return error.system_errno > 0 ? -error.system_errno : -EIO;
}

void SetMessage(quire_error* error, std::string_view message) {
  if (error == nullptr) return;
  constexpr std::string_view kCut = "...";
  const size_t bytes = std::min(message.size(), sizeof(error->message) - 1);
  std::memcpy(error->message, message.data(), bytes);
  if (bytes < message.size()) std::memcpy(error->message + bytes - kCut.size(), kCut.data(), kCut.size());
  error->message[bytes] = '\0';
}

int Refuse(quire_error* error, const Error& fault) {
  // Without memory there is no sentence but this one.
  SetMessage(error, fault.message.empty() ? "there is not enough memory" : std::string_view(fault.message));
  return NumberOf(fault);
}

}  // namespace quire
