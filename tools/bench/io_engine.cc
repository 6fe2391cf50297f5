// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/io_engine.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cassert>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>

#include "format/rounding.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

constexpr size_t kAlignment = 4096;  // of buffers, offsets and sizes: enough for O_DIRECT on every common disk

constexpr size_t kBuffersBytes = 64U << 20U;  // of all buffers together, unless the requests in flight need more
constexpr uint64_t kPieceBytes = 4U << 20U;   // of a whole file: the largest block that is measured

// Memory that requests of up to `bytes` are read into, `depth` at a time: aligned, and touched once so that no page
// fault is measured. There are as many buffers for every depth, since one that is used again and again stays in the
// caches of the processor, which flatters who has but one.
class Buffers {
 public:
  Buffers(unsigned depth, uint64_t bytes)
      : bytes_(AlignUp(bytes, kAlignment)),
        count_(std::max<size_t>(depth, std::clamp<size_t>(kBuffersBytes / bytes_, 1, kMostDepth))),
        memory_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, count_ * bytes_))) {
    if (memory_ == nullptr) throw std::bad_alloc();
    std::memset(memory_.get(), 1, count_ * bytes_);
  }
  [[nodiscard]] size_t count() const { return count_; }
  std::span<std::byte> operator[](size_t i) { return {memory_.get() + i % count_ * bytes_, bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  size_t bytes_;
  size_t count_;
  std::unique_ptr<std::byte, Free> memory_;
};

uint64_t LargestOf(std::span<const IoRequest> requests) {
  return std::ranges::max_element(requests, {}, &IoRequest::bytes)->bytes;
}

std::unexpected<Error> TooShort(const std::string& path) {
  return MakeError(ErrorCode::kUnreadable, "{}: became shorter meanwhile: measure again when nothing writes to it",
                   path);
}

// A mapped page that cannot be had raises SIGBUS, whatever was checked before. There is no way back into the copy that
// did not end, so say why and stop; nothing has been written that would have to be removed.
void ExplainBusError(int /*signal*/) {
  static constexpr std::string_view kMessage =
      "quire bench io: a mapped file was truncated or its disk failed (SIGBUS): measure again when nothing writes to "
      "it, and see the kernel's log\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kMessage.data(), kMessage.size());
  _exit(EXIT_FAILURE);
}

void CatchBusErrors() {
  struct sigaction action{};
  action.sa_handler = ExplainBusError;
  sigaction(SIGBUS, &action, nullptr);
}

using ReadOne = std::function<Result<void>(const IoRequest&, std::span<std::byte>)>;

// What threads share that read one list.
struct SharedList {
  std::span<const IoRequest> requests;
  std::atomic<size_t> next = 0;
  std::barrier<> start;
  Buffers buffers;
};

struct Share {
  IoFigures figures = {};
  double start = 0;
  double end = 0;
};

// What thread number `thread` of several reads of their list, once all of them are there.
Result<void> ReadShare(SharedList& list, unsigned thread, unsigned threads, const ReadOne& read_one,
                       const IoLimit& limit, Share& share) {
  list.start.arrive_and_wait();
  share.start = share.end = NowSeconds();
  const double deadline = share.start + limit.seconds;
  for (size_t buffer = thread;; buffer += threads) {
    const size_t i = list.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= list.requests.size() || (i > 0 && share.end >= deadline)) return {};
    if (*limit.interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
    if (auto done = read_one(list.requests[i], list.buffers[buffer]); !done) return done;
    if (limit.on_read) limit.on_read(list.requests[i], list.buffers[buffer].first(list.requests[i].bytes));
    const double begun = std::exchange(share.end, NowSeconds());
    share.figures.latency_seconds.push_back(share.end - begun);
    ++share.figures.requests;
    share.figures.bytes += list.requests[i].bytes;
  }
}

Result<IoFigures> ReadInThreads(std::span<const IoRequest> requests, unsigned threads, uint64_t buffer_bytes,
                                const IoLimit& limit, const ReadOne& read_one) {
  WorkerPool pool(threads);
  if (pool.size() < threads)
    return SystemError(EAGAIN, "no more than {} of {} threads can be started", pool.size(), threads);
  SharedList list{.requests = requests, .start = std::barrier<>(threads), .buffers = Buffers(threads, buffer_bytes)};
  std::vector<Share> shares(threads);
  for (Share& share : shares) share.figures.latency_seconds.reserve(requests.size());
  // Each thread takes one share: those that wait for the others take no second.
  const auto done = pool.ForEach(threads, [&](uint64_t i) {
    return ReadShare(list, static_cast<unsigned>(i), threads, read_one, limit, shares[i]);
  });
  if (!done) return std::unexpected(done.error());
  IoFigures figures;
  for (const Share& share : shares) {
    figures.requests += share.figures.requests;
    figures.bytes += share.figures.bytes;
    figures.latency_seconds.insert(figures.latency_seconds.end(), share.figures.latency_seconds.begin(),
                                   share.figures.latency_seconds.end());
  }
  figures.seconds = std::ranges::max(shares, {}, &Share::end).end - std::ranges::min(shares, {}, &Share::start).start;
  return figures;
}

// One thread that keeps `depth` requests in flight.
class RingReader {
 public:
  static Result<std::unique_ptr<RingReader>> Create(const OpenFiles& files, std::span<const IoRequest> requests,
                                                    unsigned depth) {
    auto reader = std::unique_ptr<RingReader>(new RingReader(files, requests, depth));
    if (const int error = io_uring_queue_init(depth, &reader->ring_, 0); error < 0)
      return SystemError(-error, "io_uring_queue_init (refused by the kernel or a container's rules)");
    reader->initialised_ = true;
    return reader;
  }
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader() {
    if (initialised_) io_uring_queue_exit(&ring_);
  }

  Result<IoFigures> Run(const IoLimit& limit) {
    IoFigures figures;
    figures.latency_seconds.reserve(requests_.size());
    const double start = NowSeconds();
    double now = start;
    size_t submitted = 0;
    Result<void> failure;
    do {
      const bool go_on = failure && !*limit.interrupted && (submitted == 0 || now < start + limit.seconds);
      for (; go_on && !idle_.empty() && submitted < requests_.size(); ++submitted) Prepare(submitted, now);
      if (idle_.size() == depth_) break;
      if (const int error = io_uring_submit_and_wait(&ring_, 1); error < 0 && error != -EINTR)
        return SystemError(-error, "io_uring_submit_and_wait");
      now = NowSeconds();
      if (auto done = Complete(now, limit, figures); !done && failure) failure = std::move(done);
    } while (true);
    figures.seconds = now - start;
    if (!failure) return Propagate(std::move(failure));
    if (*limit.interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
    return figures;
  }

 private:
  struct Slot {
    size_t request = 0;
    size_t buffer = 0;
    double begun = 0;
  };

  RingReader(const OpenFiles& files, std::span<const IoRequest> requests, unsigned depth)
      : files_(files), requests_(requests), depth_(depth), buffers_(depth, LargestOf(requests)) {
    for (size_t slot = 0; slot < buffers_.count(); ++slot) idle_buffers_.push_back(slot);
    for (size_t slot = 0; slot < depth; ++slot) idle_.push_back(slot);
  }

  void Prepare(size_t request, double now) {
    const size_t slot = idle_.back();
    idle_.pop_back();
    // The buffer that was idle for longest, so that all are used.
    slots_[slot] = {request, idle_buffers_.front(), now};
    idle_buffers_.pop_front();
    const IoRequest& wanted = requests_[request];
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);  // never null: as many entries as slots
    io_uring_prep_read(entry, files_.fd(wanted.file), buffers_[slots_[slot].buffer].data(),
                       static_cast<unsigned>(wanted.bytes), wanted.offset);
    io_uring_sqe_set_data64(entry, slot);
  }

  // Takes what has arrived; the first failure of it.
  Result<void> Complete(double now, const IoLimit& limit, IoFigures& figures) {
    Result<void> failure;
    io_uring_cqe* entry = nullptr;
    while (io_uring_peek_cqe(&ring_, &entry) == 0) {
      const size_t slot = io_uring_cqe_get_data64(entry);
      const int outcome = entry->res;
      io_uring_cqe_seen(&ring_, entry);
      idle_.push_back(slot);
      idle_buffers_.push_back(slots_[slot].buffer);
      const IoRequest& request = requests_[slots_[slot].request];
      if (outcome < 0) {
        failure = SystemError(-outcome, "{}: io_uring read", files_.path(request.file));
      } else if (static_cast<uint64_t>(outcome) < request.bytes) {
        failure = TooShort(files_.path(request.file));
      } else {
        if (limit.on_read) limit.on_read(request, buffers_[slots_[slot].buffer].first(request.bytes));
        figures.latency_seconds.push_back(now - slots_[slot].begun);
        ++figures.requests;
        figures.bytes += request.bytes;
      }
    }
    return failure;
  }

  const OpenFiles& files_;
  const std::span<const IoRequest> requests_;
  const unsigned depth_;
  Buffers buffers_;
  std::array<Slot, kMostDepth> slots_ = {};
  std::vector<size_t> idle_;
  std::deque<size_t> idle_buffers_;
  io_uring ring_{};
  bool initialised_ = false;
};

// Whether the page cache holds the beginning of the file; false where that cannot be told.
bool FirstPageIsCached(const IoFile& file) {
  const auto opened = File::Open(file.path, O_RDONLY);
  if (!opened) return false;
  void* const begin = mmap(nullptr, 1, PROT_READ, MAP_SHARED, opened->fd(), 0);
  if (begin == MAP_FAILED) return false;
  unsigned char is_resident = 0;
  const bool told = mincore(begin, 1, &is_resident) == 0;
  munmap(begin, 1);
  return told && (is_resident & 1U) != 0;
}

Result<void> ReadDirect(const File& file, const std::string& path, const IoRequest& request,
                        std::span<std::byte> buffer) {
  ssize_t bytes = 0;
  do {
    bytes = pread(file.fd(), buffer.data(), AlignUp(request.bytes, kAlignment), static_cast<off_t>(request.offset));
  } while (bytes < 0 && errno == EINTR);
  if (bytes < 0) return SystemError(errno, "{}: read with O_DIRECT", path);
  if (static_cast<uint64_t>(bytes) < request.bytes) return TooShort(path);
  return {};
}

Result<void> ReadPlainly(const File& file, const std::string& path, const IoRequest& request,
                         std::span<std::byte> buffer) {
  const auto bytes = file.ReadUpTo(request.offset, buffer.first(request.bytes));
  if (!bytes) return SystemError(bytes.error().system_errno, "{}: read", path);
  if (*bytes < request.bytes) return TooShort(path);
  return {};
}

}  // namespace

