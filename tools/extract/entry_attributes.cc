// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/entry_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace quire {
namespace {

constexpr unsigned kPermissions = 0777;

std::string Reason(int failed) { return std::generic_category().message(failed); }

std::array<timespec, 2> Times(const Node& node) { return {DecodeMtime(node.mtime), DecodeMtime(node.mtime)}; }

}  // namespace

AttributeSetter::AttributeSetter(const Index& index, const AttributePolicy& policy) : index_(index), policy_(policy) {}

unsigned AttributeSetter::WantedMode(const Attributes& attributes) const {
  return policy_.all_modes ? attributes.mode : attributes.mode & kPermissions & ~policy_.umask;
}

unsigned AttributeSetter::FileMode(const Attributes& attributes) const {
  // Extended attributes can be set while the mode lets the owner write, whatever the descriptor may do.
  return attributes.xattr_bytes > 0 ? 0600 : WantedMode(attributes) & kPermissions;
}

Result<void> AttributeSetter::SetXattrs(const File& file, NodeNumber place, const Attributes& attributes) {
  if (attributes.xattr_bytes == 0) return {};
  int failed = 0;
  std::string failed_name;
  auto listed = index_.ForEachXattr(attributes, [&](const Xattr& xattr) {
    const std::string name(xattr.name);
    if (fsetxattr(file.fd(), name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0 && failed == 0) {
      failed = errno;
      failed_name = name;
    }
    return true;
  });
  if (failed != 0) Refuse(Refused::kXattr, place, fmt::format("{}: {}", failed_name, Reason(failed)));
  return listed;
}

// What is right already costs no call: an owner that root does not change, a mode that the file was made with.
void AttributeSetter::SetOwnerAndMode(const File& file, NodeNumber place, const Attributes& attributes, unsigned mode) {
  struct stat now{};
  if (fstat(file.fd(), &now) != 0) return Refuse(Refused::kMode, place, Reason(errno));
  if (policy_.owners && (now.st_uid != attributes.uid || now.st_gid != attributes.gid)) {
    if (fchown(file.fd(), attributes.uid, attributes.gid) != 0) {
      Refuse(Refused::kOwner, place, Reason(errno));
    } else {
      now.st_uid = attributes.uid;
      now.st_gid = attributes.gid;
      now.st_mode &= ~(S_ISUID | S_ISGID);  // as chown(2) may have done
    }
  }
  // A program runs as its owner only where that is the owner it was made for.
  if (now.st_uid != attributes.uid) mode &= ~S_ISUID;
  if (now.st_gid != attributes.gid) mode &= ~S_ISGID;
  const bool may_have_set_id = S_ISDIR(now.st_mode);  // chown(2) leaves those of folders
  if ((now.st_mode & 07777) == mode && !may_have_set_id) return;
  if (fchmod(file.fd(), mode) != 0) Refuse(Refused::kMode, place, Reason(errno));
}

void AttributeSetter::SetTimes(const File& file, NodeNumber place, const Node& node) {
  const auto times = Times(node);
  if (futimens(file.fd(), times.data()) == 0) return;
  // A folder that nobody may read is open as a place only.
  if (errno == EBADF && utimensat(AT_FDCWD, ProcPath(file.fd()).c_str(), times.data(), 0) == 0) return;
  Refuse(Refused::kTime, place, Reason(errno));
}

Result<void> AttributeSetter::SetAll(const File& file, NodeNumber place, const Node& node,
                                     const Attributes& attributes) {
  if (auto set = SetXattrs(file, place, attributes); !set) return set;
  SetOwnerAndMode(file, place, attributes, WantedMode(attributes));
  SetTimes(file, place, node);
  return {};
}

void AttributeSetter::SetSymlink(const File& folder, const std::string& name, NodeNumber place, const Node& node,
                                 const Attributes& attributes) {
  const int fd = folder.fd();
  if (policy_.owners && fchownat(fd, name.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) != 0)
    Refuse(Refused::kOwner, place, Reason(errno));
  if (utimensat(fd, name.c_str(), Times(node).data(), AT_SYMLINK_NOFOLLOW) != 0)
    Refuse(Refused::kTime, place, Reason(errno));
}

void AttributeSetter::Refuse(Refused kind, NodeNumber place, std::string reason) {
  const MutexLock lock(mutex_);
  Refusals& refusals = refusals_[static_cast<size_t>(kind)];
  if (refusals.entries++ > 0) return;
  refusals.first = place;
  refusals.reason = std::move(reason);
}

Refusals AttributeSetter::refusals(Refused kind) const {
  const MutexLock lock(mutex_);
  return refusals_[static_cast<size_t>(kind)];
}

}  // namespace quire
