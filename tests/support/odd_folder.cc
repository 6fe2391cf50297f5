// SPDX-License-Identifier: Apache-2.0
// A folder of a file system that few have: it lists a name twice, has a name longer than 255 bytes, and numbers its
// inodes anew whenever it is asked.
//     odd_folder DIR      mounts on DIR and stays in the foreground
// It holds the files `once`, `twice` and 300 times `n`, each of which holds its name and a newline.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "fs/libfuse.h"

namespace {

const std::array<std::string, 3> kNames = {"once", "twice", std::string(300, 'n')};
constexpr std::array<size_t, 4> kListed = {0, 1, 2, 1};
constexpr fuse_ino_t kFirstInode = 2;  // of kNames; the root is 1
constexpr time_t kTime = 981173106;    // of the last change of everything

std::string ContentOf(fuse_ino_t inode) { return kNames.at(inode - kFirstInode) + "\n"; }

struct stat StatusOf(fuse_ino_t inode) {
  static ino_t number = 1000;
  struct stat status{};
  status.st_ino = ++number;
  status.st_mtim.tv_sec = status.st_ctim.tv_sec = kTime;
  status.st_nlink = 1;
  status.st_mode = inode == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
  if (inode != FUSE_ROOT_ID) status.st_size = static_cast<off_t>(ContentOf(inode).size());
  return status;
}

void Lookup(fuse_req_t request, fuse_ino_t /*parent*/, const char* name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  fuse_entry_param entry = {};
  entry.ino = kFirstInode + static_cast<fuse_ino_t>(found - kNames.begin());
  entry.attr = StatusOf(entry.ino);
  fuse_reply_entry(request, &entry);
}

void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
  const struct stat status = StatusOf(inode);
  fuse_reply_attr(request, &status, 0);
}

void ReadDirectory(fuse_req_t request, fuse_ino_t /*inode*/, size_t bytes, off_t offset, fuse_file_info* /*file*/) {
  std::vector<char> buffer(bytes);
  size_t used = 0;
  for (auto at = static_cast<size_t>(offset); at < kListed.size(); ++at) {
    const std::string& name = kNames.at(kListed.at(at));
    struct stat status{};
    status.st_ino = at + 1;  // glibc passes over 0
    status.st_mode = S_IFREG;
    const size_t needed = fuse_add_direntry(request, buffer.data() + used, bytes - used, name.c_str(), &status,
                                            static_cast<off_t>(at + 1));
    if (needed > bytes - used) break;
    used += needed;
  }
  fuse_reply_buf(request, buffer.data(), used);
}

void Read(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset, fuse_file_info* /*file*/) {
  const std::string content = ContentOf(inode);
  const size_t begin = std::min(static_cast<size_t>(offset), content.size());
  fuse_reply_buf(request, content.data() + begin, std::min(bytes, content.size() - begin));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: odd_folder DIR\n");
    return 2;
  }
  fuse_lowlevel_ops operations = {};
  operations.lookup = Lookup;
  operations.getattr = GetAttributes;
  operations.readdir = ReadDirectory;
  operations.read = Read;
  std::vector<std::string> words = {argv[0], "-o", "ro,fsname=odd_folder"};
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(pointers.size()), pointers.data());
  fuse_session* const session = fuse_session_new(&arguments, &operations, sizeof(operations), nullptr);
  if (session == nullptr || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[1]) != 0)
    return 1;
  const int ended = fuse_session_loop(session);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return ended < 0 ? 1 : 0;
}
