// SPDX-License-Identifier: Apache-2.0
// Writes what a mount records into a file. A program of the user's does it, in the background or not, since the daemon
// opens no files of a user's: it could not be confined otherwise. The recorder has `.quire/trace` open for as long as
// it records, and locks: a write lock of flock(2) that keeps a second one away, and a read lock of fcntl(2) that tells
// `quire trace stop` which process it is. The locks of a recorder end with it, however it ends, and so does the
// recording.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/result.h"

namespace quire {

class Recorder {
 public:
  // Of the mount at `mount_point`, which is absolute, into `path`: a new file, or with `replace` any. Errors name what
  // is in the way: no mount of this release, another recorder, a file that is there. The file has been made where there
  // is no error.
  static Result<Recorder> Open(const std::string& mount_point, const std::string& path, bool replace);

  // Waits until the recording begins; the first bytes are in the file then. Error: the mount does not answer.
  Result<void> Begin(const std::atomic<bool>& stop);
  // Records until `stop` is set, the mount ends or the file cannot be written, which is the error.
  Result<void> Run(const std::atomic<bool>& stop);

 private:
  Recorder(std::string mount_point, std::string path, File pipe, File output, std::string stats_at_begin)
      : mount_point_(std::move(mount_point)),
        path_(std::move(path)),
        pipe_(std::move(pipe)),
        output_(std::move(output)),
        stats_at_begin_(std::move(stats_at_begin)) {}

  // What comes within `wait_ms`; 0 bytes where nothing does; nothing at the end.
  Result<std::optional<size_t>> Take(int wait_ms);
  Result<void> WriteWhole();
  Result<void> Write(std::span<const std::byte> bytes);

  std::string mount_point_;
  std::string path_;
  File pipe_;
  File output_;
  std::string stats_at_begin_;
  std::vector<std::byte> pending_;
  bool has_header_ = false;
  uint64_t written_bytes_ = 0;
};

// The process that records the mount at `mount_point`; nothing where there is none. Error: no mount of this release,
// and a recorder in another PID namespace, which cannot be named.
Result<std::optional<pid_t>> FindRecorder(const std::string& mount_point);

}  // namespace quire
