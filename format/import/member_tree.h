// SPDX-License-Identifier: Apache-2.0
// The tree that the members of archives make, as `tar x` would make it of them: members come in any order, twice, and
// without their folders. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/import/archive.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/resident_limit.h"
#include "format/write/spool.h"

namespace quire {

class MemberTree {
 public:
  // `tables` must outlive it. What is large is spooled to `spool_folder`, and of spools and tables little more than
  // ResidentLimit says stays resident, where the members of a folder stand together in their archive. Other memory is
  // 16 bytes a folder. `on_fault` is told of each member that has no place in a tree, and why.
  MemberTree(IndexTables& tables, const std::string& spool_folder, ArchiveReader::OnFault on_fault);

  // A member of the archive that is `volume`. Its path begins in the folder `top`, a path without '.' and '..'.
  // A path that is named again has the later member, and one that other members need as a folder is a folder. A folder
  // that no member names has the owner and the time of the first member in it.
  // `made`: the number of its content, which grows from file to file; none where it has no content.
  Result<void> Add(const Member& member, uint16_t volume, std::string_view top, std::optional<uint64_t> made = {});

  // Puts all into `tables`: directories, nodes without content, names. REQUIRES: nothing is added later.
  Result<void> Finish();

  // A file that the tree has, with all its names.
  struct Content {
    NodeNumber node = 0;
    uint16_t volume = 0;
    uint64_t size_bytes = 0;
    std::span<const MemberRun> runs = {};
    uint64_t crc32 = kUnknownCrc32;
    Codec codec = Codec::kStored;
    std::optional<ExtentNumber> made = {};  // the extent of its content
  };
  // Calls `place` for each file that has content, in the order of Add, with the number of that. It returns the extent
  // that the content has. REQUIRES: Finish.
  Result<void> PlaceMade(const std::function<Result<ExtentNumber>(NodeNumber node, uint64_t made)>& place);
  // Calls `visit` for each file that has bytes, in the order of their volumes and places, and of Add where one place is
  // that of several. REQUIRES: Finish, and PlaceMade where there is content.
  Result<void> ForEachFile(const std::function<Result<void>(const Content&)>& visit);

  // So many members were added, those with faults too.
  [[nodiscard]] uint64_t members() const { return members_; }

 private:
  friend class SampleGroups;  // which goes through the folders of a finished tree

  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  // A member, or a folder that some member needs.
  struct Entry {
    uint64_t folder = kNone;   // that it lies in; kNone of the root
    uint64_t name_offset = 0;  // in texts_
    uint64_t mtime = 0;
    uint64_t size_bytes = 0;
    uint64_t first = 0;     // folder: its number; file: its first run; symlink, hard link: where the target begins
    uint64_t node = kNone;  // once it has one
    uint32_t crc32 = 0;
    uint64_t made = kNone;  // the number of its content, and then the extent of that
    uint32_t attributes = 0;
    uint32_t count = 0;  // of runs, or of bytes of the target
    uint32_t names = 0;  // that the tree has for it
    uint16_t volume = 0;
    uint8_t name_bytes = 0;
    MemberKind kind = MemberKind::kFile;
    bool has_crc32 = false;
    bool is_deflated = false;
  };
  // The hash is kept, so that a table of folders that grows looks at none of their names.
  struct Folder {
    uint64_t entry = 0;
    uint64_t hash = 0;  // of its place and name
  };
  // What a hard link brings for the file that it names.
  struct Brought {
    uint64_t link = 0;  // the entry
    uint64_t size_bytes = 0;
    uint64_t first = 0;  // run
    uint32_t count = 0;
  };
  // In a folder; `key` orders names as far as it goes.
  struct Child {
    uint64_t key = 0;
    uint64_t entry = 0;
  };

  [[nodiscard]] std::string_view NameOf(const Entry& entry) const;
  [[nodiscard]] std::string PathOf(const Entry& entry) const;
  Result<uint64_t> AddText(std::string_view text);
  Result<uint64_t> AddEntry(uint64_t folder, std::string_view name, Entry entry);
  // The folder `name` in `folder`, kNone where there is none.
  [[nodiscard]] uint64_t FindFolder(uint64_t folder, std::string_view name) const;
  Result<uint64_t> MakeFolder(uint64_t folder, std::string_view name, const Entry& like);
  Result<uint64_t> MakeFolders(std::span<const std::string_view> names, const Entry& like);
  void PutIntoTable(uint64_t folder);
  [[nodiscard]] uint64_t HashOf(uint64_t folder, std::string_view name) const;

  // For loops over many entries: keeps what is resident bounded.
  void LimitResident() const;
  Result<void> SortChildren();
  void SortFolder(std::span<Child> children) const;
  [[nodiscard]] std::span<Child> ChildrenOf(uint64_t folder);
  [[nodiscard]] std::span<const Child> ChildrenOf(uint64_t folder) const;
  // The entry whose content a hard link names, kNone where there is none.
  [[nodiscard]] uint64_t FindLinked(uint64_t link);
  void ResolveLinks();
  Result<void> KeepBytesOf(const Member& link, uint64_t number);
  // Of children with one name, the one that the tree has.
  uint64_t Choose(std::span<const Child> same_name);
  Result<void> AddNodes();
  Result<void> AddNode(uint64_t number);
  Result<void> AddFurtherNames();

  IndexTables& tables_;
  const ArchiveReader::OnFault on_fault_;
  mutable ResidentLimit resident_;
  Spool<Entry> entries_;
  Spool<char> texts_;  // names, and targets of links
  Spool<MemberRun> runs_;
  Spool<Brought> brought_;
  Spool<Folder> folders_;
  std::vector<uint64_t> table_;   // folders by the hash of their place and name, open addressing; kNone: free
  Spool<Child> children_;         // those of a folder stand together, once sorted
  std::vector<uint64_t> begins_;  // by folder: its first child; and the end of all
  std::vector<uint64_t> queue_;   // folders in the order of their nodes
  std::string last_top_;          // where the last member lies: its archive's folder, its own in that,
  std::string last_parent_;       // and the number of both together
  uint64_t last_folder_ = 0;
  uint64_t members_ = 0;
};

}  // namespace quire
