// SPDX-License-Identifier: Apache-2.0
#include "tools/export/export_plan.h"

#include <algorithm>
#include <compare>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "format/escaping.h"
#include "format/import/tar_header.h"
#include "format/pack/geometry.h"
#include "format/pack/sample_content.h"
#include "format/rounding.h"
#include "format/write/path_list.h"
#include "tools/extract/entry_patterns.h"

namespace quire {
namespace {

// One write of an archive: large enough that the turns between threads cost nothing beside it.
constexpr uint64_t kTaskBytes = 1 << 20;
// Tiny samples are mostly headers: 4096 of them have 2 to 6 MiB with those.
constexpr uint64_t kMaxMembersInTask = 4096;
// A sample that is larger is read in parts, since no thread should hold more than a few MiB.
constexpr uint64_t kMaxWholeBytes = kPageBytes;

struct Place {
  uint16_t volume = 0;
  uint64_t offset = 0;
  auto operator<=>(const Place&) const = default;
};

// Where the first byte of a sample lies; empty where it has none.
Result<std::optional<Place>> FindPlace(const Index& index, const Node& node) {
  for (uint64_t at = 0; at < node.size_bytes;) {
    const auto run = FindRun(index, node, at);
    if (!run) return std::unexpected(run.error());
    if (run->extent) {
      const auto extent = index.GetExtent(*run->extent);
      if (!extent) return std::unexpected(extent.error());
      return Place{.volume = extent->volume, .offset = extent->offset};
    }
    at += run->length_bytes;
  }
  return std::nullopt;
}

// Behind all that have a place in the order.
constexpr uint64_t kUnplaced = std::numeric_limits<uint64_t>::max();

class Planner {
 public:
  Planner(const Index& index, const ExportPlanOptions& options, const std::function<bool(NodeNumber, Error)>& on_fault)
      : index_(index),
        options_(options),
        on_fault_(on_fault),
        order_(OrderOf(index, options)),
        is_planned_(index.node_count()) {}

  Result<ExportPlan> Run() {
    if (order_ == ExportOrder::kList)
      if (auto read = ReadOrderList(); !read) return Propagate(std::move(read));
    if (options_.style.form == ExportForm::kTar)
      PlanTree();
    else
      PlanGroups();
    return std::move(plan_);
  }

 private:
  // By path, a pack that was made so is read one page behind the other, though some samples lie in pages of their own.
  static ExportOrder OrderOf(const Index& index, const ExportPlanOptions& options) {
    const bool lies_by_path = index.superblock().order == PackOrder::kPath && index.layers().size() == 1;
    return options.order == ExportOrder::kPack && lies_by_path ? ExportOrder::kPath : options.order;
  }

  // --- The walk, by path.

  // Calls visit(place, node) for all below the root, a folder before what is in it.
  template <typename Visit>
  void Walk(const Visit& visit) {
    struct Level {
      NodeNumber folder = 0;
      Directory directory;
      uint64_t next = 0;
    };
    std::vector<Level> levels;
    const auto enter = [&](NodeNumber number, const Node& node) {
      const auto directory = index_.GetDirectory(node.content);
      if (!directory) return Fault(number, directory.error());
      levels.push_back({.folder = number, .directory = *directory});
    };
    const auto root = index_.GetNode(0);
    if (!root) return Fault(0, root.error());
    visit(0, *root);
    enter(0, *root);
    while (!levels.empty() && good_) {
      Level& level = levels.back();
      if (level.next == level.directory.child_count) {
        levels.pop_back();
        continue;
      }
      const auto place = index_.GetChild(level.directory, level.next++);
      const auto node = place ? index_.GetNode(*place) : std::unexpected(place.error());
      if (!node) {
        Fault(place.value_or(level.folder), node.error());
        continue;
      }
      visit(*place, *node);
      // A path of more than kMaxPathBytes is a fault of each member; names have a byte at least.
      if (node->kind == NodeKind::kDirectory && levels.size() <= kMaxPathBytes) enter(*place, *node);
    }
  }

  // --- The order.

