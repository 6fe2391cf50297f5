// SPDX-License-Identifier: Apache-2.0
// What the entry of a source tree has beside its mode and owner: extended attributes, access lists, labels and
// capabilities.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "format/result.h"

namespace quire {

// The attribute that holds the access list of a file (acl(5)).
inline constexpr const char* kAccessList = "system.posix_acl_access";

using Xattrs = std::map<std::string, std::string>;  // values by name

struct SourceAttributes {
  Xattrs xattrs;  // those of user.*
  // What a pack does not keep.
  bool has_access_list = false;
  bool has_label = false;  // of SELinux or Smack
  bool has_capability = false;
  bool has_other = false;               // trusted.*, and what else is called security.*
  std::optional<uint32_t> most_access;  // 0777: no mode of an entry with this access list may allow more
};

// Of the entry at `path`, a symlink not followed. Nothing where the file system has no extended attributes.
Result<SourceAttributes> ReadSourceAttributes(const std::string& path);

// The permission bits by which nobody may do more than by `list`, the value of a system.posix_acl_access: stat(2) shows
// the list's mask in place of the group's own permissions, and knows nothing of users and groups whom the list names in
// order to give them less than others. Nothing where it is no such list.
std::optional<uint32_t> ModeOfAccessList(std::span<const std::byte> list);

}  // namespace quire
