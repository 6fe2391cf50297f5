// SPDX-License-Identifier: Apache-2.0
#include "format/growth/generation_diff.h"

#include <set>

#include "format/growth/generation_walk.h"
#include "format/growth/listed_nodes.h"

namespace quire {
namespace {

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
    return ForEachReplaced(before_, after_, [&](NodeNumber number) {
      replaced_.insert(number);
      return CheckInterrupted();
    });
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
    const std::string above = path->empty() ? "" : *path + '/';
    return CompareListings({.index = before_, .directory = *listed_before},
                           {.index = after_, .directory = *listed_after},
                           [&](const ListedEntry* had, const ListedEntry* has) {
                             if (had == nullptr || has == nullptr || had->number != has->number)
                               TellEntry(above, had, has);
                             return CheckInterrupted();
                           });
  }

  // Of which one is null, or both are different ones of a name.
  void TellEntry(const std::string& above, const ListedEntry* had, const ListedEntry* has) {
    const ListedEntry& entry = has != nullptr ? *has : *had;
    EntryChange::Kind kind = EntryChange::Kind::kChanged;
    if (had == nullptr) kind = EntryChange::Kind::kAdded;
    if (has == nullptr) kind = EntryChange::Kind::kRemoved;
    visit_({.kind = kind,
            .path = above + std::string(entry.name),
            .is_directory = entry.node.kind == NodeKind::kDirectory});
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
