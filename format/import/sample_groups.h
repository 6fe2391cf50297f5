// SPDX-License-Identifier: Apache-2.0
// Looks at members of shards as WebDataset does, which makes a sample of those that follow each other in a shard and
// have one key: their path up to the first dot of its last name. Names what would not become one whole sample there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/import/member_tree.h"

namespace quire {

// Works over the tree, in which the names of a key stand together: memory is some 60 bytes a folder. Not thread-safe.
class SampleGroups {
 public:
  struct Shard {
    std::string path;  // for messages
    std::string top;   // its folder in the tree, "" for none
  };
  // `shard`: its path, or empty where several have to do with it. `member`: a key, or the path of a member.
  using OnFault = std::function<void(const std::string& shard, std::string_view member, std::string_view reason)>;

  // `shards`: of volume 1 and up. `tree` outlives this.
  SampleGroups(const MemberTree& tree, std::vector<Shard> shards, OnFault on_fault);

  // Tells of each key whose members stand in several shards or apart from each other in one, and of each file whose
  // name makes no key. Folders and links are none of WebDataset's. REQUIRES: the tree is finished, and ForEachFile was
  // not called.
  void Check();

 private:
  // Of the members of a key in one shard: the first and the last of them in the order of the tree's entries.
  struct Place {
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t count = 0;
  };

  // Of folders that have one path in their shards.
  void CheckFolders(std::span<const uint64_t> folders);
  void AddFile(uint64_t entry);
  void AddFolder(uint64_t entry);
  void EndKey();
  [[nodiscard]] bool StandTogether(const Place& place) const;
  [[nodiscard]] std::string PathOf(std::string_view name) const;
  [[nodiscard]] const std::string& ShardOf(uint16_t volume) const { return shards_[volume - 1].path; }

  const MemberTree& tree_;
  const std::vector<Shard> shards_;
  const OnFault on_fault_;
  std::vector<std::vector<uint64_t>> waiting_;  // folders that are still to be checked
  uint64_t folder_ = 0;                         // the first of those that are checked now
  std::string_view last_folder_name_;           // whose folders are the last of waiting_
  std::string_view key_;                        // in folder_; empty before the first
  std::map<uint16_t, Place> places_;            // of the key, by volume
};

}  // namespace quire
