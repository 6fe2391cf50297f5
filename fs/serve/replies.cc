// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/replies.h"

#include <fmt/format.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace quire {

void ReplySamples(fuse_req_t request, const SampleBytes& bytes) {
  const auto slices = bytes.slices();
  if (slices.size() <= 1) {  // nearly always; libfuse allocates for the other way
    const std::span<const std::byte> all = slices.empty() ? std::span<const std::byte>() : slices[0];
    fuse_reply_buf(request, reinterpret_cast<const char*>(all.data()), all.size());
    return;
  }
  std::array<iovec, SampleBytes::kMaxSlices> vectors = {};
  for (size_t i = 0; i < slices.size(); ++i) vectors[i] = {const_cast<std::byte*>(slices[i].data()), slices[i].size()};
  fuse_reply_iov(request, vectors.data(), static_cast<int>(slices.size()));
}

void ReplyXattr(fuse_req_t request, size_t asked_bytes, std::span<const std::byte> value) {
  if (asked_bytes == 0) {
    fuse_reply_xattr(request, value.size());
  } else if (value.size() > asked_bytes) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, reinterpret_cast<const char*>(value.data()), value.size());
  }
}

void Refusals::Refuse(fuse_req_t request, const char* operation, fuse_ino_t inode, const Error& error) {
  fuse_reply_err(request, errors_.Report(fmt::format("{} {}", operation, describe_(inode)), error));
}

void Refusals::Report(const char* operation, fuse_ino_t inode, const Error& error, const std::string& what) {
  errors_.Report(fmt::format("{} {}{}", operation, describe_(inode), what), error);
}

}  // namespace quire
