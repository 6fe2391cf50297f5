// A pack as a read-only file system: the answers to the kernel's requests. fs/SEMANTICS.md says what they promise.
// Nodes are stateless: no handle, no reference count. The inode is the node number + 1, so there is nothing to open, to
// release, or to forget but the control files.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cache/sample_reader.h"
#include "format/pack/pack.h"
#include "fs/feed/kernel_feed.h"
#include "fs/libfuse.h"
#include "fs/options/mount_options.h"
#include "fs/serve/attributes.h"
#include "fs/serve/control_files.h"
#include "fs/serve/directory_listing.h"
#include "fs/serve/errno_map.h"
#include "fs/serve/parked_reads.h"
#include "fs/serve/transport.h"

namespace quire {

// How often in MountOptions::idle_timeout the mount looks whether it was used.
inline constexpr int kIdleChecks = 4;

// Requests may come from any number of threads. Each is answered exactly once, before its method returns; but a read
// whose bytes are not in memory parks, and a thread of the volume source answers it once they are. Where it came by
// io_uring its own thread waits and answers: transport.h. No lock is held while answering, and what an answer was made
// of is let go of as soon as it is written.
class FileSystem {
 public:
  // All must outlive the file system. `root` is a directory of the pack.
  FileSystem(const Pack& pack, NodeNumber root, SampleReader& samples, KernelFeed& feed, const MountOptions& options,
             TransportChoice transport);

  // For fuse_session_new, with a FileSystem as user data. No exception leaves these functions.
  static fuse_lowlevel_ops Operations();

  // Where the requests come from: once it has ended, nobody waits for bytes any more. Called before the first request;
  // `session` must live until Drain.
  void Attach(fuse_session* session) { session_ = session; }

  // Requests that failed for a reason that the log names.
  [[nodiscard]] uint64_t failed_requests() const { return errors_.reported(); }

  // Whether anyone has used the mount since the last call, and it was not only to ask how it fares. The kernel tells of
  // all use but of what it remembers: within MountOptions::idle_timeout / kIdleChecks of a name below the root being
  // looked up, use of that name says nothing.
  [[nodiscard]] bool TakeUse() { return used_.exchange(false, std::memory_order_relaxed); }

  // False where the pack is known to have an entry of the control folder's name, which comes first.
  [[nodiscard]] bool HasControlFiles() const;

  // Returns once every parked read was answered and the reader is at rest. Whoever ends a session calls it between the
  // last request and fuse_session_destroy, which frees what parked requests are made of. REQUIRES: no request comes any
  // more.
  void Drain();

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

  void ForgetOne(fuse_ino_t inode, uint64_t lookups);
  // Waits for the bytes of a read that came by io_uring, and answers it.
  void AwaitAndAnswer(fuse_req_t request, fuse_ino_t inode, ReadHandover& handover);
  void AnswerRead(fuse_req_t request, fuse_ino_t inode, const Result<SampleBytes>& result);
  // Answers the read, or hands its bytes to the thread that must, and gives its memory back.
  void Finish(ParkedRead& parked, Result<SampleBytes> result) noexcept;
  void ReadControlFile(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset);
  [[nodiscard]] MountReport MakeReport() const;

  // What the kernel can do, and is told to do, once the mount begins.
  static void Negotiate(void* file_system, fuse_conn_info* connection);

  // A write for the first use only: what all threads read does not move between their caches.
  void NoteUse() {
    if (!used_.load(std::memory_order_relaxed)) used_.store(true, std::memory_order_relaxed);
  }

  // The inode of `name`; 0 when there is none.
  [[nodiscard]] Result<fuse_ino_t> FindInode(fuse_ino_t parent, std::string_view name);
  // The inode of "." and ".." in `inode`, which the kernel asks for where it has nothing but a handle from a server of
  // NFS: any number, of a file too. 0 where the mount shows no such file.
  [[nodiscard]] Result<fuse_ino_t> FindExported(fuse_ino_t inode, bool is_parent) const;
  // Whether the node lies below the root of the mount.
  [[nodiscard]] Result<bool> IsInMount(NodeNumber number) const;
  Result<fuse_ino_t> FindNode(NodeNumber parent, std::string_view name) const;
  [[nodiscard]] Result<struct stat> GetInodeStat(fuse_ino_t inode) const;
  // For how long the kernel keeps a name in `parent`.
  [[nodiscard]] double EntryTimeoutS(fuse_ino_t parent) const;
  // Inode 0 makes the entry of a name that is not there, which the kernel remembers too.
  [[nodiscard]] Result<fuse_entry_param> MakeEntry(fuse_ino_t parent, fuse_ino_t inode) const;
  // The entry of the inode that `status` tells of. The kernel will be told of it.
  [[nodiscard]] fuse_entry_param MakeEntry(fuse_ino_t parent, const struct stat& status) const;
  [[nodiscard]] Result<off_t> FindDataOrHole(fuse_ino_t inode, off_t offset, int whence) const;
  // Adds an entry of `parent` to `buffer` in the form of the request; its bytes, which are more than the buffer's when
  // it does not fit.
  size_t AddEntry(fuse_req_t request, fuse_ino_t parent, std::span<char> buffer, const ListedEntry& entry, bool plus);
  void List(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, bool plus);

  // Answers with the errno of `error` and logs it as 'OPERATION "/path": MESSAGE'.
  void Refuse(fuse_req_t request, const char* operation, fuse_ino_t inode, const Error& error);
  // 'OPERATION "/path"', or the inode's number where the path cannot be read.
  [[nodiscard]] std::string Describe(const char* operation, NodeNumber number) const;

  const Pack& pack_;
  const Index& index_;
  const InodeMap inodes_;
  SampleReader& samples_;
  KernelFeed& feed_;
  const MountOptions& options_;
  const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  const double top_entries_s_;  // for how long the kernel keeps what the root holds
  std::atomic<bool> used_ = false;
  fuse_session* session_ = nullptr;
  TransportChoice transport_;  // set for good before the first request, as are the two below
  // Whether the kernel stops asking once it hears that there is nothing to open.
  bool kernel_skips_open_ = false;
  bool kernel_skips_opendir_ = false;
  ErrnoMap errors_;
  ControlFiles control_files_;
  ParkedReads parked_;
};

}  // namespace quire
