// SPDX-License-Identifier: Apache-2.0
// A pack as a read-only file system: the bridge from libfuse's requests to the spaces of inodes that answer them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cache/sample_reader.h"
#include "format/pack/pack.h"
#include "fs/feed/kernel_feed.h"
#include "fs/follow/follower.h"
#include "fs/inodes.h"
#include "fs/libfuse.h"
#include "fs/options/mount_options.h"
#include "fs/serve/control_files.h"
#include "fs/serve/mount_config.h"
#include "fs/serve/mount_report.h"
#include "fs/serve/pack_tree.h"
#include "fs/serve/page_map.h"
#include "fs/serve/read_waits.h"
#include "fs/serve/replies.h"
#include "fs/serve/sample_reads.h"
#include "fs/serve/transport.h"
#include "fs/trace/read_trace.h"
#include "fs/trace/read_watch.h"

namespace quire {

// Requests may come from any number of threads. Each is answered exactly once, before its method returns; but a read
// whose bytes are not in memory parks (sample_reads.h).
class FileSystem {
 public:
  // All must outlive the file system. `root` is a directory of the pack.
  // `trace_looked_up`: a program is about to open the pipe `trace`.
  FileSystem(const Pack& pack, NodeNumber root, SampleReader& samples, KernelFeed& feed, ReadTrace& trace,
             std::function<void()> trace_looked_up, const MountOptions& options, TransportChoice transport);

  // For fuse_session_new, with a FileSystem as user data. No exception leaves these functions.
  static fuse_lowlevel_ops Operations();

  // Where the requests come from. Called before the first request; `session` must live until Drain.
  void Attach(fuse_session* session) { reads_.Attach(session); }
  // What the control files tell besides. Called before the first request.
  void SetFacts(MountFacts facts) { facts_ = std::move(facts); }
  // Who follows the pack; it must outlive the file system. Called before the first request, or not at all.
  void SetFollower(const Follower& follower) { follower_ = &follower; }

  // Requests that failed for a reason that the log names.
  [[nodiscard]] uint64_t failed_requests() const { return refusals_.count(); }

  // Whether anyone has used the mount since the last call, and it was not only to ask how it fares: PackTree::TakeUse.
  [[nodiscard]] bool TakeUse() { return tree_.TakeUse(); }

  [[nodiscard]] ReadWatch& watch() { return watch_; }

  // False where the pack has an entry of the control folder's name, which comes first.
  [[nodiscard]] bool HasControlFiles() const { return tree_.LacksTop(kControlFolderName); }

  // Returns once every parked read was answered and the reader is at rest. Whoever ends a session calls it between the
  // last request and fuse_session_destroy. REQUIRES: no request comes any more.
  void Drain() { reads_.Drain(); }

 private:
  void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name);
  void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file);
  void ReadLink(fuse_req_t request, fuse_ino_t inode);
  void Open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file);
  void Read(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset, fuse_file_info* file);
  void Forget(fuse_req_t request, fuse_ino_t inode, uint64_t lookups);
  void ForgetMany(fuse_req_t request, size_t count, fuse_forget_data* forgotten);
  void Ioctl(fuse_req_t request, fuse_ino_t inode, unsigned command, void* argument, fuse_file_info* file,
             unsigned flags, const void* input, size_t input_bytes, size_t output_bytes);
  void Seek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence, fuse_file_info* file);
  void OpenDirectory(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file);
  void ReadDirectory(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, fuse_file_info* file);
  void ReadDirectoryPlus(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, fuse_file_info* file);
  void StatFs(fuse_req_t request, fuse_ino_t inode);
  void GetXattr(fuse_req_t request, fuse_ino_t inode, const char* name, size_t bytes);
  void ListXattr(fuse_req_t request, fuse_ino_t inode, size_t bytes);

  void List(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, bool plus);

  // What the kernel can do, and is told to do, once the mount begins.
  static void Negotiate(void* file_system, fuse_conn_info* connection);

  // The space to which the inode belongs.
  [[nodiscard]] InodeSpace& SpaceOf(fuse_ino_t inode) {
    return IsControlInode(inode) ? static_cast<InodeSpace&>(control_files_) : tree_;
  }
  [[nodiscard]] std::vector<ControlFile> MakeControlFiles(std::function<void()> trace_looked_up);
  [[nodiscard]] MountReport MakeReport() const;
  [[nodiscard]] MountConfig MakeConfig() const;

  const Pack& pack_;
  SampleReader& samples_;
  KernelFeed& feed_;
  const MountOptions& options_;
  const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  MountFacts facts_;
  const Follower* follower_ = nullptr;  // null where nobody follows
  TransportChoice transport_;           // set for good before the first request, as are the two below
  // Whether the kernel stops asking once it hears that there is nothing to open.
  bool kernel_skips_open_ = false;
  bool kernel_skips_opendir_ = false;
  Refusals refusals_;
  ReadWaits waits_;
  ReadWatch watch_;
  const uint64_t pid_namespace_;  // by which requests number threads
  SampleReads reads_;
  PackTree tree_;
  PageMap page_map_;
  ControlFiles control_files_;
};

}  // namespace quire
