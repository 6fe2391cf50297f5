// SPDX-License-Identifier: Apache-2.0
// Reads a list of requests by one method, and times each.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/worker_pool.h"
#include "tools/bench/io_files.h"
#include "tools/bench/storage_watch.h"

namespace quire::bench {

enum class IoMethod : uint8_t { kRead, kMmap, kDirect, kUring };
const char* MethodName(IoMethod method);

inline constexpr unsigned kMostDepth = 32;  // requests in flight: what keeps an NVMe disk busy

struct IoRequest {
  uint32_t file = 0;    // in the list of files
  uint64_t offset = 0;  // a multiple of 4096
  uint64_t bytes = 0;   // inside the file; a multiple of 4096 except at its end
};

// When to stop: at least one request is read, and those in flight are always finished.
struct IoLimit {
  double seconds = 0;
  const std::atomic<bool>* interrupted = nullptr;
  // Told of the bytes of each request, within its time, by the thread that read it; for who checks them.
  std::function<void(const IoRequest&, std::span<const std::byte>)> on_read = {};
};

struct IoFigures {
  uint64_t requests = 0;  // the first so many of the list were read
  uint64_t bytes = 0;
  double seconds = 0;
  std::vector<double> latency_seconds = {};  // of each request, in no particular order
  Fetched fetched = {};                      // from below, as far as who asked for the figures counted it
};

// Files opened for one method. Evicting (system_counters.h) comes before: mapped pages stay.
class OpenFiles {
 public:
  // Fails where a file cannot be opened so, or has become shorter.
  static Result<OpenFiles> Open(std::span<const IoFile> files, IoMethod method);

  [[nodiscard]] IoMethod method() const { return method_; }
  [[nodiscard]] int fd(uint32_t file) const { return files_[file].file.fd(); }
  [[nodiscard]] const std::string& path(uint32_t file) const { return files_[file].path; }
  // REQUIRES: method() is not kUring, which reads many at once.
  Result<void> Read(const IoRequest& request, std::span<std::byte> buffer) const;

 private:
  struct Mapping {
    Mapping() = default;
    Mapping(const std::byte* start, size_t length) : begin(start), bytes(length) {}
    Mapping(Mapping&& other) noexcept
        : begin(std::exchange(other.begin, nullptr)), bytes(std::exchange(other.bytes, 0)) {}
    Mapping& operator=(Mapping&&) = delete;
    ~Mapping();
    const std::byte* begin = nullptr;
    size_t bytes = 0;
  };
  struct OpenFile {
    std::string path;
    File file;
    Mapping mapping;
  };

  explicit OpenFiles(IoMethod method) : method_(method) {}

  IoMethod method_;
  std::vector<OpenFile> files_;
};

// Reads requests of open files, `depth` at a time: by so many threads, each of which takes the next of the list; kUring
// by one thread that has so many in flight. All methods read into as many buffers, in turn. The threads start together,
// and the time goes from the start of the first to the end of the last. Fails where a request cannot be read whole, and
// with kInterrupted. REQUIRES: requests is not empty; 1 <= depth <= kMaxJobs, for kUring <= kMostDepth.
Result<IoFigures> ReadRequests(const OpenFiles& files, std::span<const IoRequest> requests, unsigned depth,
                               const IoLimit& limit);

// Opens, reads and closes for each request, as a loader reads small files; large ones in pieces, so that memory is
// bounded.
Result<IoFigures> ReadWholeFiles(std::span<const IoFile> files, std::span<const IoRequest> requests, unsigned threads,
                                 const IoLimit& limit);

// Empty when `method` can read `file`, which is tried; else why not: "O_DIRECT: Invalid argument".
std::optional<std::string> WhyNotMethod(IoMethod method, const IoFile& file);

}  // namespace quire::bench
