// SPDX-License-Identifier: Apache-2.0
#include "format/import/sample_groups.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace quire {

SampleGroups::SampleGroups(const MemberTree& tree, std::vector<Shard> shards, OnFault on_fault)
    : tree_(tree), shards_(std::move(shards)), on_fault_(std::move(on_fault)) {}

void SampleGroups::Check() {
  std::vector<uint64_t> tops;
  for (const Shard& shard : shards_) {
    const uint64_t top = shard.top.empty() ? 0 : tree_.FindFolder(0, shard.top);
    if (top != MemberTree::kNone) tops.push_back(top);
  }
  std::ranges::sort(tops);
  const auto repeated = std::ranges::unique(tops);
  tops.erase(repeated.begin(), repeated.end());
  waiting_.push_back(std::move(tops));
  while (!waiting_.empty()) {
    const std::vector<uint64_t> folders = std::move(waiting_.back());
    waiting_.pop_back();
    if (!folders.empty()) CheckFolders(folders);
  }
}

// Children are sorted by name in each folder, so those of all of them are merged.
void SampleGroups::CheckFolders(std::span<const uint64_t> folders) {
  folder_ = folders.front();
  last_folder_name_ = {};
  using Children = std::span<const MemberTree::Child>;
  const auto comes_later = [&](const Children& a, const Children& b) {
    return tree_.NameOf(tree_.entries_[a.front().entry]) > tree_.NameOf(tree_.entries_[b.front().entry]);
  };
  std::priority_queue<Children, std::vector<Children>, decltype(comes_later)> rests(comes_later);
  for (const uint64_t folder : folders)
    if (const Children children = tree_.ChildrenOf(folder); !children.empty()) rests.push(children);
  while (!rests.empty()) {
    Children rest = rests.top();
    rests.pop();
    const uint64_t number = rest.front().entry;
    const MemberTree::Entry& entry = tree_.entries_[number];
    if (entry.node != MemberTree::kNone && entry.kind == MemberKind::kFile) AddFile(number);
    if (entry.node != MemberTree::kNone && entry.kind == MemberKind::kDirectory) AddFolder(number);
    rest = rest.subspan(1);
    if (!rest.empty()) rests.push(rest);
  }
  EndKey();
}

void SampleGroups::AddFolder(uint64_t entry) {
  const std::string_view name = tree_.NameOf(tree_.entries_[entry]);
  if (name != last_folder_name_) waiting_.emplace_back();
  last_folder_name_ = name;
  waiting_.back().push_back(tree_.entries_[entry].first);
}

void SampleGroups::AddFile(uint64_t number) {
  const MemberTree::Entry& entry = tree_.entries_[number];
  const std::string_view name = tree_.NameOf(entry);
  const size_t dot = name.find('.');
  if (dot == 0 || dot == std::string_view::npos) {
    on_fault_(ShardOf(entry.volume), PathOf(name), "its name has no key and extension, so that it is in no sample");
    return;
  }
  if (name.substr(0, dot) != key_) EndKey();
  key_ = name.substr(0, dot);
  const auto [place, is_first] = places_.try_emplace(entry.volume, Place{.first = number, .last = number});
  place->second.first = std::min(place->second.first, number);
  place->second.last = std::max(place->second.last, number);
  ++place->second.count;
}

void SampleGroups::EndKey() {
  if (places_.size() > 1) {
    const auto& [volume, unused] = *places_.begin();
    const auto& [other, unused_too] = *std::next(places_.begin());
    const std::string more = places_.size() > 2 ? fmt::format(" and {} more", places_.size() - 2) : "";
    on_fault_("", PathOf(key_),
              fmt::format("the members of this key stand in '{}' and '{}'{}", ShardOf(volume), ShardOf(other), more));
  }
  for (const auto& [volume, place] : places_)
    if (!StandTogether(place))
      on_fault_(ShardOf(volume), PathOf(key_), "the members of this key stand apart, so that they are several samples");
  places_.clear();
  key_ = {};
}

// Whether no other file stands between them. At most one file more than they are is looked at.
bool SampleGroups::StandTogether(const Place& place) const {
  uint64_t files = 0;
  for (uint64_t number = place.first; number <= place.last && files <= place.count; ++number) {
    const MemberTree::Entry& entry = tree_.entries_[number];
    if (entry.kind == MemberKind::kFile && entry.node != MemberTree::kNone) ++files;
  }
  return files == place.count;
}

// In the shard: without the folder that this has in the tree.
std::string SampleGroups::PathOf(std::string_view name) const {
  const MemberTree::Entry& folder = tree_.entries_[tree_.folders_[folder_].entry];
  std::string path = tree_.PathOf(folder);
  if (!shards_.front().top.empty()) path.erase(0, std::min(path.find('/'), path.size() - 1) + 1);
  return path.empty() ? std::string(name) : fmt::format("{}/{}", path, name);
}

}  // namespace quire
