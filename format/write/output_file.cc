// SPDX-License-Identifier: Apache-2.0
#include "format/write/output_file.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <utility>

#include "format/checksum.h"
#include "format/pack/geometry.h"
#include "format/write/leftovers.h"
#include "format/write/source_attributes.h"

namespace quire {
namespace {

// The kernel's own file systems that have unnamed files can name them. Behind FUSE and SMB is a program that may not,
// so there it is tried; not elsewhere, since that moves the mtime of a folder that may be part of what is to be packed.
bool IsServedByOthers(const File& file) {
  struct statfs status{};
  if (fstatfs(file.fd(), &status) != 0) return true;
  const auto type = static_cast<uint32_t>(status.f_type);
  return type == FUSE_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == CIFS_SUPER_MAGIC || type == SMB2_SUPER_MAGIC;
}

// A refusal whose cause strerror would not tell.
template <typename... Args>
std::unexpected<Error> Refuse(int error_number, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{ErrorCode::kSystem, error_number, fmt::format(format, std::forward<Args>(args)...)});
}

std::unexpected<Error> NotRegular(const std::string& path) {
  return Refuse(EEXIST, "{}: is not a regular file, and only those are replaced; name another", path);
}

// Whether another user, who is neither root nor the owner of the folder, put the symlink where everybody may. It may
// lead to any file of ours; open(2) follows none such either where fs.protected_symlinks is set (proc_sys_fs(5)).
bool IsPlanted(const std::string& path, const struct stat& link) {
  const auto parent = std::filesystem::path(path).parent_path();
  struct stat folder{};
  if (stat(parent.empty() ? "." : parent.c_str(), &folder) != 0) return true;
  const bool is_open_to_all = (folder.st_mode & S_IWOTH) != 0;
  return is_open_to_all && link.st_uid != 0 && link.st_uid != geteuid() && link.st_uid != folder.st_uid;
}

// Where the file that `path` names lies: a symlink is followed, so that the file that it leads to is what is replaced.
Result<std::string> FollowSymlink(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return path;
    return SystemError(errno, "{}", path);
  }
  if (!S_ISLNK(status.st_mode)) return path;
  if (IsPlanted(path, status))
    return Refuse(EACCES, "{}: is a symlink of another user in a folder that everybody may write to; name another file",
                  path);
  // A pipe or a socket, to which /dev/stdout may lead, has no path.
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return NotRegular(path);
  const std::unique_ptr<char, decltype(&std::free)> target(realpath(path.c_str(), nullptr), std::free);
  if (target != nullptr) return std::string(target.get());
  if (errno == ENOENT)
    return Refuse(ENOENT, "{}: is a symlink to a file that is not there; name that file, or remove the symlink", path);
  return SystemError(errno, "{}", path);
}

// A name that is too long gives way to its sum.
std::string UnfinishedNameOf(const std::string& name, const std::string& tag) {
  std::string unfinished = fmt::format(".{}.{}", name, tag);
  if (unfinished.size() <= kMaxNameBytes) return unfinished;
  return fmt::format(".{}-{:016x}", tag, Xxh3(std::as_bytes(std::span(name))));
}

}  // namespace

Result<File> OpenUnnamed(const std::string& folder) {
  if (auto file = File::Open(folder, O_TMPFILE | O_RDWR, 0600)) return file;
  while (true) {
    const std::string path = folder + "/" + TemporaryNameFor("");
    auto file = File::Open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (!file && file.error().system_errno == EEXIST) continue;
    if (!file)
      return SystemError(file.error().system_errno, "{}: making a temporary file (--tmp makes it elsewhere)", folder);
    unlink(path.c_str());
    return file;
  }
}

bool HasUnnamedFiles(const std::string& folder) { return File::Open(folder, O_TMPFILE | O_RDWR, 0600).has_value(); }

