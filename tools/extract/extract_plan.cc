// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/extract_plan.h"

#include <algorithm>
#include <compare>
#include <deque>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "format/pack/entry_path.h"
#include "format/pack/geometry.h"
#include "format/pack/sample_content.h"
#include "tools/pack_entry.h"

namespace quire {
namespace {

// What lies between two pieces is read along where it is no longer than this: about what a disk reads in the time of a
// further request.
constexpr uint64_t kMaxGapBytes = 64 << 10;
// Tiny samples fill a page by the ten thousand: smaller tasks keep all threads busy to the end.
constexpr uint64_t kMaxPiecesInTask = 512;
constexpr uint64_t kMaxSymlinksInTask = 256;
// Eight pages of one large sample: the next thread reads while this one writes.
constexpr uint64_t kLargeTaskBytes = 8 * kPageBytes;

struct Place {
  uint16_t volume = 0;
  uint64_t offset = 0;
  auto operator<=>(const Place&) const = default;
};

Place PlaceOf(const Piece& piece) { return {.volume = piece.volume, .offset = piece.offset}; }

class Planner {
 public:
  Planner(const Index& index, const std::function<bool(NodeNumber, Error)>& on_fault)
      : index_(index), on_fault_(on_fault), is_planned_(index.node_count()) {}

  ExtractPlan Run(std::span<const NodeNumber> tops) {
    for (const NodeNumber top : tops) {
      Add(top, 0);
      for (; !folders_.empty() && good_; folders_.pop_front()) AddChildren(folders_.front());
    }
    AddHardLinks();
    std::ranges::sort(plan_.directories);
    CutIntoTasks();
    return std::move(plan_);
  }

 private:
  struct Folder {
    NodeNumber number;
    size_t path_bytes;
  };

  // `parent_path_bytes`: from the top that is extracted. The path is longer where that is not the root.
  void Add(NodeNumber number, size_t parent_path_bytes) {
    if (!good_ || is_planned_[number]) return;
    const auto node = index_.GetNode(number);
    if (!node) return Fault(number, node.error());
    const size_t path_bytes = PathBytesBelow(parent_path_bytes, node->name_bytes);
    if (path_bytes > kMaxPathBytes) return Fault(number, PathTooLong(number));
    is_planned_[number] = true;
    if (node->kind == NodeKind::kDirectory) {
      plan_.directories.push_back(number);
      folders_.push_back({number, path_bytes});
    } else if (node->kind == NodeKind::kHardLink) {
      hard_links_.emplace_back(number, *node);
    } else {
      AddContent(number, *node);
    }
  }

  void AddChildren(const Folder& folder) {
    const auto node = index_.GetNode(folder.number);
    if (!node) return Fault(folder.number, node.error());
    const auto directory = index_.GetDirectory(node->content);
    if (!directory) return Fault(folder.number, directory.error());
    for (uint64_t i = 0; i < directory->child_count && good_; ++i) {
      const auto child = index_.GetChild(*directory, i);
      if (child)
        Add(*child, folder.path_bytes);
      else
        Fault(folder.number, child.error());
    }
  }

  // What is not a directory and not a hard link gets the name of `place`.
  void AddContent(NodeNumber place, const Node& node) {
    ++plan_.entries;
    if (node.kind == NodeKind::kSymlink) return plan_.symlinks.push_back(place);
    const auto added = node.kind == NodeKind::kSegmented ? AddLarge(place, node) : AddSmall(place, node);
    if (!added) Fault(place, added.error());
  }

  Result<void> AddSmall(NodeNumber place, const Node& node) {
    if (node.size_bytes > 0) {
      const auto extent = index_.GetExtent(node.content);
      if (!extent) return std::unexpected(extent.error());
      last_ = {extent->volume, extent->offset};
      plan_.bytes += node.size_bytes;
    }
    // Empty samples stand beside the one in front of them, which most likely is in the same folder.
    plan_.pieces.push_back({.offset = last_.offset,
                            .length_bytes = static_cast<uint32_t>(node.size_bytes),
                            .volume = last_.volume,
                            .place_or_offset = place});
    return {};
  }

