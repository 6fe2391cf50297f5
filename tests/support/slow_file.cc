// SPDX-License-Identifier: Apache-2.0
// A disk that tests can slow down and break: shows one file in an otherwise empty folder, and passes each read of it on
// as a control file says at that moment.
//     slow_file FILE CONTROL DIR      mounts on DIR and stays in the foreground; DIR/(the name of FILE) is the file
// Each line of CONTROL is one rule; offsets are bytes of FILE, END is the first byte behind:
//     delay MIN_US MAX_US     every read waits a random time between these
//     hold BEGIN END          reads of these bytes wait for as long as the rule stands
//     fail BEGIN END          reads of these bytes end with EIO
//     stale BEGIN END         with ESTALE
//     again BEGIN END         with EAGAIN
//     interrupt BEGIN END     with EINTR
//     short BEGIN END         reads of these bytes end before BEGIN
//     part BEGIN END          reads of these bytes give half of what they asked for, in blocks of 4096 bytes
//     flip BEGIN END          reads of these bytes succeed, and a bit of them is wrong
// Where a third number follows, the rule is for so many reads, the next ones, since the line was not there. And two say
// whom the last seven are for:
//     share A B               A of B reads, by chance
//     seed NUMBER 0           which of them
// CONTROL is read anew for every read, so a rule holds as soon as the file has it. Replace it by renaming: half a file
// is half of the rules. What is written into FILE in place is what the next read returns. The file CONTROL.faults gets
// a line "WORD OFFSET BYTES" for each read that a rule of the last seven changed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "format/rounding.h"
#include "fs/libfuse.h"

namespace {

constexpr fuse_ino_t kFileInode = 2;   // the root is 1
constexpr double kForeverS = 1e9;      // the names and the size never change
constexpr unsigned kMaxThreads = 512;  // each held or delayed read keeps one; a mount of Quire has 256 reads in flight
constexpr unsigned kMaxBackground = 512;             // so that the kernel hands all of them on
constexpr std::chrono::milliseconds kLookAgain{10};  // at the rules, while a read is held
constexpr uint64_t kBlockBytes = 4096;               // what direct reads come in

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  [[nodiscard]] bool Meets(const Range& other) const { return begin < other.end && other.begin < end; }
};

struct Fault {
  std::string line;  // as it stands in the control file
  std::string word = {};
  Range range = {};
  std::optional<uint64_t> most = {};  // reads that it is for
};

struct Rules {
  uint64_t min_delay_us = 0;
  uint64_t max_delay_us = 0;
  std::vector<Range> held;
  Range share = {.begin = 1, .end = 1};  // `begin` of `end` reads
  uint64_t seed = 0;
  std::vector<Fault> faults;
};

// What was done so far. Thread-safe.
class Deeds {
 public:
  explicit Deeds(const std::string& path) : told_(path, std::ios::app) {}

  // Whether `fault` is for this read, which it is counted for then.
  bool Take(const Rules& rules, const Fault& fault, const Range& read) {
    const std::lock_guard lock(mutex_);
    if (rules.seed != seed_) chance_.seed(seed_ = rules.seed);
    if (rules.share.begin < rules.share.end && chance_() % rules.share.end >= rules.share.begin) return false;
    if (fault.most && taken_[fault.line] >= *fault.most) return false;
    ++taken_[fault.line];
    told_ << fault.word << ' ' << read.begin << ' ' << read.end - read.begin << std::endl;
    return true;
  }

  // A byte that is in both. REQUIRES: there is one.
  uint64_t Choose(const Range& read, const Range& range) {
    const std::lock_guard lock(mutex_);
    const uint64_t begin = std::max(read.begin, range.begin);
    return begin + chance_() % (std::min(read.end, range.end) - begin);
  }

  // A line that is gone is a new one when it comes again.
  void Forget(const Rules& rules) {
    const std::lock_guard lock(mutex_);
    std::erase_if(taken_, [&](const auto& entry) {
      return std::ranges::none_of(rules.faults, [&](const Fault& fault) { return fault.line == entry.first; });
    });
  }

 private:
  std::mutex mutex_;  // guards all below
  std::map<std::string, uint64_t> taken_;
  std::mt19937_64 chance_;
  uint64_t seed_ = 0;
  std::ofstream told_;
};

struct Disk {
  int fd = -1;
  std::string name;
  std::string control;
  Deeds* deeds = nullptr;
};

// A rule that is not understood is left out: the test would then see that nothing happens.
Rules ReadRules(const Disk& disk) {
  Rules rules;
  std::ifstream file(disk.control);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Fault fault = {.line = line};
    if (!(words >> fault.word >> fault.range.begin >> fault.range.end)) continue;
    if (uint64_t most = 0; words >> most) fault.most = most;
    if (fault.word == "delay") {
      rules.min_delay_us = fault.range.begin;
      rules.max_delay_us = fault.range.end;
    } else if (fault.word == "hold") {
      rules.held.push_back(fault.range);
    } else if (fault.word == "share") {
      rules.share = fault.range;
    } else if (fault.word == "seed") {
      rules.seed = fault.range.begin;
    } else {
      rules.faults.push_back(fault);
    }
  }
  disk.deeds->Forget(rules);
  return rules;
}

bool MeetsAny(const Range& read, const std::vector<Range>& ranges) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return range.Meets(read); });
}

// 0 where a rule of this name is not about errors.
int ErrorOf(std::string_view word) {
  if (word == "fail") return EIO;
  if (word == "stale") return ESTALE;
  if (word == "again") return EAGAIN;
  return word == "interrupt" ? EINTR : 0;
}