OutputFile::OutputFile(std::string path, const std::string& resolved, bool replace)
    : path_(std::move(path)),
      folder_path_([&] {
        const auto parent = std::filesystem::path(resolved).parent_path();
        return parent.empty() ? std::string(".") : parent.string();
      }()),
      name_(std::filesystem::path(resolved).filename().string()),
      replace_(replace),
      temporary_name_(TemporaryNameFor(name_)) {}

Result<std::unique_ptr<OutputFile>> OutputFile::Prepare(const std::string& path, bool replace) {
  const auto resolved = FollowSymlink(path);
  if (!resolved) return std::unexpected(resolved.error());
  std::unique_ptr<OutputFile> output(new OutputFile(path, *resolved, replace));
  auto folder = File::Open(output->folder_path_, O_PATH | O_DIRECTORY);
  if (!folder && folder.error().system_errno == ENOENT)
    return Refuse(ENOENT, "{}: there is no folder {}; make it first, or name another", path, output->folder_path_);
  if (!folder) return SystemError(folder.error().system_errno, "{}: the folder {}", path, output->folder_path_);
  output->folder_ = std::move(*folder);
  if (auto replaceable = output->CheckReplaceable(); !replaceable) return Propagate(std::move(replaceable));
  return output;
}

Result<std::unique_ptr<OutputFile>> OutputFile::Create(const std::string& path, bool replace) {
  auto output = Prepare(path, replace);
  if (!output) return output;
  if (!(*output)->MakeUnnamed())
    if (auto made = (*output)->MakeNamed(); !made) return Propagate(std::move(made));
  if ((*output)->replaced_.is_open()) (*output)->TakeAccessOfReplaced();
  return output;
}

Result<std::unique_ptr<OutputFile>> OutputFile::Resume(const std::string& path, bool replace, const std::string& tag) {
  auto output = Prepare(path, replace);
  if (!output) return output;
  OutputFile& own = **output;
  // How a file gets its name is tried with an empty one, since what was begun must keep the name that it is found by.
  if (auto made = own.MakeNamed(); !made) return Propagate(std::move(made));
  struct stat trial{};
  if (fstat(own.file_.fd(), &trial) != 0) return SystemError(errno, "{}", path);
  unlinkat(own.folder_.fd(), own.temporary_name_.c_str(), 0);
  own.has_temporary_name_ = false;
  own.temporary_name_ = UnfinishedNameOf(own.name_, tag);
  if (auto opened = own.OpenBegun(trial.st_uid); !opened) return Propagate(std::move(opened));
  if (own.replaced_.is_open()) own.TakeAccessOfReplaced();
  return output;
}

OutputFile::~OutputFile() {
  if (has_temporary_name_ && !is_kept_) unlinkat(folder_.fd(), temporary_name_.c_str(), 0);
}

