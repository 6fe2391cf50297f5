// SPDX-License-Identifier: Apache-2.0
#include "format/write/source_attributes.h"

#include <linux/limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "format/coding.h"
#include "format/pack/geometry.h"

namespace quire {
namespace {

Result<std::string> ReadValue(const std::string& path, const std::string& name) {
  std::string value(XATTR_SIZE_MAX, '\0');
  const ssize_t got = lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (got < 0) return SystemError(errno, "getxattr {}", name);
  value.resize(static_cast<size_t>(got));
  return value;
}

bool IsAccessList(std::string_view name) {
  return name == kAccessList || name == "system.posix_acl_default" || name == "system.nfs4_acl" ||
         name == "system.richacl";
}

}  // namespace

Result<SourceAttributes> ReadSourceAttributes(const std::string& path) {
  std::string names(1024, '\0');
  ssize_t bytes = 0;
  while ((bytes = llistxattr(path.c_str(), names.data(), names.size())) < 0 && errno == ERANGE)
    names.resize(names.size() * 8);
  SourceAttributes attributes;
  if (bytes < 0) {
    const int error = errno;
    if (error == ENOTSUP) return attributes;
    if (error == ENOENT && path.starts_with("/proc/") && access("/proc/self/fd", F_OK) != 0)
      return MakeError(ErrorCode::kSystem, "extended attributes cannot be read, since /proc is not mounted");
    return SystemError(error, "listxattr");
  }
  uint64_t list_bytes = 0;  // as a pack has them
  for (size_t at = 0; at < static_cast<size_t>(bytes);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (name.starts_with("user.")) {
      auto value = ReadValue(path, name);
      if (!value) return Propagate(std::move(value));
      list_bytes += kXattrHeaderBytes + name.size() + value->size();
      if (list_bytes > kMaxXattrListBytes)
        return MakeError(ErrorCode::kUnreadable, "extended attributes of more than {} MiB", kMaxXattrListBytes >> 20);
      attributes.xattrs.emplace(name, std::move(*value));
    }
    attributes.has_access_list |= IsAccessList(name);
    const bool is_label = name == "security.selinux" || name.starts_with("security.SMACK64");
    const bool is_capability = name == "security.capability";
    attributes.has_label |= is_label;
    attributes.has_capability |= is_capability;
    // File systems show other namespaces of their own, ceph.* say, in which nothing was stored.
    attributes.has_other |=
        name.starts_with("trusted.") || (name.starts_with("security.") && !is_label && !is_capability);
    if (name != kAccessList) continue;
    const auto list = ReadValue(path, name);
    if (!list) return std::unexpected(list.error());
    attributes.most_access = ModeOfAccessList(AsBytes(*list));
  }
  return attributes;
}

std::optional<uint32_t> ModeOfAccessList(std::span<const std::byte> list) {
  constexpr size_t kHeaderBytes = sizeof(posix_acl_xattr_header);
  constexpr size_t kEntryBytes = sizeof(posix_acl_xattr_entry);
  constexpr uint32_t kAll = 7;
  if (list.size() < kHeaderBytes || (list.size() - kHeaderBytes) % kEntryBytes != 0 ||
      LoadUint<4>(list, 0) != POSIX_ACL_XATTR_VERSION)
    return std::nullopt;
  uint32_t owner = 0;
  uint32_t group = 0;
  uint32_t others = 0;
  uint32_t mask = kAll;
  std::optional<uint32_t> users;   // what every named user may do, before the mask
  std::optional<uint32_t> groups;  // what every named group may do
  for (size_t at = kHeaderBytes; at < list.size(); at += kEntryBytes) {
    const auto access = static_cast<uint32_t>(LoadUint<2>(list, at + offsetof(posix_acl_xattr_entry, e_perm))) & kAll;
    switch (LoadUint<2>(list, at + offsetof(posix_acl_xattr_entry, e_tag))) {
      case ACL_USER_OBJ:
        owner = access;
        break;
      case ACL_GROUP_OBJ:
        group = access;
        break;
      case ACL_OTHER:
        others = access;
        break;
      case ACL_MASK:
        mask = access;
        break;
      case ACL_USER:
        users = users.value_or(kAll) & access;
        break;
      case ACL_GROUP:
        groups = groups.value_or(kAll) & access;
        break;
      default:
        return std::nullopt;
    }
  }
  // A named user who is in the owning group is given the user's entry, and is one of the others without the list. A
  // member of a named group may be in the owning group too, and then has the access of either.
  if (users) group &= *users & mask;
  if (users) others &= *users & mask;
  if (groups) others &= *groups & mask;
  return owner << 6 | (group & mask) << 3 | others;
}

}  // namespace quire
