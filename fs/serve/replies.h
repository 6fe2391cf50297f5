// SPDX-License-Identifier: Apache-2.0
// How requests are answered: what several operations share.
#pragma once

#include <cstddef>
#include <functional>
#include <new>
#include <span>
#include <string>

#include "cache/sample_reader.h"
#include "format/result.h"
#include "fs/libfuse.h"
#include "fs/serve/errno_map.h"

namespace quire {

// Runs `answer`, which answers the request as its last act: if it threw, it has not answered.
void Guard(fuse_req_t request, const auto& answer) noexcept {
  try {
    answer();
  } catch (const std::bad_alloc&) {
    fuse_reply_err(request, ENOMEM);
  } catch (...) {
    fuse_reply_err(request, EIO);
  }
}

void ReplySamples(fuse_req_t request, const SampleBytes& bytes);

// The protocol of getxattr(2) and listxattr(2): the size is asked with size 0, and too small a buffer is refused.
void ReplyXattr(fuse_req_t request, size_t asked_bytes, std::span<const std::byte> value);

// Requests that fail, by name. Any thread.
class Refusals {
 public:
  // `describe` names an inode for messages; it must outlive this.
  explicit Refusals(std::function<std::string(fuse_ino_t)> describe) : describe_(std::move(describe)) {}

  // Answers with the errno of `error` and logs it as "OPERATION '/path': MESSAGE".
  void Refuse(fuse_req_t request, const char* operation, fuse_ino_t inode, const Error& error);
  // Logs an error that is no answer of its own. `what` stands behind the name of the inode.
  void Report(const char* operation, fuse_ino_t inode, const Error& error, const std::string& what = {});

  [[nodiscard]] uint64_t count() const { return errors_.reported(); }

 private:
  const std::function<std::string(fuse_ino_t)> describe_;
  ErrnoMap errors_;
};

}  // namespace quire
