// SPDX-License-Identifier: Apache-2.0
#include "format/import/member_tree.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <tuple>
#include <utility>

#include "format/checksum.h"
#include "format/pack/entry_path.h"
#include "format/pack/index.h"

namespace quire {
namespace {

// Of a folder that no member names.
constexpr uint32_t kFolderMode = 0755;
constexpr uint64_t kLeastTable = 1024;

// The names that `path` is made of, without what says nothing. An error says why no tree has such a path.
Result<void> SplitMemberPath(std::string_view path, std::vector<std::string_view>& names) {
  size_t bytes = 0;
  for (const std::string_view name : names) bytes = PathBytesBelow(bytes, name.size());
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return Invalid("its path leads through '..'");
    if (const auto fault = FaultOfName(name)) return Invalid("a name in its path {}", *fault);
    names.push_back(name);
    bytes = PathBytesBelow(bytes, name.size());
    if (bytes > kMaxPathBytes) return Invalid("its path is longer than {} bytes", kMaxPathBytes);
  }
  return {};
}

// The first eight bytes, in an order that integers have too. Names have no NUL, so a shorter one goes first.
uint64_t KeyOf(std::string_view text) {
  std::array<unsigned char, 8> bytes = {};
  std::memcpy(bytes.data(), text.data(), std::min(text.size(), bytes.size()));
  uint64_t key = 0;
  for (const unsigned char byte : bytes) key = key << 8 | byte;
  return key;
}

}  // namespace

MemberTree::MemberTree(IndexTables& tables, const std::string& spool_folder, ArchiveReader::OnFault on_fault)
    : tables_(tables),
      on_fault_(std::move(on_fault)),
      entries_(spool_folder),
      texts_(spool_folder),
      runs_(spool_folder),
      brought_(spool_folder),
      folders_(spool_folder),
      table_(kLeastTable, kNone),
      children_(spool_folder) {}

void MemberTree::LimitResident() const {
  if (!resident_.IsReached()) return;
  tables_.LetGo();
  entries_.LetGo();
  texts_.LetGo();
  runs_.LetGo();
  folders_.LetGo();
  children_.LetGo();
}

std::string_view MemberTree::NameOf(const Entry& entry) const {
  LimitResident();  // every loop over all entries that is not sequential looks at names
  return {texts_.span().data() + entry.name_offset, entry.name_bytes};
}

std::string MemberTree::PathOf(const Entry& entry) const {
  std::vector<std::string_view> upwards;
  for (const Entry* at = &entry; at->folder != kNone; at = &entries_[folders_[at->folder].entry])
    upwards.push_back(NameOf(*at));
  return JoinUpwards(upwards);
}

Result<uint64_t> MemberTree::AddText(std::string_view text) {
  const uint64_t offset = texts_.size();
  if (auto added = texts_.Append(std::span(text)); !added) return Propagate(std::move(added));
  return offset;
}

Result<uint64_t> MemberTree::AddEntry(uint64_t folder, std::string_view name, Entry entry) {
  const auto offset = AddText(name);
  if (!offset) return std::unexpected(offset.error());
  entry.folder = folder;
  entry.name_offset = *offset;
  entry.name_bytes = static_cast<uint8_t>(name.size());
  if (auto added = entries_.Append(entry); !added) return Propagate(std::move(added));
  return entries_.size() - 1;
}

uint64_t MemberTree::HashOf(uint64_t folder, std::string_view name) const {
  return Xxh3(std::as_bytes(std::span(name))) ^ (folder + 1) * 0x9E3779B97F4A7C15;  // 2^64 / golden ratio: spreads
}

uint64_t MemberTree::FindFolder(uint64_t folder, std::string_view name) const {
  const uint64_t hash = HashOf(folder, name);
  for (uint64_t at = hash;; ++at) {
    const uint64_t found = table_[at % table_.size()];
    if (found == kNone) return kNone;
    if (folders_[found].hash != hash) continue;
    const Entry& entry = entries_[folders_[found].entry];
    if (entry.folder == folder && NameOf(entry) == name) return found;
  }
}

void MemberTree::PutIntoTable(uint64_t folder) {
  uint64_t at = folders_[folder].hash % table_.size();
  while (table_[at] != kNone) at = (at + 1) % table_.size();
  table_[at] = folder;
}

