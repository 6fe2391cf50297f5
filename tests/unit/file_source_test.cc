// SPDX-License-Identifier: Apache-2.0
// Goal: a file source gives the bytes of the file or the kernel's error, once for each read, whatever the kernel
// permits. Method: both engines through the same tests, on tmpfs and on disk; each refusal (io_uring, locked
// memory, O_DIRECT, /proc) is made real in a child process that shuts itself in.
#include "cache/volume/file_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "cache/memory/arena.h"
#include "format/file.h"
#include "tests/support/count_allocations.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint32_t kSlots = 8;
constexpr uint32_t kBlock = 4096;  // a multiple of whatever alignment an engine wants
constexpr uint32_t kPart = kFileRequestBytes;

testing::AssertionResult Says(const std::string& text, const std::string& part) {
  return (text.find(part) == std::string::npos ? testing::AssertionFailure() : testing::AssertionSuccess()) << text;
}

// A file without a name in `folder`.
class ScratchFile {
 public:
  ScratchFile(const std::string& folder, const std::string& content) {
    file_ = ValueOrDie(File::Open(folder, O_TMPFILE | O_RDWR, 0644));
    OkOrDie(file_.WriteAll(0, std::as_bytes(std::span(content))));
  }
  [[nodiscard]] int fd() const { return file_.fd(); }

 private:
  File file_;
};

// Reads that belong together: what they shall read, and what came.
class Reads {
 public:
  explicit Reads(const Arena& arena) : arena_(arena) {}

  // The read of `bytes` at `offset` into `slot` at `at`.
  void Add(uint64_t offset, uint32_t bytes, uint32_t slot, uint32_t at = 0) {
    One& one = all_.emplace_back();
    one.offset = offset;
    one.into = arena_.slot(slot).data() + at;
    one.bytes = bytes;
    one.done = Done;
    one.owner = this;
  }

  // Submits the reads [first, first + count) as one list.
  void Submit(VolumeSource& engine, size_t first, size_t count) {
    {
      const std::lock_guard lock(mutex_);
      left_ += count;
    }
    for (size_t i = first; i < first + count; ++i) all_[i].next = i + 1 < first + count ? &all_[i + 1] : nullptr;
    engine.Submit(&all_[first]);
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return left_ == 0; });
  }
  void Run(VolumeSource& engine) {
    Submit(engine, 0, all_.size());
    Wait();
  }

  [[nodiscard]] size_t size() const { return all_.size(); }
  [[nodiscard]] int64_t result(size_t i) const { return all_[i].result; }

  // "" if every read was answered once, with the bytes of `content`.
  [[nodiscard]] std::string Mistakes(std::string_view content) const {
    for (const One& one : all_) {
      const auto wanted = content.substr(std::min<size_t>(one.offset, content.size()), one.bytes);
      if (one.times != 1) return fmt::format("{} bytes at {}: answered {} times", one.bytes, one.offset, one.times);
      if (one.result != static_cast<int64_t>(wanted.size()))
        return fmt::format("{} bytes at {}: {} instead of {}", one.bytes, one.offset, one.result, wanted.size());
      if (std::memcmp(one.into, wanted.data(), wanted.size()) != 0)
        return fmt::format("{} bytes at {}: wrong bytes", one.bytes, one.offset);
    }
    return "";
  }

 private:
  struct One : VolumeRead {
    Reads* owner = nullptr;
    int64_t result = 0;
    int times = 0;
  };
  static void Done(VolumeRead& read, int64_t result) {
    auto& one = static_cast<One&>(read);
    Reads& reads = *one.owner;
    const std::lock_guard lock(reads.mutex_);
    one.result = result;
    ++one.times;
    if (--reads.left_ == 0) reads.finished_.notify_one();
  }

  const Arena& arena_;
  std::deque<One> all_;  // they stay where they are
  std::mutex mutex_;
  std::condition_variable finished_;
  size_t left_ = 0;
};