Result<void> OutputFile::CheckReplaceable() {
  if (name_.empty()) return Refuse(EISDIR, "{}: names a directory; name a file in it", path_);
  struct statx status{};
  if (statx(folder_.fd(), name_.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) != 0) {
    if (errno == ENOENT) return {};
    return SystemError(errno, "{}", path_);
  }
  if (S_ISDIR(status.stx_mode)) return Refuse(EISDIR, "{}: is a directory; name a file in it", path_);
  if (!S_ISREG(status.stx_mode)) return NotRegular(path_);
  if (!replace_) return SystemError(EEXIST, "{} (--force replaces it)", path_);
  if ((status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
    return Refuse(EBUSY, "{}: is a mount point, which cannot be replaced; mount its folder instead, or name another",
                  path_);
  // For a file that may be removed rmdir(2) says that it is no directory. Otherwise it says why not: a sticky folder of
  // another user, an immutable file.
  if (unlinkat(folder_.fd(), name_.c_str(), AT_REMOVEDIR) != 0 &&
      (errno == EACCES || errno == EPERM || errno == EROFS || errno == EBUSY))
    return SystemError(errno, "{}: replacing it", path_);
  replaced_ = File(openat(folder_.fd(), name_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return {};
}

void OutputFile::TakeAccessOfReplaced() const {
  struct stat before{};
  if (fstat(replaced_.fd(), &before) != 0) return;
  bool has_group = fchown(file_.fd(), before.st_uid, before.st_gid) == 0 ||
                   fchown(file_.fd(), static_cast<uid_t>(-1), before.st_gid) == 0;
  // With an access list the bits of the group are its mask (acl(5)), and mean more without it. A new file may have one
  // of its own, which the folder gave it.
  std::array<char, XATTR_SIZE_MAX> list;
  const ssize_t bytes = getxattr(ProcPath(replaced_.fd()).c_str(), kAccessList, list.data(), list.size());
  if (bytes >= 0)
    has_group &= fsetxattr(file_.fd(), kAccessList, list.data(), static_cast<size_t>(bytes), 0) == 0;
  else if (errno == ENODATA)
    fremovexattr(file_.fd(), kAccessList);
  else
    has_group &= errno == ENOTSUP;
  mode_t mode = before.st_mode & 0777;
  if (!has_group) {
    // Who was of the group is one of the others now, and the other way round.
    const mode_t both = mode & mode >> 3 & 07;
    mode = (mode & 0700) | both << 3 | both;
  }
  fchmod(file_.fd(), mode);
}

// Whether the file could be made without a name, and can have one later.
bool OutputFile::MakeUnnamed() {
  const auto make = [&] {
    File file(openat(folder_.fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FirstMode()));
    if (file.is_open()) MarkAlive(file);  // it has a temporary name for moments
    return file;
  };
  file_ = make();
  if (!file_.is_open() || access(ProcPath(file_.fd()).c_str(), F_OK) != 0) return false;
  if (!IsServedByOthers(file_)) return true;
  File unfinished = std::exchange(file_, make());
  const bool can_be_named =
      file_.is_open() && Link(temporary_name_) && unlinkat(folder_.fd(), temporary_name_.c_str(), 0) == 0;
  file_ = std::move(unfinished);
  return can_be_named;
}

Result<void> OutputFile::MakeNamed() {
  while (true) {
    file_ = File(openat(folder_.fd(), temporary_name_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, FirstMode()));
    if (file_.is_open() && MarkAlive(file_) &&
        faccessat(folder_.fd(), temporary_name_.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
      break;  // else it was taken for a leftover before it was locked
    if (!file_.is_open() && errno != EEXIST)
      return SystemError(errno, "{}: making a file in its folder, {}", path_, folder_path_);
    temporary_name_ = TemporaryNameFor(name_);
  }
  has_temporary_name_ = true;
  return ChooseNaming();
}

// The first way that works from one temporary name to another.
Result<void> OutputFile::ChooseNaming() {
  using enum Naming;
  const std::string other = TemporaryNameFor(name_);
  for (const Naming naming : {kRenameNoReplace, kLink, kClaim, kRename}) {
    if (replace_ != (naming == kRename) || !Move(naming, temporary_name_, other)) continue;
    temporary_name_ = other;
    naming_ = naming;
    return {};
  }
  return Refuse(errno, "{}: a finished file could not get its name in {} ({}); name a file on another file system",
                path_, folder_path_, std::generic_category().message(errno));
}

// Until the file that is locked is the one that has the name: another process may finish it, or give it up, in between.
Result<void> OutputFile::OpenBegun(uid_t own) {
  const char* const name = temporary_name_.c_str();
  while (true) {
    file_ = File(openat(folder_.fd(), name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, FirstMode()));
    was_begun_ = !file_.is_open() && errno == EEXIST;
    if (was_begun_) file_ = File(openat(folder_.fd(), name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file_.is_open() && errno == ENOENT && was_begun_) continue;
    if (!file_.is_open()) return SystemError(errno, "{}: the unfinished file {}/{}", path_, folder_path_, name);
    if (!MarkAlive(file_))
      return Refuse(EWOULDBLOCK, "{}: another process is making it now; wait until that one has ended", path_);
    struct stat opened{};
    struct stat named{};
    if (fstat(file_.fd(), &opened) != 0) return SystemError(errno, "{}", path_);
    if (fstatat(folder_.fd(), name, &named, AT_SYMLINK_NOFOLLOW) != 0 || named.st_dev != opened.st_dev ||
        named.st_ino != opened.st_ino)
      continue;
    if (auto checked = CheckBegun(opened, own); !checked) return checked;
    if (opened.st_nlink == 1) break;
    unlinkat(folder_.fd(), name, 0);  // its process died between link(2) and unlink(2): it is finished
  }
  has_temporary_name_ = true;
  is_kept_ = was_begun_;
  return {};
}

// What others put there could be read by them, or be a second name of a file that is not to be changed.
Result<void> OutputFile::CheckBegun(const struct stat& begun, uid_t own) const {
  struct stat finished{};
  const bool is_finished = fstatat(folder_.fd(), name_.c_str(), &finished, AT_SYMLINK_NOFOLLOW) == 0 &&
                           finished.st_dev == begun.st_dev && finished.st_ino == begun.st_ino;
  if (S_ISREG(begun.st_mode) && begun.st_uid == own && (begun.st_nlink == 1 || is_finished)) return {};
  return Refuse(EEXIST, "{}: {}/{} stands there, which is not an unfinished file of this user alone; remove it", path_,
                folder_path_, temporary_name_);
}

// Names the unnamed file, unless the name is there. False with errno.
bool OutputFile::Link(const std::string& to) const {
  return linkat(AT_FDCWD, ProcPath(file_.fd()).c_str(), folder_.fd(), to.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

// False with errno.
bool OutputFile::Move(Naming naming, const std::string& from, const std::string& to) const {
  const int folder = folder_.fd();
  switch (naming) {
    case Naming::kRename:
      break;
    case Naming::kRenameNoReplace:
      return renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0;
    case Naming::kLink:
      return linkat(folder, from.c_str(), folder, to.c_str(), 0) == 0 && unlinkat(folder, from.c_str(), 0) == 0;
    case Naming::kClaim:
      if (!File(openat(folder, to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666)).is_open()) return false;
  }
  if (renameat(folder, from.c_str(), folder, to.c_str()) == 0) return true;
  const int error_number = errno;
  if (naming == Naming::kClaim) unlinkat(folder, to.c_str(), 0);
  errno = error_number;
  return false;
}

// False with errno. link(2) does not replace, so a replacement has the temporary name between the two calls.
bool OutputFile::Name() {
  if (!has_temporary_name_) {
    if (!replace_) return Link(name_);
    if (!Link(temporary_name_)) return false;
    has_temporary_name_ = true;
  }
  struct stat status{};
  if (replace_ && fstatat(folder_.fd(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(status.st_mode)) {
    errno = EEXIST;  // it became something else meanwhile
    return false;
  }
  if (!Move(naming_, temporary_name_, name_)) return false;
  has_temporary_name_ = false;
  return true;
}

std::unexpected<Error> OutputFile::Keep(int error_number) {
  if (!has_temporary_name_ && !Link(temporary_name_)) return SystemError(error_number, "naming the finished file");
  has_temporary_name_ = false;
  return Refuse(error_number, "naming the finished file: {}; it is kept as {}/{}",
                std::generic_category().message(error_number), folder_path_, temporary_name_);
}

Result<void> OutputFile::SyncFolder() const {
  const File folder(openat(folder_.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.is_open() && fsync(folder.fd()) == 0) return {};
  // A folder closed to reading, or a file system that syncs no folders by themselves.
  if ((errno == EACCES || errno == EINVAL) && syncfs(file_.fd()) == 0) return {};
  return SystemError(errno, "{}: fsync", folder_path_);
}

Result<void> OutputFile::Commit() {
  if (!Name()) return Keep(errno);
  return SyncFolder();
}

}  // namespace quire