const char* MethodName(IoMethod method) {
  switch (method) {
    case IoMethod::kRead:
      return "read";
    case IoMethod::kMmap:
      return "mmap";
    case IoMethod::kDirect:
      return "O_DIRECT";
    case IoMethod::kUring:
      return "io_uring";
  }
  return "";
}

OpenFiles::Mapping::~Mapping() {
  if (begin != nullptr) munmap(const_cast<std::byte*>(begin), bytes);
}

Result<OpenFiles> OpenFiles::Open(std::span<const IoFile> files, IoMethod method) {
  OpenFiles opened(method);
  const int flags = method == IoMethod::kDirect ? O_RDONLY | O_DIRECT : O_RDONLY;
  for (const IoFile& wanted : files) {
    auto file = File::Open(wanted.path, flags);
    if (!file) return Propagate(std::move(file));
    struct stat status{};
    if (fstat(file->fd(), &status) != 0) return SystemError(errno, "{}: fstat", wanted.path);
    if (static_cast<uint64_t>(status.st_size) < wanted.bytes) return TooShort(wanted.path);
    if (method != IoMethod::kMmap) {
      opened.files_.push_back({wanted.path, std::move(*file), {}});
      continue;
    }
    CatchBusErrors();
    void* const begin = mmap(nullptr, wanted.bytes, PROT_READ, MAP_SHARED, file->fd(), 0);
    if (begin == MAP_FAILED) return SystemError(errno, "{}: mmap", wanted.path);
    opened.files_.push_back({wanted.path, std::move(*file), {static_cast<const std::byte*>(begin), wanted.bytes}});
  }
  return opened;
}