void Delay(const Rules& rules) {
  static thread_local std::minstd_rand chance(std::random_device{}());
  if (rules.max_delay_us == 0) return;
  std::uniform_int_distribution<uint64_t> delay_us(rules.min_delay_us,
                                                   std::max(rules.min_delay_us, rules.max_delay_us));
  std::this_thread::sleep_for(std::chrono::microseconds(delay_us(chance)));
}

const Disk& DiskOf(fuse_req_t request) { return *static_cast<const Disk*>(fuse_req_userdata(request)); }

// Fills in what stat(2) says of an inode; false where there is no such inode.
bool GetStat(const Disk& disk, fuse_ino_t inode, struct stat& status) {
  status = {};
  if (inode == FUSE_ROOT_ID) {
    status.st_mode = S_IFDIR | 0755;
    status.st_nlink = 2;
  } else if (inode != kFileInode || fstat(disk.fd, &status) != 0) {
    return false;
  }
  status.st_ino = inode;
  return true;
}

void Init(void* /*disk*/, fuse_conn_info* connection) {
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kMaxBackground;
}

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry = {};
  entry.ino = kFileInode;
  entry.attr_timeout = kForeverS;
  entry.entry_timeout = kForeverS;
  if (parent != FUSE_ROOT_ID || DiskOf(request).name != name || !GetStat(DiskOf(request), kFileInode, entry.attr))
    fuse_reply_err(request, ENOENT);
  else
    fuse_reply_entry(request, &entry);
}

void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
  struct stat status = {};
  if (GetStat(DiskOf(request), inode, status))
    fuse_reply_attr(request, &status, kForeverS);
  else
    fuse_reply_err(request, ENOENT);
}

void ReadDirectory(fuse_req_t request, fuse_ino_t /*inode*/, size_t bytes, off_t offset, fuse_file_info* /*file*/) {
  std::vector<char> entries(bytes);
  struct stat status = {};
  GetStat(DiskOf(request), kFileInode, status);
  const size_t used =
      offset > 0 ? 0 : fuse_add_direntry(request, entries.data(), bytes, DiskOf(request).name.c_str(), &status, 1);
  fuse_reply_buf(request, entries.data(), used);
}

// Nothing is kept by the kernel: every read comes here.
void Open(fuse_req_t request, fuse_ino_t /*inode*/, fuse_file_info* file) {
  file->direct_io = 1;
  fuse_reply_open(request, file);
}

void Read(fuse_req_t request, fuse_ino_t /*inode*/, size_t bytes, off_t offset, fuse_file_info* /*file*/) {
  const Disk& disk = DiskOf(request);
  Range read = {static_cast<uint64_t>(offset), static_cast<uint64_t>(offset) + bytes};
  Rules rules = ReadRules(disk);
  while (MeetsAny(read, rules.held)) {
    std::this_thread::sleep_for(kLookAgain);
    rules = ReadRules(disk);
  }
  Delay(rules);
  std::vector<uint64_t> flipped;
  for (const Fault& fault : rules.faults) {
    if (!fault.range.Meets(read) || !disk.deeds->Take(rules, fault, read)) continue;
    if (const int error = ErrorOf(fault.word); error != 0) {
      fuse_reply_err(request, error);
      return;
    }
    if (fault.word == "short") read.end = std::max(read.begin, fault.range.begin);
    if (fault.word == "part" && bytes > kBlockBytes)
      read.end = std::min(read.end, read.begin + quire::CeilDiv(bytes / 2, kBlockBytes) * kBlockBytes);
    if (fault.word == "flip") flipped.push_back(disk.deeds->Choose(read, fault.range));
  }
  const auto buffer = std::make_unique<char[]>(bytes);
  const ssize_t got = pread(disk.fd, buffer.get(), read.end - read.begin, offset);
  if (got < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  for (const uint64_t at : flipped)
    if (at - read.begin < static_cast<uint64_t>(got)) buffer[at - read.begin] ^= 1;
  fuse_reply_buf(request, buffer.get(), static_cast<size_t>(got));
}

// Returns the exit status.
int Serve(Disk& disk, const char* program, const char* folder) {
  fuse_lowlevel_ops operations = {};
  operations.init = Init;
  operations.lookup = Lookup;
  operations.getattr = GetAttributes;
  operations.open = Open;
  operations.read = Read;
  operations.readdir = ReadDirectory;
  std::vector<std::string> words = {program, "-o", "ro,fsname=slow_file"};
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(pointers.size()), pointers.data());
  fuse_session* const session = fuse_session_new(&arguments, &operations, sizeof(operations), &disk);
  if (session == nullptr || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, folder) != 0)
    return 1;
  fuse_loop_config* const config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_max_threads(config, kMaxThreads);
  fuse_loop_cfg_set_idle_threads(config, kMaxThreads);
  const int ended = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return ended < 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: slow_file FILE CONTROL DIR\n");
    return 2;
  }
  Disk disk = {.fd = open(argv[1], O_RDONLY | O_CLOEXEC),
               .name = std::filesystem::path(argv[1]).filename(),
               .control = std::filesystem::absolute(argv[2])};
  Deeds deeds(disk.control + ".faults");
  disk.deeds = &deeds;
  if (disk.fd < 0) {
    std::fprintf(stderr, "slow_file: '%s': %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  return Serve(disk, argv[0], argv[3]);
}
