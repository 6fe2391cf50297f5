// SPDX-License-Identifier: Apache-2.0
#include "format/growth/listed_nodes.h"

#include <vector>

namespace quire {

Result<bool> ListedNodes::Has(NodeNumber number) {
  std::vector<NodeNumber> way;
  bool is_listed = true;
  for (NodeNumber at = number; at != 0 && is_listed;) {
    if (const auto known = directories_.find(at); known != directories_.end()) {
      is_listed = known->second;
      break;
    }
    way.push_back(at);
    const auto parent = index_.GetParent(at);
    const auto folder = parent ? index_.GetNode(*parent) : std::unexpected(parent.error());
    const auto directory = folder ? index_.GetDirectory(folder->content) : std::unexpected(folder.error());
    const auto own = directory ? index_.GetNode(at) : std::unexpected(directory.error());
    const auto name = own ? index_.GetName(*own) : std::unexpected(own.error());
    if (!name) return std::unexpected(name.error());
    const auto found = index_.Lookup(*directory, *name);
    if (!found) return std::unexpected(found.error());
    is_listed = *found == at && (removed_ == nullptr || !removed_->contains(at));
    at = *parent;
  }
  // The answer is that of the last step: below a directory that is not listed nothing is, and else all of them are.
  for (size_t i = 1; i < way.size(); ++i) directories_[way[i]] = is_listed;
  return is_listed;
}

}  // namespace quire