// Pages of `content` through `engine`, each into a slot of its own; "" if all bytes came.
std::string ReadAll(VolumeSource& engine, const Arena& arena, std::string_view content) {
  Reads reads(arena);
  for (uint64_t offset = 0; offset < content.size(); offset += kPart)
    reads.Add(offset, kPart, offset / kPageBytes, offset % kPageBytes);
  reads.Run(engine);
  return reads.Mistakes(content);
}

std::unique_ptr<Arena> SmallPages() {
  auto arena = ValueOrDie(Arena::Create(kSlots, HugePages::kOff));
  EXPECT_EQ(arena->PopulateAll(), kSlots);
  return arena;
}

const std::string kDisk = "/var/tmp";
const std::string kMemory = "/dev/shm";

class FileSourceTest : public testing::TestWithParam<std::tuple<IoKind, std::string>> {
 protected:
  void SetUp() override { engine_ = Open(file_.fd()); }
  std::unique_ptr<VolumeSource> Open(int fd, FileSourceOptions options = {}) {
    options.io = std::get<IoKind>(GetParam());
    return ValueOrDie(OpenFileSource({fd}, options));
  }

  const std::string content_ = Noise(5 * kPageBytes + 1234, 7);
  const ScratchFile file_{std::get<std::string>(GetParam()), content_};
  const std::unique_ptr<Arena> arena_ = SmallPages();
  std::unique_ptr<VolumeSource> engine_;
};

INSTANTIATE_TEST_SUITE_P(All, FileSourceTest,
                         testing::Combine(testing::Values(IoKind::kUring, IoKind::kThreads),
                                          testing::Values(kDisk, kMemory)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", NameOf(kIoNames, std::get<IoKind>(info.param)),
                                              std::get<std::string>(info.param) == kDisk ? "disk" : "memory");
                         });

TEST_P(FileSourceTest, RandomListsGiveTheBytesOfTheFile) {
  std::mt19937 random(1);
  const auto below = [&](uint64_t limit) { return static_cast<uint32_t>(random() % limit); };
  for (int round = 0; round < 100; ++round) {
    Reads reads(*arena_);
    const uint32_t count = 1 + below(kSlots * kPageBytes / kPart);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t bytes = kBlock * (1 + below(kPart / kBlock));
      const uint64_t place = uint64_t{i} * kPart;
      reads.Add(uint64_t{kBlock} * below(content_.size() / kBlock + 3), bytes, place / kPageBytes, place % kPageBytes);
    }
    reads.Run(*engine_);
    ASSERT_EQ(reads.Mistakes(content_), "");
  }
}

