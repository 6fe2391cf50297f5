// SPDX-License-Identifier: Apache-2.0
#include "fs/life/error_report.h"

#include <cstring>

namespace quire {
namespace {

// Behind it stands the message.
struct Head {
  ErrorCode code;
  int system_errno;
};

}  // namespace

std::string EncodeError(const Error& error) {
  const Head head = {error.code, error.system_errno};
  return std::string(reinterpret_cast<const char*>(&head), sizeof(head)) + error.message;
}

Error DecodeError(std::string_view report) {
  Head head = {};
  if (report.size() < sizeof(head))
    return {ErrorCode::kSystem, 0, "another process told of an error, and not of which"};
  std::memcpy(&head, report.data(), sizeof(head));
  return {head.code, head.system_errno, std::string(report.substr(sizeof(head)))};
}

}  // namespace quire
