// SPDX-License-Identifier: Apache-2.0
#include "format/growth/generation_diff.h"

#include <set>
#include <string_view>

#include "format/growth/listed_nodes.h"

namespace quire {
namespace {

// One child of a directory after the other.
class Children {
 public:
  Children(const Index& index, const Directory& directory) : index_(index), directory_(directory) {}

  [[nodiscard]] bool is_at_end() const { return next_ == directory_.child_count; }
  // REQUIRES: not at the end.
  Result<void> Read() {
    const auto child = index_.GetChild(directory_, next_);
    const auto child_node = child ? index_.GetNode(*child) : std::unexpected(child.error());
    const auto child_name = child_node ? index_.GetName(*child_node) : std::unexpected(child_node.error());
    if (!child_name) return std::unexpected(child_name.error());
    number = *child;
    node = *child_node;
    name = *child_name;
    return {};
  }
  void Pass() { ++next_; }

  NodeNumber number = 0;
  Node node;
  std::string_view name;

 private:
  const Index& index_;
  const Directory directory_;
  uint64_t next_ = 0;
};

class GenerationDiff {
 public:
  GenerationDiff(const Index& before, const Index& after, const std::atomic<bool>* interrupted,
                 const std::function<void(const EntryChange&)>& visit)
      : before_(before), after_(after), interrupted_(interrupted), visit_(visit) {}

  Result<void> Run() {
    if (auto found = FindReplaced(); !found) return found;
    ListedNodes listed_before(before_);
    ListedNodes listed_after(after_);
    for (const NodeNumber number : replaced_) {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      const auto was_listed = listed_before.Has(number);
      const auto is_listed = was_listed ? listed_after.Has(number) : was_listed;
      if (!is_listed) return std::unexpected(is_listed.error());
      if (!*was_listed || !*is_listed) continue;  // told with its folder
      if (auto compared = Compare(number); !compared) return compared;
    }
    return {};
  }

 private:
  Result<void> FindReplaced() {
    for (size_t i = before_.layers().size(); i < after_.layers().size(); ++i) {
      const IndexLayer& layer = after_.layers()[i];
      for (uint64_t record = 0; record < layer.superblock.records(Section::kReplaced); ++record) {
        if (auto stop = CheckInterrupted(); !stop) return stop;
        const auto bytes = layer.blocks->Touch(layer.OffsetOf(Section::kReplaced, record),
                                               kRecordBytes[static_cast<size_t>(Section::kReplaced)]);
        if (!bytes) return std::unexpected(bytes.error());
        const NodeNumber number = DecodeReplacedNode(*bytes).number;
        if (number < before_.node_count()) replaced_.insert(number);
      }
    }
    return {};
  }

  Result<void> Compare(NodeNumber number) {
    const auto was = before_.GetNode(number);
    const auto is = was ? after_.GetNode(number) : was;
    const auto path = is ? after_.GetPath(number) : std::unexpected(is.error());
    if (!path) return std::unexpected(path.error());
    const bool is_directory = is->kind == NodeKind::kDirectory;
    if (was->mtime != is->mtime || was->attributes != is->attributes)
      visit_({.kind = EntryChange::Kind::kDescribed, .path = *path, .is_directory = is_directory});
    if (!is_directory || was->content == is->content) return {};
    const auto listed_before = before_.GetDirectory(was->content);
    const auto listed_after = listed_before ? after_.GetDirectory(is->content) : listed_before;
    if (!listed_after) return std::unexpected(listed_after.error());
    Children old(before_, *listed_before);
    Children now(after_, *listed_after);
    return CompareChildren(path->empty() ? "" : *path + '/', old, now);
  }

  Result<void> CompareChildren(const std::string& above, Children& old, Children& now) {
    const auto tell = [&](EntryChange::Kind kind, const Children& child) {
      visit_({.kind = kind,
              .path = above + std::string(child.name),
              .is_directory = child.node.kind == NodeKind::kDirectory});
    };
    while (!old.is_at_end() || !now.is_at_end()) {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      if (!old.is_at_end())
        if (auto read = old.Read(); !read) return read;
      if (!now.is_at_end())
        if (auto read = now.Read(); !read) return read;
      if (now.is_at_end() || (!old.is_at_end() && old.name < now.name)) {
        tell(EntryChange::Kind::kRemoved, old);
        old.Pass();
      } else if (old.is_at_end() || now.name < old.name) {
        tell(EntryChange::Kind::kAdded, now);
        now.Pass();
      } else {
        if (old.number != now.number) tell(EntryChange::Kind::kChanged, now);
        old.Pass();
        now.Pass();
      }
    }
    return {};
  }

  [[nodiscard]] Result<void> CheckInterrupted() const {
    if (interrupted_ != nullptr && interrupted_->load(std::memory_order_relaxed))
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    return {};
  }

  const Index& before_;
  const Index& after_;
  const std::atomic<bool>* const interrupted_;
  const std::function<void(const EntryChange&)>& visit_;
  std::set<NodeNumber> replaced_;
};

}  // namespace

Result<void> DiffGenerations(const Index& before, const Index& after, const std::atomic<bool>* interrupted,
                             const std::function<void(const EntryChange&)>& visit) {
  return GenerationDiff(before, after, interrupted, visit).Run();
}

}  // namespace quire