  // The samples that the list names, and in which order.
  Result<void> ReadOrderList() {
    const auto text = ReadList(options_.list_file);
    if (!text) return std::unexpected(text.error());
    for (const std::string_view path : SplitList(*text, options_.nul_separated)) {
      if (path.empty()) continue;
      const auto found = FindEntries(index_, std::string(path));
      if (!found) return std::unexpected(found.error());
      for (const NodeNumber place : *found) {
        const auto node = GetContent(index_, place);
        if (!node) return std::unexpected(node.error());
        if (!node->is_sample())
          return MakeError(ErrorCode::kNotFound, "{}: '{}' is no sample", options_.list_file, EscapeName(path));
        if (rank_of_.emplace(place, rank_of_.size()).second) listed_.push_back(place);
      }
    }
    return {};
  }

  // Samples by their places, without those of no bytes.
  std::vector<NodeNumber> SortByPlace() {
    std::vector<std::pair<Place, NodeNumber>> placed;
    Walk([&](NodeNumber number, const Node& node) {
      if (!node.is_sample()) return;
      const auto place = FindPlace(index_, node);
      if (!place)
        Fault(number, place.error());
      else if (*place)
        placed.emplace_back(**place, number);
    });
    std::ranges::stable_sort(placed, {}, &std::pair<Place, NodeNumber>::first);
    std::vector<NodeNumber> samples;
    samples.reserve(placed.size());
    for (const auto& [place, number] : placed) samples.push_back(number);
    return samples;
  }

  // --- A tar of everything.

  void PlanTree() {
    is_written_.resize(index_.node_count());
    is_left_.resize(index_.node_count());
    const std::vector<NodeNumber> first = order_ == ExportOrder::kPack ? SortByPlace() : std::move(listed_);
    for (const NodeNumber place : first) Add(place);
    Walk([&](NodeNumber place, const Node& node) {
      if (node.kind == NodeKind::kDirectory && is_planned_[place])
        RepeatFolder(place, node);
      else
        Add(place);
    });
    CutIntoTasks(0, plan_.members.size(), 0);
  }

  void Add(NodeNumber place) {
    if (!good_ || is_planned_[place]) return;
    const auto node = index_.GetNode(place);
    if (!node) return Fault(place, node.error());
    if (place > 0 && !AddFoldersOf(place)) return;
    if (node->kind == NodeKind::kDirectory) return AddFolder(place);
    const bool is_link = node->kind == NodeKind::kHardLink;
    if (is_link)
      if (const auto content = index_.GetLinkedNode(place, *node); !content) return Fault(place, content.error());
    is_planned_[place] = true;
    const NodeNumber content = is_link ? node->content : place;
    if (is_written_[content]) {
      const auto first = first_names_.find(content);
      plan_.members.push_back({.place = place, .first = first == first_names_.end() ? content : first->second});
      return;
    }
    is_written_[content] = true;
    if (is_link) first_names_.emplace(content, place);
    plan_.members.push_back({.place = place});
  }

  void AddFolder(NodeNumber place) {
    is_planned_[place] = true;
    folder_members_.emplace(place, plan_.members.size());
    plan_.members.push_back({.place = place});
    open_folders_.push_back(place);
  }

  // Enters the folder of `place`, with those above that are not there yet. False where one cannot be read.
  bool AddFoldersOf(NodeNumber place) {
    const auto parent = index_.GetParent(place);
    if (!parent) {
      Fault(place, parent.error());
      return false;
    }
    std::vector<NodeNumber> missing;  // upwards, below the first that is open
    NodeNumber folder = *parent;
    while (true) {
      const auto open = std::ranges::find(open_folders_, folder);
      if (open != open_folders_.end()) {
        open_folders_.erase(open + 1, open_folders_.end());
        break;
      }
      missing.push_back(folder);
      const auto above = folder == 0 ? Result<NodeNumber>(0) : index_.GetParent(folder);
      if (!above || missing.size() > kMaxPathBytes) {
        Fault(place, above ? Error{ErrorCode::kCorrupt, 0, "its path is too long"} : above.error());
        return false;
      }
      if (folder == 0) break;
      folder = *above;
    }
    for (auto next = missing.rbegin(); next != missing.rend(); ++next) {
      if (!is_planned_[*next]) {
        if (!open_folders_.empty()) Touch(open_folders_.back());
        AddFolder(*next);
      } else {
        is_left_[*next] = true;
        open_folders_.push_back(*next);
      }
    }
    Touch(*parent);
    return true;
  }

  // `folder` gets an entry.
  void Touch(NodeNumber folder) {
    if (is_left_[folder]) touched_.insert(folder);
  }