  Result<void> AddLarge(NodeNumber place, const Node& node) {
    const uint64_t first = plan_.large_pieces.size();
    uint64_t task_first = first;
    uint64_t task_bytes = 0;
    const auto number = static_cast<uint32_t>(plan_.large_samples.size());
    std::vector<ExtractTask> tasks;
    const auto end_task = [&] {
      tasks.push_back({.kind = ExtractTask::Kind::kLargeSample,
                       .large_sample = number,
                       .first = task_first,
                       .count = plan_.large_pieces.size() - task_first});
      task_first = plan_.large_pieces.size();
      task_bytes = 0;
    };
    for (uint64_t at = 0; at < node.size_bytes;) {
      const auto run = FindRun(index_, node, at);
      if (!run) return DropPieces(first, run.error());
      if (run->extent) {
        const auto extent = index_.GetExtent(*run->extent);
        if (!extent) return DropPieces(first, extent.error());
        plan_.large_pieces.push_back({.offset = extent->offset,
                                      .length_bytes = static_cast<uint32_t>(run->length_bytes),
                                      .volume = extent->volume,
                                      .place_or_offset = at});
        task_bytes += run->length_bytes;
        plan_.bytes += run->length_bytes;
        if (task_bytes >= kLargeTaskBytes) end_task();
      }
      at += run->length_bytes;
    }
    if (task_first < plan_.large_pieces.size() || tasks.empty()) end_task();
    const Place begin = first < plan_.large_pieces.size() ? PlaceOf(plan_.large_pieces[first]) : last_;
    plan_.large_samples.push_back({.place = place, .tasks = tasks.size()});
    for (const ExtractTask& task : tasks) ordered_.push_back({begin, task});
    return {};
  }

  Result<void> DropPieces(uint64_t first, const Error& error) {
    for (; plan_.large_pieces.size() > first; plan_.large_pieces.pop_back())
      plan_.bytes -= plan_.large_pieces.back().length_bytes;
    return std::unexpected(error);
  }

  void AddHardLinks() {
    std::unordered_map<NodeNumber, NodeNumber> first_places;  // of content whose own name is not asked for
    std::ranges::sort(hard_links_, {}, &std::pair<NodeNumber, Node>::first);
    for (const auto& [place, link] : hard_links_) {
      if (!good_) return;
      const auto node = index_.GetLinkedNode(place, link);
      if (!node) {
        Fault(place, node.error());
        continue;
      }
      const NodeNumber own = link.content;
      const auto [first, is_first] = first_places.emplace(own, is_planned_[own] ? own : place);
      if (is_first && !is_planned_[own]) {
        AddContent(place, *node);
        continue;
      }
      ++plan_.entries;
      plan_.further_names.push_back({.place = place, .first_place = first->second});
    }
  }

  void CutIntoTasks() {
    auto& pieces = plan_.pieces;
    if (!std::ranges::is_sorted(pieces, {}, PlaceOf)) std::ranges::stable_sort(pieces, {}, PlaceOf);
    uint64_t end = 0;  // in the volume, of the task
    ExtractTask task;
    for (uint64_t i = 0; i < pieces.size(); ++i) {
      const Piece& piece = pieces[i];
      const bool is_next =
          task.count > 0 && task.count < kMaxPiecesInTask && piece.volume == pieces[task.first].volume &&
          piece.offset / kPageBytes == pieces[task.first].offset / kPageBytes && piece.offset <= end + kMaxGapBytes;
      if (task.count > 0 && !is_next) {
        ordered_.push_back({PlaceOf(pieces[task.first]), task});
        task.count = 0;
      }
      if (task.count == 0) task.first = i;
      ++task.count;
      end = piece.offset + piece.length_bytes;
    }
    if (task.count > 0) ordered_.push_back({PlaceOf(pieces[task.first]), task});
    std::ranges::stable_sort(ordered_, [](const Ordered& a, const Ordered& b) {
      // Large samples at one place share it: what is a sample's stands together.
      return std::tie(a.begin, a.task.kind, a.task.large_sample) < std::tie(b.begin, b.task.kind, b.task.large_sample);
    });
    for (const Ordered& ordered : ordered_) plan_.tasks.push_back(ordered.task);
    for (uint64_t first = 0; first < plan_.symlinks.size(); first += kMaxSymlinksInTask)
      plan_.tasks.push_back({.kind = ExtractTask::Kind::kSymlinks,
                             .first = first,
                             .count = std::min(kMaxSymlinksInTask, plan_.symlinks.size() - first)});
  }

  void Fault(NodeNumber number, const Error& error) { good_ = good_ && on_fault_(number, error); }

  struct Ordered {
    Place begin;
    ExtractTask task;
  };

  const Index& index_;
  const std::function<bool(NodeNumber, Error)>& on_fault_;
  bool good_ = true;
  ExtractPlan plan_;
  std::vector<bool> is_planned_;  // by node: a hostile pack may list one in two folders
  std::deque<Folder> folders_;
  std::vector<std::pair<NodeNumber, Node>> hard_links_;
  std::vector<Ordered> ordered_;
  Place last_;
};

}  // namespace

ExtractPlan MakeExtractPlan(const Index& index, std::span<const NodeNumber> tops,
                            const std::function<bool(NodeNumber, Error)>& on_fault) {
  return Planner(index, on_fault).Run(tops);
}

}  // namespace quire
