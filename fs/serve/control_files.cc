// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/control_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <ctime>
#include <utility>

namespace quire {
namespace {

// Of the folder, which decides who comes to what is in it.
constexpr mode_t kFolderOfAll = S_IFDIR | 0555;
constexpr mode_t kFolderOfOwner = S_IFDIR | 0500;
// As a listing tells them: nobody has looked them up yet. The first one's; each row has one.
constexpr ino_t kFirstUnopenedInode = kTraceInode + 1;
// Who comes later finds a file of new content under its name. Long enough for programs that look at a file before they
// open it, as cp does, and refuse one that was replaced in between.
constexpr double kKeepFileNameS = 0.1;
// What programs that forget to close their files may make us keep: contents of a few KiB, and a map of the pages of a
// huge pack, which has some MiB.
constexpr size_t kMaxFiles = 1024;
constexpr size_t kMaxBytes = 64 << 20;

timespec Now() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

std::unexpected<Error> NoSuchInode(ino_t inode) {
  return MakeError(ErrorCode::kNotFound, "inode {}: no such control file", inode);
}

}  // namespace

ControlFiles::ControlFiles(std::vector<ControlFile> table, bool for_all)
    : table_(std::move(table)),
      folder_mode_(for_all ? kFolderOfAll : kFolderOfOwner),
      since_(Now()),
      next_inode_(kFirstUnopenedInode + table_.size()) {
  assert(std::ranges::is_sorted(table_, {}, &ControlFile::name));
}

const ControlFile* ControlFiles::FindPipe(ino_t inode) const {
  const auto row = std::ranges::find_if(
      table_, [inode](const ControlFile& each) { return !each.write && each.pipe_inode == inode; });
  return row == table_.end() ? nullptr : &*row;
}

InodeEntry ControlFiles::FolderEntry() const {
  return {.status = *GetStat(kControlFolderInode), .keep_name_s = kForeverS};
}

Result<InodeEntry> ControlFiles::Lookup(ino_t folder, std::string_view name) {
  if (folder != kControlFolderInode) return InodeEntry{.keep_name_s = kForeverS};
  const auto row = std::ranges::find(table_, name, &ControlFile::name);
  if (row == table_.end()) return InodeEntry{.keep_name_s = kForeverS};
  row->looked_up();
  if (!row->write)
    return InodeEntry{.status = *GetStat(row->pipe_inode), .keep_name_s = 0};  // so that every open is seen
  auto inode = Make(*row);
  if (!inode) return Propagate(std::move(inode));
  auto status = GetStat(*inode);
  if (!status) return Propagate(std::move(status));
  return InodeEntry{.status = *status, .keep_name_s = kKeepFileNameS};
}

Result<ino_t> ControlFiles::Make(const ControlFile& row) {
  File file = {
      .content = std::make_shared<const std::string>(row.write()), .mode = row.mode, .made = Now(), .lookups = 1};
  const MutexLock lock(mutex_);
  const size_t bytes = file.content->size();
  if (files_.size() >= kMaxFiles) return SystemError(ENFILE, "{} control files are open", kMaxFiles);
  if (!files_.empty() && kept_bytes_ + bytes > kMaxBytes)
    return SystemError(ENFILE, "control files of {} bytes are open", kept_bytes_);
  kept_bytes_ += bytes;
  files_.emplace(next_inode_, std::move(file));
  return next_inode_++;
}

void ControlFiles::Forget(ino_t inode, uint64_t lookups) {
  const MutexLock lock(mutex_);
  const auto found = files_.find(inode);
  if (found == files_.end()) return;
  if (found->second.lookups > lookups) {
    found->second.lookups -= lookups;
    return;
  }
  kept_bytes_ -= found->second.content->size();
  files_.erase(found);
}

Result<struct stat> ControlFiles::GetStat(ino_t inode) const {
  struct stat status = {};
  status.st_ino = inode;
  status.st_uid = geteuid();
  status.st_gid = getegid();
  timespec changed = since_;
  if (inode == kControlFolderInode) {
    status.st_mode = folder_mode_;
    status.st_nlink = 2;
  } else if (const ControlFile* const pipe = FindPipe(inode); pipe != nullptr) {
    status.st_mode = S_IFIFO | pipe->mode;
    status.st_nlink = 1;
  } else {
    const MutexLock lock(mutex_);
    const auto found = files_.find(inode);
    if (found == files_.end()) return NoSuchInode(inode);
    status.st_mode = S_IFREG | found->second.mode;
    status.st_nlink = 1;
    status.st_size = static_cast<off_t>(found->second.content->size());
    changed = found->second.made;
  }
  status.st_mtim = changed;
  status.st_atim = changed;
  status.st_ctim = changed;
  return status;
}

std::shared_ptr<const std::string> ControlFiles::GetContent(ino_t inode) const {
  const MutexLock lock(mutex_);
  const auto found = files_.find(inode);
  return found == files_.end() ? nullptr : found->second.content;
}

Result<std::string> ControlFiles::ReadLink(ino_t /*inode*/) const { return Invalid("no symbolic link"); }

Result<std::optional<std::span<const std::byte>>> ControlFiles::FindXattr(ino_t /*inode*/,
                                                                          std::string_view /*name*/) const {
  return std::nullopt;
}

Result<std::string> ControlFiles::ListXattrNames(ino_t /*inode*/) const { return std::string(); }

Result<off_t> ControlFiles::FindDataOrHole(ino_t inode, off_t offset, int whence) const {  // all data
  const auto content = GetContent(inode);
  if (content == nullptr || std::cmp_greater_equal(offset, content->size())) return -1;
  return whence == SEEK_DATA ? offset : static_cast<off_t>(content->size());
}

Result<void> ControlFiles::List(ino_t folder, uint64_t cookie, bool /*with_entries*/,
                                const std::function<bool(const ListedInode&)>& visit) {
  if (folder != kControlFolderInode) return NoSuchInode(folder);
  // Without entries, so that each file is made when it is looked up.
  std::vector<ListedInode> entries = {
      {.name = ".", .inode = kControlFolderInode, .type = S_IFDIR},
      {.name = "..", .inode = FUSE_ROOT_ID, .type = S_IFDIR},
  };
  for (size_t i = 0; i < table_.size(); ++i) {
    const ControlFile& row = table_[i];
    const bool is_pipe = !row.write;
    entries.push_back({.name = row.name,
                       .inode = is_pipe ? row.pipe_inode : kFirstUnopenedInode + i,
                       .type = is_pipe ? mode_t{S_IFIFO} : mode_t{S_IFREG}});
  }
  for (uint64_t i = cookie; i < entries.size(); ++i) {
    entries[i].next_cookie = i + 1;
    if (!visit(entries[i])) break;
  }
  return {};
}

void ControlFiles::Read(fuse_req_t request, ino_t inode, size_t bytes, off_t offset) {
  const auto content = GetContent(inode);
  if (content == nullptr || offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const size_t begin = std::min(static_cast<size_t>(offset), content->size());
  fuse_reply_buf(request, content->data() + begin, std::min(bytes, content->size() - begin));
}

std::string ControlFiles::Describe(ino_t inode) const { return fmt::format("inode {}", inode); }

}  // namespace quire