  // A folder that was left before its last entry stands again, in front of those that are left: what tar(1) makes at
  // its end (symlinks that lead out) goes into folders that it knows by then.
  void RepeatFolder(NodeNumber place, const Node& node) {
    const bool is_open = std::ranges::find(open_folders_, place) != open_folders_.end();
    if (!touched_.contains(place) && (is_open || !HasMissingChild(node))) return;
    plan_.members[folder_members_.at(place)].is_unfinished = true;
    plan_.members.push_back({.place = place});
  }

  bool HasMissingChild(const Node& node) const {
    const auto directory = index_.GetDirectory(node.content);
    if (!directory) return false;
    for (uint64_t i = 0; i < directory->child_count; ++i)
      if (const auto child = index_.GetChild(*directory, i); child && !is_planned_[*child]) return true;
    return false;
  }

  // --- A WebDataset.

  struct Group {
    uint64_t rank = kUnplaced;  // in the order
    size_t first = 0;           // number in files_
    size_t count = 0;
    uint64_t bytes = 0;  // in the archive
  };

  struct File {
    size_t group = 0;
    NodeNumber place = 0;
  };
  struct LastGroup {
    std::string key;
    size_t number = 0;
  };

  // The part of a name that its samples share; empty where WebDataset sees none.
  static std::string_view KeyOf(std::string_view name) {
    const size_t point = name.find('.');
    return point == name.npos ? std::string_view() : name.substr(0, point);
  }

  void PlanGroups() {
    if (order_ == ExportOrder::kPack) {
      std::vector<NodeNumber> samples = SortByPlace();
      for (const NodeNumber place : samples) rank_of_.emplace(place, rank_of_.size());
    }
    Walk([&](NodeNumber place, const Node& node) {
      if (node.kind != NodeKind::kDirectory) AddToGroup(place, node);
    });
    std::ranges::stable_sort(files_, {}, &File::group);
    size_t first = 0;
    for (Group& group : groups_) {
      group.first = first;
      first += group.count;
    }
    if (order_ != ExportOrder::kPath) std::ranges::stable_sort(groups_, {}, &Group::rank);
    CutIntoArchives();
  }

  // Names of one key follow each other in their folder, since they begin with it and a '.'. What lies in a folder of
  // such a name may come between.
  void AddToGroup(NodeNumber place, const Node& node) {
    const auto content = GetContent(index_, place);
    if (!content) return Fault(place, content.error());
    if (!content->is_sample()) return;
    const auto name = index_.GetName(node);
    if (!name) return Fault(place, name.error());
    const auto parent = index_.GetParent(place);
    if (!parent) return Fault(place, parent.error());
    const auto described = DescribeMember(index_, {.place = place}, options_.style);
    if (!described) return Fault(place, described.error());
    header_.clear();
    AppendTarHeader(*described, options_.style.format, header_);
    const std::string_view key = KeyOf(*name);
    if (key.empty() && plan_.files_without_key++ == 0) plan_.first_without_key = place;
    LastGroup& last = last_groups_[*parent];
    if (key.empty() || key != last.key) {
      last = {.key = std::string(key), .number = groups_.size()};
      groups_.emplace_back();
    }
    Group& group = groups_[last.number];
    ++group.count;
    group.bytes += header_.size() + AlignUp(content->size_bytes, kTarBlockBytes);
    // A name that the order does not know comes where its sample does: of hard links, and of samples of no bytes.
    const NodeNumber own = node.kind == NodeKind::kHardLink ? node.content : place;
    for (const NodeNumber known : {place, own})
      if (const auto rank = rank_of_.find(known); rank != rank_of_.end())
        group.rank = std::min(group.rank, rank->second);
    files_.push_back({.group = last.number, .place = place});
  }

  void CutIntoArchives() {
    plan_.members.reserve(files_.size());
    size_t first = 0;  // of the archive
    uint64_t bytes = 0;
    uint64_t keys = 0;
    const auto end_archive = [&] {
      if (first == plan_.members.size()) return;
      CutIntoTasks(first, plan_.members.size(), plan_.archives++);
      first = plan_.members.size();
      bytes = keys = 0;
    };
    plan_.archives = 0;
    for (const Group& group : groups_) {
      const uint64_t sum = bytes + group.bytes;
      if (sum + TarEndBytes(sum) > options_.max_archive_bytes || keys == options_.max_archive_keys) end_archive();
      if (group.bytes + TarEndBytes(group.bytes) > options_.max_archive_bytes && plan_.large_keys++ == 0)
        plan_.first_large_key = files_[group.first].place;
      for (size_t i = 0; i < group.count; ++i) plan_.members.push_back({.place = files_[group.first + i].place});
      bytes += group.bytes;
      ++keys;
    }
    end_archive();
  }