Result<uint64_t> MemberTree::MakeFolder(uint64_t folder, std::string_view name, const Entry& like) {
  const uint64_t number = folders_.size();
  Entry entry{.mtime = like.mtime, .first = number, .volume = like.volume, .kind = MemberKind::kDirectory};
  Attributes attributes = tables_.attributes[like.attributes];
  const auto own =
      tables_.InternAttributes({.mode = kFolderMode, .uid = attributes.uid, .gid = attributes.gid, .nlink = 1});
  if (!own) return std::unexpected(own.error());
  entry.attributes = *own;
  const auto added = AddEntry(folder, name, entry);
  if (!added) return added;
  if (auto kept = folders_.Append({.entry = *added, .hash = HashOf(folder, name)}); !kept)
    return Propagate(std::move(kept));
  if (folder == kNone) return number;  // nobody looks for the root
  if (2 * folders_.size() > table_.size()) {
    table_.assign(2 * table_.size(), kNone);
    for (uint64_t other = 1; other < number; ++other) PutIntoTable(other);
  }
  PutIntoTable(number);
  return number;
}

Result<uint64_t> MemberTree::MakeFolders(std::span<const std::string_view> names, const Entry& like) {
  if (folders_.empty())
    if (auto root = MakeFolder(kNone, "", like); !root) return root;
  uint64_t folder = 0;
  for (const std::string_view name : names) {
    uint64_t next = FindFolder(folder, name);
    if (next == kNone) {
      const auto made = MakeFolder(folder, name, like);
      if (!made) return made;
      next = *made;
    }
    folder = next;
  }
  return folder;
}

Result<void> MemberTree::Add(const Member& member, uint16_t volume, std::string_view top,
                             std::optional<uint64_t> made) {
  ++members_;
  LimitResident();
  std::vector<std::string_view> names;
  if (auto split = SplitMemberPath(top, names); !split) return split;
  if (auto split = SplitMemberPath(member.path, names); !split) {
    on_fault_(member.path, split.error().message);
    return {};
  }
  // Of symlinks archives tell different modes, which mean nothing.
  const uint32_t mode = member.kind == MemberKind::kSymlink ? 0777 : member.mode & 07777;
  Attributes attributes{.mode = mode, .uid = member.uid, .gid = member.gid, .nlink = 1};
  if (auto interned = tables_.InternXattrs(member.xattrs, attributes); !interned) return interned;
  const auto number = tables_.InternAttributes(attributes);
  if (!number) return std::unexpected(number.error());
  Entry entry{.mtime = member.mtime, .attributes = *number, .volume = volume, .kind = member.kind};

  if (member.kind == MemberKind::kDirectory) {
    const auto folder = MakeFolders(names, entry);
    if (!folder) return std::unexpected(folder.error());
    Entry& own = entries_[folders_[*folder].entry];
    own.mtime = entry.mtime;
    own.attributes = entry.attributes;
    return {};
  }
  if (names.empty()) {
    on_fault_(member.path, "it has no name");
    return {};
  }
  if (member.kind == MemberKind::kFile) {
    entry.size_bytes = member.size_bytes;
    entry.is_deflated = member.codec == Codec::kDeflate;
    entry.has_crc32 = member.crc32.has_value();
    entry.crc32 = member.crc32.value_or(0);
    if (made) entry.made = *made;
    entry.first = runs_.size();
    entry.count = static_cast<uint32_t>(member.runs.size());
    if (auto added = runs_.Append(std::span(member.runs)); !added) return added;
  } else {
    const bool is_too_long = member.target.size() > kMaxTargetBytes;
    if (member.target.empty() || is_too_long || member.target.find('\0') != std::string::npos) {
      on_fault_(member.path, is_too_long ? "its target is longer than 4095 bytes" : "its target is no path");
      return {};
    }
    std::string target = member.target;
    if (member.kind == MemberKind::kHardLink && !top.empty()) target = fmt::format("{}/{}", top, target);
    const auto first = AddText(target);
    if (!first) return std::unexpected(first.error());
    entry.first = *first;
    entry.count = static_cast<uint32_t>(target.size());
    entry.size_bytes = target.size();
  }
  const std::string_view name = names.back();
  names.pop_back();
  // Most members lie in the folder of the one before.
  const std::string_view path = member.path;
  const size_t parent_bytes = path.rfind('/') + 1;
  const bool is_plain = path.substr(parent_bytes) == name;
  if (folders_.empty() || !is_plain || top != last_top_ || path.substr(0, parent_bytes) != last_parent_) {
    const auto folder = MakeFolders(names, entry);
    if (!folder) return std::unexpected(folder.error());
    last_folder_ = *folder;
    last_top_ = top;
    last_parent_ = is_plain ? path.substr(0, parent_bytes) : "\n";  // which ends no folder's path
  }
  const auto added = AddEntry(last_folder_, name, entry);
  if (!added) return std::unexpected(added.error());
  if (member.kind == MemberKind::kHardLink && member.size_bytes > 0) return KeepBytesOf(member, *added);
  return {};
}

