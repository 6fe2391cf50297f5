// A disk that tests can slow down and break: shows one file in an otherwise empty folder, and passes each read of it on
// as a control file says at that moment.
//     slow_file FILE CONTROL DIR      mounts on DIR and stays in the foreground; DIR/(the name of FILE) is the file
// Each line of CONTROL is one rule; offsets are bytes of FILE, END is the first byte behind:
//     delay MIN_US MAX_US     every read waits a random time between these
//     hold BEGIN END          reads of these bytes wait for as long as the rule stands
//     fail BEGIN END          reads of these bytes end with EIO
//     short BEGIN END         reads of these bytes end before BEGIN
// CONTROL is read anew for every read, so a rule holds as soon as the file has it. Replace it by renaming: half a file
// is half of the rules. What is written into FILE in place is what the next read returns.
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
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fs/libfuse.h"

namespace {

constexpr fuse_ino_t kFileInode = 2;   // the root is 1
constexpr double kForeverS = 1e9;      // the names and the size never change
constexpr unsigned kMaxThreads = 512;  // each held or delayed read keeps one; a mount of Quire has 256 reads in flight
constexpr unsigned kMaxBackground = 512;             // so that the kernel hands all of them on
constexpr std::chrono::milliseconds kLookAgain{10};  // at the rules, while a read is held

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  [[nodiscard]] bool Meets(const Range& other) const { return begin < other.end && other.begin < end; }
};

struct Rules {
  uint64_t min_delay_us = 0;
  uint64_t max_delay_us = 0;
  std::vector<Range> held;
  std::vector<Range> failing;
  std::vector<Range> cut;
};

struct Disk {
  int fd = -1;
  std::string name;
  std::string control;
};

// A rule that is not understood is left out: the test would then see that nothing happens.
Rules ReadRules(const std::string& control) {
  Rules rules;
  std::ifstream file(control);
  std::string word;
  Range range;
  while (file >> word >> range.begin >> range.end) {
    if (word == "delay") {
      rules.min_delay_us = range.begin;
      rules.max_delay_us = range.end;
    } else if (word == "hold") {
      rules.held.push_back(range);
    } else if (word == "fail") {
      rules.failing.push_back(range);
    } else if (word == "short") {
      rules.cut.push_back(range);
    }
  }
  return rules;
}

bool MeetsAny(const Range& read, const std::vector<Range>& ranges) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return range.Meets(read); });
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
  Rules rules = ReadRules(disk.control);
  while (MeetsAny(read, rules.held)) {
    std::this_thread::sleep_for(kLookAgain);
    rules = ReadRules(disk.control);
  }
  Delay(rules);
  if (MeetsAny(read, rules.failing)) {
    fuse_reply_err(request, EIO);
    return;
  }
  for (const Range& cut : rules.cut)
    if (cut.Meets(read)) read.end = std::max(read.begin, cut.begin);
  const auto buffer = std::make_unique<char[]>(bytes);
  const ssize_t got = pread(disk.fd, buffer.get(), read.end - read.begin, offset);
  if (got < 0)
    fuse_reply_err(request, errno);
  else
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
  if (disk.fd < 0) {
    std::fprintf(stderr, "slow_file: '%s': %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  return Serve(disk, argv[0], argv[3]);
}
