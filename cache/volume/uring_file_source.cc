// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/uring_file_source.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <latch>
#include <thread>

#include "cache/background_thread.h"
#include "cache/volume/read_ring.h"
#include "format/file.h"
#include "format/mutex.h"

namespace quire {
namespace {

// Reads in flight in one ring. 64 of 256 KiB are 16 MiB, two milliseconds of a drive of 7 GB/s; 64 of 4 KiB at 100 us
// are 640,000 a second. More would not go to the device but to the kernel's worker threads, which cost more: block
// devices have 32 (SATA) to 256 (virtio) places.
constexpr unsigned kDepth = 64;
// Room for all of them and for the read of the event descriptor, so that neither queue is ever full; a power of two.
constexpr unsigned kRingEntries = 2 * kDepth;
// Completions taken at a time. It costs nothing to take few: what `done` asks for is submitted at once.
constexpr unsigned kBatch = 16;

// In what a completion carries, beside the address of the read: this was the pause before its next attempt.
constexpr uint64_t kPauseMark = 1;
static_assert(alignof(VolumeRead) > kPauseMark);

// The pauses that SourceFile::Settle asks for: 1 ms and its doubles.
constexpr long long kNanosecondsPerMs = 1'000'000;
constexpr auto kPauses = [] {
  std::array<__kernel_timespec, kMaxFailedTries> pauses = {};
  for (size_t i = 0; i < pauses.size(); ++i) pauses[i].tv_nsec = kNanosecondsPerMs << i;
  return pauses;
}();
static_assert(kPauses.back().tv_nsec < 1000 * kNanosecondsPerMs);

}  // namespace

// One ring and the thread that owns it: nobody else ever touches the ring.
class UringRing {
 public:
  // `files` must outlive the ring.
  explicit UringRing(const SourceFiles& files) : files_(files) {
    for (const SourceFile& file : files) fds_.push_back(file.fd());
  }
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;
  ~UringRing();

  // Starts the thread, with this nice value, and returns once its ring works.
  Result<void> Start(int nice);