// For the file that the link, entry `number`, names, which is known when all members are.
Result<void> MemberTree::KeepBytesOf(const Member& link, uint64_t number) {
  if (auto added = brought_.Append({.link = number,
                                    .size_bytes = link.size_bytes,
                                    .first = runs_.size(),
                                    .count = static_cast<uint32_t>(link.runs.size())});
      !added)
    return added;
  return runs_.Append(std::span(link.runs));
}

std::span<MemberTree::Child> MemberTree::ChildrenOf(uint64_t folder) {
  if (children_.empty()) return {};
  return std::span(&children_[0], children_.size()).subspan(begins_[folder], begins_[folder + 1] - begins_[folder]);
}

std::span<const MemberTree::Child> MemberTree::ChildrenOf(uint64_t folder) const {
  return children_.span().subspan(begins_[folder], begins_[folder + 1] - begins_[folder]);
}

Result<void> MemberTree::SortChildren() {
  begins_.assign(folders_.size() + 1, 0);
  for (const Entry& entry : entries_.span()) {
    LimitResident();
    if (entry.folder != kNone) ++begins_[entry.folder + 1];
  }
  for (uint64_t folder = 0; folder < folders_.size(); ++folder) begins_[folder + 1] += begins_[folder];
  for (uint64_t i = 0; i < begins_.back(); ++i) {
    LimitResident();
    if (auto added = children_.Append(Child()); !added) return added;
  }
  std::vector<uint64_t> next(begins_.begin(), begins_.end() - 1);
  for (uint64_t number = 0; number < entries_.size(); ++number) {
    LimitResident();
    if (entries_[number].folder != kNone) children_[next[entries_[number].folder]++].entry = number;
  }
  for (uint64_t folder = 0; folder < folders_.size(); ++folder) SortFolder(ChildrenOf(folder));
  return {};
}

// Names of a large folder often begin alike ("sample_000001.jpg") and lie anywhere in a spool that memory does not
// hold: what follows their common beginning is brought along, so that few of the names are looked at again.
void MemberTree::SortFolder(std::span<Child> children) const {
  const auto name_of = [&](const Child& child) { return NameOf(entries_[child.entry]); };
  const auto is_before = [&](const Child& a, const Child& b) {
    return std::pair(name_of(a), a.entry) < std::pair(name_of(b), b.entry);
  };
  if (children.empty() || std::ranges::is_sorted(children, is_before)) return;
  const std::string_view first = name_of(children.front());
  size_t common = first.size();
  for (const Child& child : children) {
    const auto [end, unused] = std::ranges::mismatch(first.substr(0, common), name_of(child));
    common = static_cast<size_t>(end - first.begin());
  }
  for (Child& child : children) child.key = KeyOf(name_of(child).substr(common));
  std::ranges::sort(children,
                    [&](const Child& a, const Child& b) { return a.key != b.key ? a.key < b.key : is_before(a, b); });
}