  // --- Tasks.

  void CutIntoTasks(size_t first, size_t end, uint32_t archive) {
    const bool is_whole = options_.style.form == ExportForm::kWebDataset;  // holes are written
    ExportTask task{.first = first, .archive = archive};
    uint64_t task_bytes = 0;
    const auto end_task = [&](size_t next) {
      if (task.count > 0) plan_.tasks.push_back(task);
      task = {.first = next, .archive = archive};
      task_bytes = 0;
    };
    for (size_t i = first; i < end && good_; ++i) {
      const ExportMember& member = plan_.members[i];
      uint64_t stored_bytes = 0;
      const auto node = GetContent(index_, member.place);
      // What cannot be read is a fault of the task that writes it.
      if (node && node->is_sample() && !member.first) {
        const auto stored = is_whole ? Result<uint64_t>(node->size_bytes) : GetStoredBytes(index_, *node);
        stored_bytes = stored.value_or(0);
        plan_.bytes += stored_bytes;
      }
      if (stored_bytes > kMaxWholeBytes) {
        end_task(i);
        CutSample(i, *node, stored_bytes < node->size_bytes, archive);
        end_task(i + 1);
        continue;
      }
      ++task.count;
      task_bytes += stored_bytes;
      if (task_bytes >= kTaskBytes || task.count == kMaxMembersInTask) end_task(i + 1);
    }
    end_task(end);
  }

  // Cuts behind extents, each of which is read whole for its sum.
  void CutSample(size_t member, const Node& node, bool has_holes, uint32_t archive) {
    ExportTask part{.first = member, .count = 1, .is_part = true, .archive = archive};
    uint64_t part_bytes = 0;
    for (uint64_t at = 0; at < node.size_bytes;) {
      const auto run = FindRun(index_, node, at);
      if (!run) break;  // a fault of the task
      // Holes are as long as they like, and count where they are written as zeros.
      const bool is_hole = !run->extent && has_holes;
      const uint64_t step = run->extent || is_hole ? run->length_bytes : std::min(run->length_bytes, kTaskBytes);
      at += step;
      if (!is_hole) part_bytes += step;
      const uint64_t cut = has_holes ? AlignDown(at, kTarBlockBytes) : at;
      if (part_bytes < kTaskBytes || cut <= part.from || cut >= node.size_bytes) continue;
      part.to = cut;
      plan_.tasks.push_back(part);
      part.from = cut;
      part_bytes = at - cut;
    }
    part.to = node.size_bytes;
    part.is_last_part = true;
    plan_.tasks.push_back(part);
  }

  void Fault(NodeNumber number, const Error& error) { good_ = good_ && on_fault_(number, error); }

  const Index& index_;
  const ExportPlanOptions& options_;
  const std::function<bool(NodeNumber, Error)>& on_fault_;
  const ExportOrder order_;
  bool good_ = true;
  ExportPlan plan_;
  std::unordered_map<NodeNumber, uint64_t> rank_of_;
  std::vector<NodeNumber> listed_;

  // Of kTar, by node.
  std::vector<bool> is_planned_;
  std::vector<bool> is_written_;                            // a sample or symlink, under any name
  std::unordered_map<NodeNumber, NodeNumber> first_names_;  // where that is a link
  std::vector<NodeNumber> open_folders_;                    // from the root to the one that got the last entry
  std::unordered_map<NodeNumber, size_t> folder_members_;
  std::vector<bool> is_left_;               // a folder into which the plan came back
  std::unordered_set<NodeNumber> touched_;  // of these, those that got an entry then

  // Of kWebDataset.
  std::vector<Group> groups_;
  std::vector<File> files_;
  std::unordered_map<NodeNumber, LastGroup> last_groups_;  // by folder
  std::string header_;
};

}  // namespace

Result<ExportPlan> MakeExportPlan(const Index& index, const ExportPlanOptions& options,
                                  const std::function<bool(NodeNumber, Error)>& on_fault) {
  return Planner(index, options, on_fault).Run();
}

}  // namespace quire