  // Any thread. Tells that a read will be pushed: it counts as the ring's load from now until it was answered.
  void Expect() { load_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  // Any thread. Takes all of `reads`, each of which was expected.
  void Push(ReadQueue& reads);

 private:
  // Why a ring cannot be used. Its owner must not allocate memory, which can throw, so others make the message.
  struct Refusal {
    int error = 0;  // an errno; 0: it can be used
    const char* call = "";
  };

  // All run by the owner. None of them allocates: an exception would end the whole program.
  void Main();
  Refusal SetUp();
  Refusal TryRing();
  void Run();
  void TakeQueue(bool will_sleep);
  void ReapBatch();
  void TakeResult(VolumeRead& read, int result);
  void PrepareRead(VolumeRead& read);
  void PreparePause(VolumeRead& read, unsigned pause_ms);
  void PrepareWakeRead();
  io_uring_sqe& NextEntry();

  const SourceFiles& files_;  // by volume
  std::vector<int> fds_;

  std::atomic<uint32_t> load_ = 0;

  Mutex mutex_;  // held for some instructions only
  ReadQueue shared_queue_ QUIRE_GUARDED_BY(mutex_);
  bool is_wake_needed_ QUIRE_GUARDED_BY(mutex_) = false;  // the owner sleeps, or is about to, and would take more
  bool stop_ QUIRE_GUARDED_BY(mutex_) = false;

  File wake_;  // an eventfd, always being read by the ring

  Refusal setup_;  // the owner's until is_set_up_
  std::latch is_set_up_{1};

  // The owner's alone.
  io_uring ring_ = {};
  uint64_t wake_count_ = 0;  // what the read of wake_ reads
  bool has_fixed_files_ = false;
  ReadQueue queue_;
  unsigned in_flight_ = 0;
  bool is_wake_armed_ = false;

  std::jthread owner_;  // last: it uses all above
};

UringRing::~UringRing() {
  if (!owner_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  eventfd_write(wake_.fd(), 1);
}

Result<void> UringRing::Start(int nice) {
  wake_ = File(eventfd(0, EFD_CLOEXEC));
  if (!wake_.is_open()) return SystemError(errno, "eventfd");
  auto thread = StartBackgroundThread("quire-fill", [this, nice] {
    if (nice < 0) PutThreadFirst(nice);
    Main();
  });
  if (!thread) return Propagate(std::move(thread));
  owner_ = std::move(*thread);
  is_set_up_.wait();
  if (setup_.error != 0) return SystemError(setup_.error, "{}", setup_.call);
  return {};
}

void UringRing::Push(ReadQueue& reads) {
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    shared_queue_.Append(reads);
    wake = std::exchange(is_wake_needed_, false);
  }
  if (wake) eventfd_write(wake_.fd(), 1);
}

void UringRing::Main() {
  // A ring with a single issuer belongs to the thread that sets it up.
  const Refusal refusal = SetUp();
  setup_ = refusal;
  is_set_up_.count_down();
  if (refusal.error != 0) return;
  Run();
  // The kernel takes rings apart later: it would keep the file open, and its file system busy, when this process is
  // gone.
  if (has_fixed_files_) io_uring_unregister_files(&ring_);
  io_uring_queue_exit(&ring_);
}

UringRing::Refusal UringRing::SetUp() {
  if (const int error = SetUpReadRing(kRingEntries, ring_); error < 0) return {-error, "io_uring_setup"};
  if (const Refusal refusal = TryRing(); refusal.error != 0) {
    io_uring_queue_exit(&ring_);
    return refusal;
  }
  has_fixed_files_ = io_uring_register_files(&ring_, fds_.data(), static_cast<unsigned>(fds_.size())) == 0;
  return {};
}

// A filter of system calls may permit a ring and refuse its use, and an old kernel may not know the operation.
UringRing::Refusal UringRing::TryRing() {
  PrepareWakeRead();
  eventfd_write(wake_.fd(), 1);
  if (const int error = io_uring_submit_and_wait(&ring_, 1); error < 0) return {-error, "io_uring_enter"};
  io_uring_cqe* done = nullptr;
  if (const int error = io_uring_wait_cqe(&ring_, &done); error < 0) return {-error, "io_uring_enter"};
  const int result = done->res;
  io_uring_cqe_seen(&ring_, done);
  if (result < 0) return {-result, "a first read by io_uring"};
  is_wake_armed_ = false;
  return {};
}

void UringRing::Run() {
  while (true) {
    TakeQueue(/*will_sleep=*/true);
    if (!is_wake_armed_ && in_flight_ == 0) return;  // the last wake was to stop
    // An error here is a want of memory that passes: what was prepared stays prepared.
    const int error = io_uring_submit_and_wait(&ring_, 1);
    if (error < 0 && error != -EINTR) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    {
      const MutexLock lock(mutex_);
      is_wake_needed_ = false;
    }
    ReapBatch();
  }
}

// Moves what was pushed into the ring, as far as there is room.
void UringRing::TakeQueue(bool will_sleep) {
  bool stop = false;
  {
    const MutexLock lock(mutex_);
    queue_.Append(shared_queue_);
    is_wake_needed_ = will_sleep && in_flight_ + queue_.size() < kDepth;
    stop = stop_;
  }
  if (!is_wake_armed_ && !stop) PrepareWakeRead();
  while (!queue_.empty() && in_flight_ < kDepth) {
    ++in_flight_;
    PrepareRead(*queue_.Pop());
  }
}

void UringRing::ReapBatch() {
  struct Completion {
    VolumeRead* read;
    int result;
    bool is_pause;
  };
  std::array<io_uring_cqe*, kBatch> entries;
  std::array<Completion, kBatch> completions;
  const unsigned count = io_uring_peek_batch_cqe(&ring_, entries.data(), kBatch);
  for (unsigned i = 0; i < count; ++i) {
    const uint64_t data = io_uring_cqe_get_data64(entries[i]);
    completions[i] = {reinterpret_cast<VolumeRead*>(data & ~kPauseMark), entries[i]->res, (data & kPauseMark) != 0};
  }
  io_uring_cq_advance(&ring_, count);

  for (unsigned i = 0; i < count; ++i) {
    const auto [read, result, is_pause] = completions[i];
    if (read == nullptr)
      is_wake_armed_ = false;
    else if (is_pause)
      PrepareRead(*read);
    else
      TakeResult(*read, result);
  }
}

void UringRing::TakeResult(VolumeRead& read, int result) {
  const Settled settled = files_[read.volume].Settle(read, result);
  if (settled.result) {
    --in_flight_;
    read.done(read, *settled.result);
    load_.fetch_sub(1, std::memory_order_relaxed);
    // What `done` asked for goes to the device before the next completion is dealt with: to check and answer all of a
    // batch takes as long as the device needs for what it has in flight, and it would stand still. An error leaves what
    // was prepared to Run.
    TakeQueue(/*will_sleep=*/false);
    io_uring_submit(&ring_);
  } else if (settled.pause_ms == 0) {
    PrepareRead(read);
  } else {
    PreparePause(read, settled.pause_ms);
  }
}

// The read keeps its place in the ring meanwhile, and others go on.
void UringRing::PreparePause(VolumeRead& read, unsigned pause_ms) {
  const auto pause = std::ranges::find(kPauses, pause_ms * kNanosecondsPerMs, &__kernel_timespec::tv_nsec);
  assert(pause != kPauses.end());
  io_uring_sqe& entry = NextEntry();
  // The kernel takes the time when the entry is submitted, so that it has to stay where it is until then.
  io_uring_prep_timeout(&entry, const_cast<__kernel_timespec*>(&*pause), 0, 0);
  io_uring_sqe_set_data64(&entry, reinterpret_cast<uint64_t>(&read) | kPauseMark);
}

void UringRing::PrepareRead(VolumeRead& read) {
  io_uring_sqe& entry = NextEntry();
  std::byte* const into = read.into + read.got_bytes;
  const unsigned bytes = read.bytes - read.got_bytes;
  const uint64_t offset = read.offset + read.got_bytes;
  const int fd = has_fixed_files_ ? read.volume : fds_[read.volume];
  io_uring_prep_read(&entry, fd, into, bytes, offset);
  if (has_fixed_files_) io_uring_sqe_set_flags(&entry, IOSQE_FIXED_FILE);
  io_uring_sqe_set_data(&entry, &read);
}

void UringRing::PrepareWakeRead() {
  io_uring_sqe& entry = NextEntry();
  io_uring_prep_read(&entry, wake_.fd(), &wake_count_, sizeof(wake_count_), 0);
  io_uring_sqe_set_data(&entry, nullptr);
  is_wake_armed_ = true;
}

io_uring_sqe& UringRing::NextEntry() { return *io_uring_get_sqe(&ring_); }

UringFileSource::UringFileSource(SourceFiles files) : FileSource(std::move(files)) {}

UringFileSource::~UringFileSource() = default;

Result<std::unique_ptr<VolumeSource>> UringFileSource::Create(SourceFiles files, unsigned threads, int nice) {
  const unsigned by_cores = std::clamp(std::thread::hardware_concurrency() / 4, 1U, 4U);
  const unsigned wanted = threads == 0 ? by_cores : std::min(threads, kMaxRings);
  std::unique_ptr<UringFileSource> source(new UringFileSource(std::move(files)));
  auto& rings = source->rings_;
  while (rings.size() < wanted) {
    auto ring = std::make_unique<UringRing>(source->files_);
    auto started = ring->Start(nice);
    if (!started && rings.empty()) return Propagate(std::move(started));
    if (!started) break;
    rings.push_back(std::move(ring));
  }
  return source;
}

void UringFileSource::Submit(VolumeRead* first) {
  std::array<ReadQueue, kMaxRings> queues;
  while (first != nullptr) {
    VolumeRead& read = *std::exchange(first, first->next);
    read.got_bytes = 0;
    read.failed_tries = 0;
    const size_t chosen = LeastLoadedRing();
    rings_[chosen]->Expect();
    queues[chosen].Push(read);
  }
  for (size_t i = 0; i < rings_.size(); ++i)
    if (!queues[i].empty()) rings_[i]->Push(queues[i]);
}

// The first of several, so that one thread does the work as long as reads come one at a time.
size_t UringFileSource::LeastLoadedRing() const {
  size_t least = 0;
  for (size_t i = 1; i < rings_.size(); ++i)
    if (rings_[i]->load() < rings_[least]->load()) least = i;
  return least;
}

std::string UringFileSource::Describe() const {
  return fmt::format("io_uring, {}, {} thread{}", DescribeFiles(), rings_.size(), rings_.size() == 1 ? "" : "s");
}

}  // namespace quire