uint64_t MemberTree::FindLinked(uint64_t link) {
  const Entry& entry = entries_[link];
  std::vector<std::string_view> names;
  const std::string_view target(texts_.span().data() + entry.first, entry.count);
  if (!SplitMemberPath(target, names) || names.empty()) return kNone;
  const std::string_view name = names.back();
  names.pop_back();
  uint64_t folder = 0;
  for (const std::string_view above : names)
    if (folder = FindFolder(folder, above); folder == kNone) return kNone;
  // The latest of that name that stands before the link.
  const auto children = ChildrenOf(folder);
  const auto behind = std::ranges::upper_bound(children, std::pair(name, link), {}, [&](const Child& child) {
    return std::pair(NameOf(entries_[child.entry]), child.entry);
  });
  if (behind == children.begin()) return kNone;
  const Entry& found = entries_[std::prev(behind)->entry];
  if (NameOf(found) != name || std::prev(behind)->entry == link || found.kind == MemberKind::kDirectory) return kNone;
  return std::prev(behind)->entry;
}

// A hard link's `first` becomes the entry whose content it names. What it names stands before it, so a chain of links
// is known by then.
void MemberTree::ResolveLinks() {
  for (uint64_t number = 0; number < entries_.size(); ++number) {
    LimitResident();
    Entry& entry = entries_[number];
    if (entry.kind != MemberKind::kHardLink) continue;
    uint64_t linked = FindLinked(number);
    if (linked != kNone && entries_[linked].kind == MemberKind::kHardLink) linked = entries_[linked].first;
    if (linked == kNone) on_fault_(PathOf(entry), "it is a hard link to a member that does not stand before it");
    entry.first = linked;
  }
  for (const Brought& brought : brought_.span()) {
    const uint64_t linked = entries_[brought.link].first;
    if (linked == kNone || entries_[linked].kind != MemberKind::kFile) continue;
    Entry& file = entries_[linked];
    file.volume = entries_[brought.link].volume;
    file.size_bytes = brought.size_bytes;
    file.first = brought.first;
    file.count = brought.count;
    file.has_crc32 = false;
    file.is_deflated = false;
  }
}

uint64_t MemberTree::Choose(std::span<const Child> same_name) {
  const auto kind_of = [&](const Child& child) { return entries_[child.entry].kind; };
  if (const auto folder = std::ranges::find(same_name, MemberKind::kDirectory, kind_of); folder != same_name.end()) {
    if (same_name.size() > 1)
      on_fault_(PathOf(entries_[folder->entry]), "other members need it as a folder, so it is no file or link");
    return folder->entry;
  }
  uint64_t chosen = kNone;
  for (const Child& child : same_name) {
    const Entry& entry = entries_[child.entry];
    if (entry.kind == MemberKind::kHardLink && entry.first == kNone) continue;  // which was told
    if (chosen != kNone && entries_[chosen].volume != entry.volume)
      on_fault_(PathOf(entry), "it stands in several archives, and the last of them counts");
    chosen = child.entry;
  }
  return chosen;
}

Result<void> MemberTree::AddNode(uint64_t number) {
  Entry& entry = entries_[number];
  const uint64_t owner = entry.kind == MemberKind::kHardLink ? entry.first : number;
  Entry& content = entries_[owner];
  ++content.names;
  if (content.node != kNone) {
    auto added = tables_.AddNode({.kind = NodeKind::kHardLink, .content = content.node}, NameOf(entry));
    return added ? Result<void>() : Propagate(std::move(added));
  }
  Node node{.mtime = content.mtime, .size_bytes = content.size_bytes, .attributes = content.attributes};
  if (content.kind == MemberKind::kDirectory) {
    node.kind = NodeKind::kDirectory;
    node.size_bytes = kDirectorySizeBytes;
    node.content = tables_.directories.size();
    if (auto added = tables_.directories.Append({.node = tables_.nodes.size()}); !added) return added;
    queue_.push_back(content.first);
  } else if (content.kind == MemberKind::kSymlink) {
    node.kind = NodeKind::kSymlink;
    const auto target = tables_.AddText({texts_.span().data() + content.first, content.count});
    if (!target) return std::unexpected(target.error());
    node.content = *target;
  }
  const auto added = tables_.AddNode(node, NameOf(entry));
  if (!added) return std::unexpected(added.error());
  content.node = *added;
  return {};
}