Result<void> OpenFiles::Read(const IoRequest& request, std::span<std::byte> buffer) const {
  const OpenFile& from = files_[request.file];
  if (method_ == IoMethod::kDirect) return ReadDirect(from.file, from.path, request, buffer);
  if (method_ == IoMethod::kRead) return ReadPlainly(from.file, from.path, request, buffer);
  std::memcpy(buffer.data(), from.mapping.begin + request.offset, request.bytes);  // copied, as read() does
  return {};
}

Result<IoFigures> ReadRequests(const OpenFiles& files, std::span<const IoRequest> requests, unsigned depth,
                               const IoLimit& limit) {
  assert(!requests.empty() && depth >= 1 && depth <= kMaxJobs);
  if (files.method() == IoMethod::kUring) {
    assert(depth <= kMostDepth);
    auto reader = RingReader::Create(files, requests, depth);
    if (!reader) return Propagate(std::move(reader));
    return (*reader)->Run(limit);
  }
  return ReadInThreads(
      requests, depth, LargestOf(requests), limit,
      [&](const IoRequest& request, std::span<std::byte> buffer) { return files.Read(request, buffer); });
}

Result<IoFigures> ReadWholeFiles(std::span<const IoFile> files, std::span<const IoRequest> requests, unsigned threads,
                                 const IoLimit& limit) {
  const uint64_t piece_bytes = std::min(kPieceBytes, LargestOf(requests));
  return ReadInThreads(requests, threads, piece_bytes, limit,
                       [&](const IoRequest& request, std::span<std::byte> buffer) {
                         const std::string& path = files[request.file].path;
                         const auto file = File::Open(path, O_RDONLY);
                         if (!file) return Result<void>(std::unexpected(file.error()));
                         IoRequest piece = request;
                         for (piece.offset = 0; piece.offset < request.bytes; piece.offset += piece.bytes) {
                           piece.bytes = std::min(piece_bytes, request.bytes - piece.offset);
                           if (auto done = ReadPlainly(*file, path, piece, buffer); !done) return done;
                         }
                         return Result<void>();
                       });
}

std::optional<std::string> WhyNotMethod(IoMethod method, const IoFile& file) {
  const std::atomic<bool> interrupted = false;
  const IoRequest request = {.bytes = std::min<uint64_t>(file.bytes, kAlignment)};
  auto opened = OpenFiles::Open({&file, 1}, method);
  if (!opened) return opened.error().message;
  if (method == IoMethod::kDirect) {
    [[maybe_unused]] const auto evicted = EvictFile(file.path);  // what stays is in use, and then nothing can be told
  }
  const bool was_cached = FirstPageIsCached(file);
  const auto figures = ReadRequests(*opened, {&request, 1}, 1, {.interrupted = &interrupted});
  if (!figures) return figures.error().message;
  if (method == IoMethod::kDirect && !was_cached && FirstPageIsCached(file))
    return fmt::format("{}: O_DIRECT is accepted, and the bytes go through the page cache nevertheless", file.path);
  return std::nullopt;
}

}  // namespace quire::bench