TEST_P(FileSourceTest, BufferedReadsNeedNoAlignment) {
  const auto buffered = Open(file_.fd(), {.direct = false});
  EXPECT_EQ(buffered->alignment_bytes(), 1U);
  EXPECT_TRUE(Says(buffered->Describe(), "buffered reads"));
  Reads reads(*arena_);
  reads.Add(12'345, 678, 0, 9);
  reads.Add(content_.size() - 10, 100, 1, 1);
  reads.Run(*buffered);
  EXPECT_EQ(reads.Mistakes(content_), "");
}

TEST_P(FileSourceTest, AReadMayBeAsLongAsAPage) {
  Reads reads(*arena_);
  reads.Add(kPageBytes, kPageBytes, 3);
  reads.Run(*engine_);
  EXPECT_EQ(reads.Mistakes(content_), "");
}

TEST_P(FileSourceTest, ReadsEndWhereTheFileEnds) {
  Reads reads(*arena_);
  reads.Add(5 * kPageBytes, kPart, 0);           // ends 1234 bytes on
  reads.Add(5 * kPageBytes - kBlock, kPart, 1);  // a block, and these
  reads.Add(5 * kPageBytes + kBlock, kPart, 2);  // begins behind the end
  reads.Add(uint64_t{1} << 40, kPart, 3);        // far behind it
  reads.Run(*engine_);
  EXPECT_EQ(reads.result(0), 1234);
  EXPECT_EQ(reads.result(1), kBlock + 1234);
  EXPECT_EQ(reads.result(2), 0);
  EXPECT_EQ(reads.result(3), 0);
  EXPECT_EQ(reads.Mistakes(content_), "");
}

TEST_P(FileSourceTest, AFileTruncatedWhileOpenEndsEarlier) {
  const size_t size = kPageBytes + kBlock + 100;
  ASSERT_EQ(ftruncate(file_.fd(), size), 0);
  Reads reads(*arena_);
  reads.Add(kPageBytes, kPart, 0);
  reads.Add(2 * kPageBytes, kPart, 1);
  reads.Run(*engine_);
  EXPECT_EQ(reads.Mistakes(std::string_view(content_).substr(0, size)), "");
}

TEST_P(FileSourceTest, AnEndOnABlockIsFoundToo) {
  ASSERT_EQ(ftruncate(file_.fd(), kPageBytes + kBlock), 0);
  Reads reads(*arena_);
  reads.Add(kPageBytes, kPart, 0);
  reads.Run(*engine_);
  EXPECT_EQ(reads.result(0), kBlock);
}

TEST_P(FileSourceTest, ThousandsOfReadsMayBeInFlight) {
  constexpr size_t kReads = kSlots * kPageBytes / kBlock;
  for (const size_t list : {kReads, size_t{1}, size_t{7}}) {
    Reads reads(*arena_);
    for (uint64_t place = 0; place < kSlots * kPageBytes; place += kBlock)
      reads.Add((place * 13) % (5 * kPageBytes), kBlock, place / kPageBytes, place % kPageBytes);
    for (size_t first = 0; first < kReads; first += list) reads.Submit(*engine_, first, std::min(list, kReads - first));
    reads.Wait();
    ASSERT_EQ(reads.Mistakes(content_), "") << "lists of " << list;
  }
}

TEST_P(FileSourceTest, AReadThatIsDoneMaySubmitTheNext) {
  struct Chain : VolumeRead {
    VolumeSource* engine = nullptr;
    std::string_view content;
    int right = 0;
    std::promise<int> finished;
  };
  Chain chain;
  chain.into = arena_->slot(0).data();
  chain.bytes = kBlock;
  chain.engine = engine_.get();
  chain.content = content_;
  chain.done = [](VolumeRead& read, int64_t result) {
    auto& chain = static_cast<Chain&>(read);
    const bool is_right = result == kBlock && std::memcmp(read.into, chain.content.data() + read.offset, kBlock) == 0;
    chain.right += is_right ? 1 : 0;
    chain.offset += kBlock;
    if (chain.offset == 1000 * uint64_t{kBlock}) return chain.finished.set_value(chain.right);
    chain.engine->Submit(&chain);
  };
  engine_->Submit(&chain);
  EXPECT_EQ(chain.finished.get_future().get(), 1000);
}

TEST_P(FileSourceTest, ManyThreadsMaySubmit) {
  std::array<std::jthread, kSlots> threads;
  std::array<std::string, kSlots> mistakes;
  for (uint32_t slot = 0; slot < kSlots; ++slot)
    threads[slot] = std::jthread([&, slot] {
      std::mt19937 random(slot);
      for (int round = 0; round < 50 && mistakes[slot].empty(); ++round) {
        Reads reads(*arena_);
        for (uint32_t at = 0; at < kPageBytes; at += kPart)
          reads.Add(uint64_t{kBlock} * (random() % (content_.size() / kBlock)), kBlock * (1 + random() % 8), slot, at);
        reads.Run(*engine_);
        mistakes[slot] = reads.Mistakes(content_);
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& mistake : mistakes) EXPECT_EQ(mistake, "");
}

TEST_P(FileSourceTest, SeveralThreadsShareTheSlots) {
  const auto engine = Open(file_.fd(), {.threads = 3});
  EXPECT_TRUE(Says(engine->Describe(), "3 threads"));
  for (int round = 0; round < 20; ++round) ASSERT_EQ(ReadAll(*engine, *arena_, content_), "");
}

// /proc/self/mem gives memory, and EIO where a mapping reaches behind the end of its file: a short read, then an error.
TEST_P(FileSourceTest, AnErrorOfTheKernelComesThroughDone) {
  const ScratchFile block(kMemory, std::string(kBlock, 'x'));
  void* const memory = mmap(nullptr, kPageBytes, PROT_READ, MAP_SHARED, block.fd(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto address = std::bit_cast<uint64_t>(memory);
  const File process = ValueOrDie(File::Open("/proc/self/mem", O_RDONLY));
  const auto engine = Open(process.fd());

  Reads reads(*arena_);
  reads.Add(address, kBlock, 0);
  reads.Add(address, 2 * kBlock, 1);
  reads.Add(address + kBlock, kBlock, 2);
  reads.Run(*engine);
  const auto page = ReadIntoSlot(*engine, *arena_, 3, 0, address, kPageBytes);
  munmap(memory, kPageBytes);

  EXPECT_EQ(reads.result(0), kBlock);
  EXPECT_EQ(static_cast<char>(arena_->slot(0)[kBlock - 1]), 'x');
  EXPECT_EQ(reads.result(1), -EIO);
  EXPECT_EQ(reads.result(2), -EIO);
  ASSERT_FALSE(page.has_value());
  EXPECT_EQ(page.error().system_errno, EIO);
}

// Files of /proc give a few kilobytes at a time.
TEST_P(FileSourceTest, ShortReadsAreCompleted) {
  const File symbols = ValueOrDie(File::Open("/proc/kallsyms", O_RDONLY));
  std::string wanted(100'000, ' ');
  ASSERT_LT(pread(symbols.fd(), wanted.data(), wanted.size(), 0), 100'000) << "no short read here";
  wanted.resize(ValueOrDie(symbols.ReadUpTo(0, std::as_writable_bytes(std::span(wanted)))));
  if (wanted.size() < 100'000) GTEST_SKIP() << "/proc/kallsyms is short";
  const auto engine = Open(symbols.fd());
  Reads reads(*arena_);
  reads.Add(0, 100'000, 0);
  reads.Run(*engine);
  EXPECT_EQ(reads.Mistakes(wanted), "");
}

TEST_P(FileSourceTest, ReadIntoSlotGivesAPageAndWhereTheFileEnds) {
  const std::string_view content = content_;
  for (uint64_t offset = 0; offset < content.size(); offset += kPageBytes) {
    const auto got = ReadIntoSlot(*engine_, *arena_, 2, 0, offset, kPageBytes);
    ASSERT_EQ(ValueOrDie(got), std::min<uint64_t>(kPageBytes, content.size() - offset));
    ASSERT_EQ(std::memcmp(arena_->slot(2).data(), content.data() + offset, *got), 0);
  }
  EXPECT_EQ(ValueOrDie(ReadIntoSlot(*engine_, *arena_, 2, 0, 8 * kPageBytes, kPageBytes)), 0U);
  EXPECT_EQ(ValueOrDie(ReadIntoSlot(*engine_, *arena_, 2, 0, kPageBytes, kPart + kBlock)), kPart + kBlock);
}

TEST_P(FileSourceTest, ItsThreadsTakeNoSignals) {
  ASSERT_TRUE(
      ReadIntoSlot(*engine_, *arena_, 0, 0, 0, kBlock).has_value());  // by now a thread runs, under its own name
  size_t threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    const std::string text(std::istreambuf_iterator<char>(status), {});
    if (!text.starts_with("Name:\tquire-fill")) continue;
    ++threads;
    const uint64_t blocked = std::stoull(text.substr(text.find("SigBlk:") + 7), nullptr, 16);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGPIPE})
      EXPECT_NE(blocked & (uint64_t{1} << (signal - 1)), 0U) << "signal " << signal;
  }
  EXPECT_GT(threads, 0U);
}

// Closed long before the engine reads, and named no more: the engine has its own descriptor.
TEST_P(FileSourceTest, TheFileMayBeClosedAfterOpening) {
  auto file = std::make_unique<ScratchFile>(std::get<std::string>(GetParam()), content_);
  const auto engine = Open(file->fd());
  file.reset();
  EXPECT_EQ(ReadAll(*engine, *arena_, content_), "");
}

// What the kernel counts as pinned by this process.
uint64_t PinnedBytes() {
  std::ifstream status("/proc/self/status");
  const std::string text(std::istreambuf_iterator<char>(status), {});
  return std::stoull(text.substr(text.find("VmPin:") + 6)) << 10;
}

class UringFileSourceTest : public testing::Test {
 protected:
  std::unique_ptr<VolumeSource> Open(FileSourceOptions options) {
    options.io = IoKind::kUring;
    return ValueOrDie(OpenFileSource({file_.fd()}, options));
  }
  const std::string content_ = Noise(kSlots * kPageBytes, 8);
  const ScratchFile file_{kDisk, content_};
  const std::unique_ptr<Arena> arena_ = SmallPages();
};

// Memory that io_uring knew by registration would be pinned, and could not be given back.
TEST_F(UringFileSourceTest, PinsNoMemory) {
  const uint64_t before = PinnedBytes();
  const auto engine = Open({.threads = 2});
  EXPECT_EQ(ReadAll(*engine, *arena_, content_), "");
  EXPECT_EQ(PinnedBytes(), before);
}

// How many rings answer as many reads as there are rings, begun one by one or as one list, all into one slot. Each read
// is answered only when all rings are at work, so that a ring too few would hang: that is told after a while.
size_t RingsAtWork(VolumeSource& engine, std::byte* into, size_t rings, bool is_one_list) {
  struct Meeting {
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::thread::id> threads;
    size_t wanted = 0;
    size_t left = 0;
  };
  struct Single : VolumeRead {
    Meeting* meeting = nullptr;
  };
  Meeting meeting;
  std::deque<Single> reads(rings);
  meeting.wanted = rings;
  meeting.left = rings;
  for (size_t i = 0; i < rings; ++i) {
    Single& read = reads[i];
    read.offset = i * kBlock;
    read.into = into + i * kBlock;
    read.bytes = kBlock;
    read.meeting = &meeting;
    read.done = [](VolumeRead& done, int64_t result) {
      EXPECT_EQ(result, kBlock);
      Meeting& meeting = *static_cast<Single&>(done).meeting;
      std::unique_lock lock(meeting.mutex);
      meeting.threads.insert(std::this_thread::get_id());
      meeting.changed.notify_all();
      meeting.changed.wait_for(lock, std::chrono::seconds(10),
                               [&] { return meeting.threads.size() == meeting.wanted; });
      --meeting.left;
      meeting.changed.notify_all();
    };
    if (is_one_list && i > 0) reads[i - 1].next = &read;
  }
  if (is_one_list)
    engine.Submit(&reads.front());
  else
    for (Single& read : reads) engine.Submit(&read);
  std::unique_lock lock(meeting.mutex);
  meeting.changed.wait(lock, [&] { return meeting.left == 0; });
  return meeting.threads.size();
}

TEST_F(UringFileSourceTest, SingleReadsIntoOneSlotAreAnsweredByAllRings) {
  constexpr size_t kRings = 3;
  const auto engine = Open({.threads = kRings});
  EXPECT_EQ(RingsAtWork(*engine, arena_->slot(0).data(), kRings, false), kRings);
  EXPECT_EQ(std::memcmp(arena_->slot(0).data(), content_.data(), kRings * kBlock), 0);
}

TEST_F(UringFileSourceTest, ThePartsOfOnePageAreAnsweredByAllRings) {
  constexpr size_t kRings = 3;
  const auto engine = Open({.threads = kRings});
  EXPECT_EQ(RingsAtWork(*engine, arena_->slot(0).data(), kRings, true), kRings);
  EXPECT_EQ(std::memcmp(arena_->slot(0).data(), content_.data(), kRings * kBlock), 0);
}

TEST(VolumeFile, AReadThatCannotBeDoneNowIsTriedForASecond) {
  const ScratchFile scratch(kDisk, "bytes");
  const auto file = ValueOrDie(SourceFile::Open(scratch.fd(), false));
  for (const int error : {EAGAIN, EINTR}) {
    VolumeRead read;
    read.bytes = kBlock;
    unsigned paused_ms = 0;
    Settled settled = file.Settle(read, -error);
    for (; !settled.result; settled = file.Settle(read, -error)) {
      EXPECT_GT(settled.pause_ms, paused_ms) << "each pause is longer than all before";
      paused_ms += settled.pause_ms;
      ASSERT_LT(paused_ms, 10'000U);
    }
    EXPECT_EQ(settled.result, -error);
    EXPECT_EQ(paused_ms, 1023U);
  }
}

TEST(VolumeFile, BytesThatCameEndARowOfFailedTries) {
  const ScratchFile scratch(kDisk, "bytes");
  const auto file = ValueOrDie(SourceFile::Open(scratch.fd(), false));
  VolumeRead read;
  read.bytes = kBlock;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(file.Settle(read, -EAGAIN).result, std::nullopt);
  EXPECT_EQ(file.Settle(read, 10).pause_ms, 0U);
  EXPECT_EQ(read.got_bytes, 10U);
  EXPECT_EQ(file.Settle(read, -EAGAIN).pause_ms, 1U);
}

TEST_P(FileSourceTest, ItsThreadsNeedNoMemoryFromTheHeap) {
  if (!kCountsAllocations) GTEST_SKIP() << "sanitizers bring allocators of their own";
  Reads reads(*arena_);
  for (uint32_t i = 0; i < kSlots * kPageBytes / kPart; ++i)
    reads.Add(uint64_t{i} * kPart % kPageBytes, kPart, i * kPart / kPageBytes, i * kPart % kPageBytes);
  const FailingAllocations others_fail;
  const auto engine = Open(file_.fd(), {.threads = 2});
  reads.Run(*engine);
  EXPECT_EQ(reads.Mistakes(content_), "");
}

// Refusals.

constexpr const char* kSkip = "skip: ";

// What `body` gives in a child process, which may shut itself in as it likes.
std::string InChild(const std::function<std::string()>& body) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string text = body();
    _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char letter = 0;
  while (read(ends[0], &letter, 1) == 1) text += letter;
  close(ends[0]);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status == 0 ? text : fmt::format("the child ended with status {:#x}", status);
}

// Filters the system calls of this thread and those that it starts.
int InstallFilter(std::span<const sock_filter> filter, unsigned flags) {
  const sock_fprog program = {.len = static_cast<unsigned short>(filter.size()),
                              .filter = const_cast<sock_filter*>(filter.data())};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result < 0) DieOf({ErrorCode::kSystem, errno, "cannot install a filter of system calls"});
  return static_cast<int>(result);
}

// From now on `call` gives `error`.
void RefuseCall(unsigned call, int error) {
  const std::array filter = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  InstallFilter(filter, 0);
}

// From now on io_uring_setup answers as a kernel that knows no flags but `known_flags`. Another thread of the process
// is asked, which can look at what a filter cannot: the flags lie in memory. Not by a count of calls: liburing from 2.6
// on makes several of one, with and without flags of its own.
void ForgetSetupFlags(unsigned known_flags) {
  std::promise<int> listener;
  std::thread([known_flags, asked = listener.get_future()]() mutable {
    const int fd = asked.get();
    for (;;) {
      seccomp_notif question = {};
      if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) return;
      seccomp_notif_resp answer = {.id = question.id, .val = 0, .error = 0, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
      const auto* const params = reinterpret_cast<const io_uring_params*>(question.data.args[1]);
      if ((params->flags & ~known_flags) != 0) answer = {.id = question.id, .val = 0, .error = -EINVAL, .flags = 0};
      ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
  }).detach();  // ends with the process
  const std::array filter = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  listener.set_value(InstallFilter(filter, SECCOMP_FILTER_FLAG_NEW_LISTENER));
}

class FileSourceRefusalTest : public testing::Test {
 protected:
  // The engine's description after it gave all bytes, or what went wrong.
  std::string Read(int fd, const FileSourceOptions& options = {}) {
    const auto arena = SmallPages();  // of the child: a parent keeps its arena to itself
    const auto engine = OpenFileSource({fd}, options);
    if (!engine) return "error: " + engine.error().message;
    const std::string mistakes = ReadAll(**engine, *arena, content_);
    return mistakes.empty() ? (*engine)->Describe() : mistakes;
  }
  std::string Read(const FileSourceOptions& options = {}) { return Read(file_.fd(), options); }

  const std::string content_ = Noise(3 * kPageBytes + 99, 9);
  const ScratchFile file_{kDisk, content_};
};

TEST_F(FileSourceRefusalTest, ThreadsReadWhereIoUringIsRefused) {
  for (const int error : {EPERM, ENOSYS, ENOMEM}) {
    const std::string got = InChild([&] {
      RefuseCall(__NR_io_uring_setup, error);
      return Read();
    });
    EXPECT_TRUE(got.starts_with("pread, ")) << got;
    EXPECT_TRUE(Says(got, fmt::format("io_uring_setup: {}", std::strerror(error))));
  }
}

TEST_F(FileSourceRefusalTest, ThreadsReadWhereTheRingCannotBeUsed) {
  const std::string got = InChild([&] {
    RefuseCall(__NR_io_uring_enter, EPERM);
    return Read();
  });
  EXPECT_TRUE(got.starts_with("pread, ")) << got;
  EXPECT_TRUE(Says(got, "io_uring_enter: Operation not permitted"));
}

TEST_F(FileSourceRefusalTest, IoUringAloneIsAnErrorThatTellsTheReason) {
  const std::string got = InChild([&] {
    RefuseCall(__NR_io_uring_setup, EPERM);
    return Read({.io = IoKind::kUring});
  });
  EXPECT_EQ(got, "error: io_uring_setup: Operation not permitted");
}

// Kernels before 6.1 know no deferred task work, those before 5.19 no cooperative one; they learnt flags in the order
// of their bits.
TEST_F(FileSourceRefusalTest, ARingWithoutNewFeaturesReadsAsWell) {
  for (const unsigned first_unknown : {IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN}) {
    const std::string got = InChild([&] {
      ForgetSetupFlags(first_unknown - 1);
      return Read({.io = IoKind::kUring, .threads = 1});
    });
    EXPECT_TRUE(got.starts_with("io_uring, ")) << got;
  }
  const std::string got = InChild([&] {
    RefuseCall(__NR_io_uring_setup, EINVAL);
    return Read();
  });
  EXPECT_TRUE(got.starts_with("pread, ")) << got;
}

TEST_F(FileSourceRefusalTest, AReadThatIsRefusedForEverEndsWithItsError) {
  const std::string got = InChild([&] {
    RefuseCall(__NR_pread64, EAGAIN);
    const auto arena = SmallPages();
    const auto engine = ValueOrDie(OpenFileSource({file_.fd()}, {.io = IoKind::kThreads}));
    const auto read = ReadIntoSlot(*engine, *arena, 0, 0, 0, kPageBytes);
    return read ? "bytes" : read.error().message;
  });
  EXPECT_TRUE(Says(got, "Resource temporarily unavailable"));
}

TEST_F(FileSourceRefusalTest, NoRefusalNeedsMemoryFromTheHeap) {
  if (!kCountsAllocations) GTEST_SKIP() << "sanitizers bring allocators of their own";
  for (const unsigned call : {__NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register}) {
    const std::string got = InChild([&] {
      RefuseCall(call, EPERM);
      const FailingAllocations others_fail;
      return Read();
    });
    if (call == __NR_io_uring_register)
      EXPECT_TRUE(got.starts_with("io_uring, ")) << got;
    else
      EXPECT_TRUE(Says(got, "Operation not permitted")) << "system call " << call;
  }
}

TEST_F(FileSourceRefusalTest, AFileThatCannotBeRegisteredIsReadAsWell) {
  const std::string got = InChild([&] {
    RefuseCall(__NR_io_uring_register, EPERM);
    return Read({.io = IoKind::kUring});
  });
  EXPECT_TRUE(got.starts_with("io_uring, ")) << got;
}

// Some kernels count a ring as locked memory: before 5.12, and 6.18.
TEST_F(FileSourceRefusalTest, ThreadsReadWhereNoMemoryMayBeLocked) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  const std::string got = InChild([&] {
    constexpr unsigned kNobody = 65'534;
    const rlimit limit = {0, 0};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)
      return std::string("cannot become an ordinary user");
    return Read();
  });
  if (got.starts_with("io_uring, ")) GTEST_SKIP() << "this kernel does not count rings";
  EXPECT_TRUE(Says(got, "Cannot allocate memory"));
}

class MountNamespaceTest : public FileSourceRefusalTest {
 protected:
  // `body` in a child with mounts of its own.
  static std::string WithOwnMounts(const std::function<std::string()>& body) {
    if (geteuid() != 0) return std::string(kSkip) + "needs root, for mounts";
    return InChild([&] {
      if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fmt::format("{}no mounts of its own: {}", kSkip, std::strerror(errno));
      return body();
    });
  }
};

TEST_F(MountNamespaceTest, AFileSystemWithoutDirectReadsIsReadBuffered) {
  const TemporaryFolder folder;
  for (const IoKind io : {IoKind::kUring, IoKind::kThreads}) {
    const std::string got = WithOwnMounts([&] {
      if (mount("ramfs", folder.path().c_str(), "ramfs", 0, nullptr) != 0)
        return fmt::format("{}no ramfs: {}", kSkip, std::strerror(errno));
      return Read(ScratchFile(folder.path(), content_).fd(), {.io = io});
    });
    if (got.starts_with(kSkip)) GTEST_SKIP() << got;
    EXPECT_TRUE(Says(got, "buffered reads (O_DIRECT: open: Invalid argument)"));
  }
}

TEST_F(MountNamespaceTest, WithoutProcTheDescriptorIsShared) {
  const std::string got = WithOwnMounts([&] {
    if (mount("none", "/proc", "tmpfs", 0, nullptr) != 0)
      return fmt::format("{}/proc cannot be hidden: {}", kSkip, std::strerror(errno));
    return Read();
  });
  if (got.starts_with(kSkip)) GTEST_SKIP() << got;
  EXPECT_TRUE(Says(got, "buffered reads (O_DIRECT: open: No such file or directory)"));
}

TEST_F(FileSourceRefusalTest, OnDiskReadsAreDirect) {
  const std::string got = Read();
  if (got.find("O_DIRECT: ") != std::string::npos) GTEST_SKIP() << kDisk << " has no direct reads: " << got;
  EXPECT_TRUE(Says(got, "direct reads ("));
}

TEST_F(FileSourceRefusalTest, ABadDescriptorIsAnError) {
  EXPECT_TRUE(Says(Read(12345), "error: descriptor 12345: Bad file descriptor"));
}

}  // namespace
}  // namespace quire