Result<void> MemberTree::AddNodes() {
  if (auto root = AddNode(folders_[0].entry); !root) return root;
  for (uint64_t number = 0; number < queue_.size(); ++number) {
    const uint64_t first_child = tables_.nodes.size();
    tables_.directories[number].first_child = first_child;
    uint32_t subdirectories = 0;
    const auto children = ChildrenOf(queue_[number]);
    for (auto begin = children.begin(); begin != children.end();) {
      const std::string_view name = NameOf(entries_[begin->entry]);
      const auto end = std::find_if(begin, children.end(),
                                    [&](const Child& child) { return NameOf(entries_[child.entry]) != name; });
      const uint64_t chosen = Choose({begin, end});
      begin = end;
      if (chosen == kNone) continue;
      if (entries_[chosen].kind == MemberKind::kDirectory) ++subdirectories;
      if (auto added = AddNode(chosen); !added) return added;
    }
    Directory& directory = tables_.directories[number];
    directory.child_count = tables_.nodes.size() - first_child;
    if (auto set = tables_.SetLinks(directory.node, 2 + subdirectories); !set) return set;
  }
  return {};
}

Result<void> MemberTree::AddFurtherNames() {
  for (const Entry& entry : entries_.span()) {
    LimitResident();
    if (entry.names > 1)
      if (auto set = tables_.SetLinks(entry.node, entry.names); !set) return set;
  }
  return {};
}

Result<void> MemberTree::Finish() {
  const auto plain = tables_.InternAttributes({.mode = kFolderMode, .nlink = 1});
  if (!plain) return std::unexpected(plain.error());
  if (auto root = MakeFolders({}, {.attributes = *plain}); !root) return Propagate(std::move(root));
  if (auto sorted = SortChildren(); !sorted) return sorted;
  ResolveLinks();
  if (auto added = AddNodes(); !added) return added;
  return AddFurtherNames();
}

Result<void> MemberTree::PlaceMade(const std::function<Result<ExtentNumber>(NodeNumber node, uint64_t made)>& place) {
  for (uint64_t number = 0; number < entries_.size(); ++number) {
    Entry& entry = entries_[number];
    if (entry.made == kNone || entry.node == kNone) continue;
    const auto extent = place(entry.node, entry.made);
    if (!extent) return std::unexpected(extent.error());
    entry.made = *extent;
  }
  return {};
}

Result<void> MemberTree::ForEachFile(const std::function<Result<void>(const Content&)>& visit) {
  const auto made_of = [](const Entry& entry) {
    return entry.made == kNone ? std::nullopt : std::optional(entry.made);
  };
  // In the order of the entries, which is that of a tar; of other archives it is sorted. The children are done with.
  const auto place_of = [&](const Child& child) {
    LimitResident();
    const Entry& entry = entries_[child.entry];
    return std::tuple(entry.volume, runs_[entry.first].offset, child.entry);
  };
  children_.Truncate(0);
  for (uint64_t number = 0; number < entries_.size(); ++number) {
    LimitResident();
    const Entry& entry = entries_[number];
    if (entry.kind != MemberKind::kFile || entry.node == kNone || entry.size_bytes == 0) continue;
    if (entry.count == 0) {
      if (auto visited = visit(
              {.node = entry.node, .volume = entry.volume, .size_bytes = entry.size_bytes, .made = made_of(entry)});
          !visited)
        return visited;
      continue;
    }
    if (auto added = children_.Append({.entry = number}); !added) return added;
  }
  if (children_.empty()) return {};
  const std::span files(&children_[0], children_.size());
  if (!std::ranges::is_sorted(files, {}, place_of)) std::ranges::sort(files, {}, place_of);
  for (const Child& file : files) {
    LimitResident();
    const Entry& entry = entries_[file.entry];
    const Content found{.node = entry.node,
                        .volume = entry.volume,
                        .size_bytes = entry.size_bytes,
                        .runs = runs_.span().subspan(entry.first, entry.count),
                        .crc32 = entry.has_crc32 ? entry.crc32 : kUnknownCrc32,
                        .codec = entry.is_deflated ? Codec::kDeflate : Codec::kStored,
                        .made = made_of(entry)};
    if (auto visited = visit(found); !visited) return visited;
  }
  return {};
}

}  // namespace quire
