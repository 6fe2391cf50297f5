// The file behind a fill engine: opened anew, with O_DIRECT where that works, and what one attempt to read it means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "cache/volume/fill_engine.h"
#include "format/file.h"
#include "format/result.h"

namespace quire {

// The alignment of direct reads where the kernel does not tell (before Linux 6.1), and the largest that is accepted.
inline constexpr uint32_t kMaxDirectAlign = 4096;

// EINTR and EAGAIN from a file mean that something in the kernel was short for a moment. Pauses of 1, 2, 4 ... 512 ms
// give it a second; then the error is told, and the reader decides.
inline constexpr uint8_t kMaxFailedTries = 10;

// What comes after an attempt to read.
struct Settled {
  std::optional<int64_t> result;  // what `done` is to be told; without it, a further attempt is due
  unsigned pause_ms = 0;          // before that attempt, which is at read.offset + read.got_bytes
};

class FillFile {
 public:
  // Opens the file behind `fd` through /proc/self/fd, so that direct reads and advice concern no other user of `fd`;
  // where that is refused (no /proc, no permission), duplicates `fd` and reads buffered.
  static Result<FillFile> Open(int fd, bool direct);

  [[nodiscard]] int fd() const { return file_.fd(); }
  [[nodiscard]] uint32_t alignment_bytes() const { return alignment_bytes_; }
  // "direct reads (512 B)", "buffered reads (O_DIRECT: Invalid argument)".
  [[nodiscard]] const std::string& description() const { return description_; }

  // Takes in what one attempt to read the rest of `read` gave: bytes, or a negative errno.
  [[nodiscard]] Settled Settle(FillRead& read, int64_t result) const;

 private:
  FillFile(File file, uint32_t alignment_bytes, std::string description)
      : file_(std::move(file)), alignment_bytes_(alignment_bytes), description_(std::move(description)) {}

  File file_;
  uint32_t alignment_bytes_ = 1;
  std::string description_;
};

}  // namespace quire
