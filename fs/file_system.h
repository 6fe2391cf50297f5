// A pack as a read-only file system: the answers to the kernel's requests. fs/SEMANTICS.md says what they promise.
// Everything is stateless but for the cache: no handle, no reference count. The inode is the node number + 1, so there
// is nothing to forget, and nothing to release.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cache/sample_reader.h"
#include "format/pack.h"
#include "fs/directory_listing.h"
#include "fs/errno_map.h"
#include "fs/libfuse.h"

namespace quire {

// Requests may come from any number of threads. Each is answered exactly once, before its method returns; a read
// blocks in I/O when its bytes are not in memory. No lock is held while answering.
class FileSystem {
 public:
  // `pack` must outlive the file system.
  explicit FileSystem(const Pack& pack);

  // For fuse_session_new, with a FileSystem as user data. No exception leaves these functions.
  static fuse_lowlevel_ops Operations();

  // Requests that failed for a reason that the log names.
  [[nodiscard]] uint64_t failed_requests() const { return errors_.reported(); }

 private:
  void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name);
  void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file);
  void ReadLink(fuse_req_t request, fuse_ino_t inode);
  void Open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file);
  void Read(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset, fuse_file_info* file);
  void Seek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence, fuse_file_info* file);
  void OpenDirectory(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file);
  void ReadDirectory(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, fuse_file_info* file);
  void ReadDirectoryPlus(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, fuse_file_info* file);
  void StatFs(fuse_req_t request, fuse_ino_t inode);
  void GetXattr(fuse_req_t request, fuse_ino_t inode, const char* name, size_t bytes);
  void ListXattr(fuse_req_t request, fuse_ino_t inode, size_t bytes);

  // The entry of `name`; one with inode 0 when there is none, which the kernel remembers too.
  Result<fuse_entry_param> FindEntry(NodeNumber parent, std::string_view name) const;
  Result<fuse_entry_param> MakeEntry(NodeNumber number) const;
  Result<off_t> FindDataOrHole(NodeNumber number, off_t offset, int whence) const;
  // Adds an entry to `buffer` in the form of the request; its bytes, which are more than the buffer's when it does not
  // fit.
  size_t AddEntry(fuse_req_t request, std::span<char> buffer, const ListedEntry& entry, bool plus);
  void List(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, bool plus);

  // Answers with the errno of `error` and logs it as 'OPERATION "/path": MESSAGE'.
  void Refuse(fuse_req_t request, const char* operation, fuse_ino_t inode, const Error& error);
  // 'OPERATION "/path"', or the inode's number where the path cannot be read.
  [[nodiscard]] std::string Describe(const char* operation, NodeNumber number) const;

  const Pack& pack_;
  const Index& index_;
  SampleReader samples_;
  ErrnoMap errors_;
};

}  // namespace quire
