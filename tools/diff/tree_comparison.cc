// SPDX-License-Identifier: Apache-2.0
#include "tools/diff/tree_comparison.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <ranges>
#include <utility>

#include "format/escaping.h"
#include "format/file.h"
#include "format/open_files.h"
#include "format/write/source_root.h"
#include "format/write/tree_scanner.h"

namespace quire {
namespace {

// Compared before any of them is told: enough for every thread, in little memory.
constexpr size_t kEntriesAtOnce = 1024;

class TreeComparer {
 public:
  TreeComparer(const Index& index, SampleReader& reader, WorkerPool& pool, const ComparisonOptions& options,
               SourceRoot root)
      : index_(index),
        comparer_(index, reader, options.ignored),
        pool_(pool),
        options_(options),
        root_(std::move(root)) {}

  Result<ComparisonSummary> Run() {
    const auto root = ReadEntry(index_, 0);
    if (!root) return std::unexpected(root.error());
    std::vector<Item> items;
    items.push_back({.path = ".", .entry = *root, .is_in_source = true});
    CompareItems(root_.folder(), items);
    pending_.emplace_back(root->node, "");
    while (!pending_.empty() && !ended_by_) {
      const auto [node, path] = std::move(pending_.back());
      pending_.pop_back();
      CompareDirectory(node, path);
    }
    return ended_by_ ? Result<ComparisonSummary>(std::unexpected(*ended_by_)) : summary_;
  }

 private:
  // A name that the pack, the source or both have.
  struct Item {
    std::string path;
    std::optional<PackEntry> entry = {};
    bool is_in_source = false;
    EntryComparer::Outcome outcome = {};
    std::optional<Error> error = {};
  };

  void CompareDirectory(const Node& node, const std::string& path) {
    const std::string shown_path = path.empty() ? "." : path;
    const auto opened = root_.OpenBelow(path, O_RDONLY | O_DIRECTORY);
    if (!opened) return TellUnreadable(shown_path, opened.error());
    const File& folder = *opened;
    const auto names = ListNames(folder);
    if (!names) return TellUnreadable(shown_path, names.error());

    const size_t pending_before = pending_.size();
    std::vector<Item> items;
    const auto add = [&](Item item) {
      if (options_.exclude != nullptr && options_.exclude->Match(item.path, [&] { return IsDirectory(folder, item); }))
        return;
      items.push_back(std::move(item));
      if (items.size() == kEntriesAtOnce) CompareItems(folder, items);
    };
    auto name = names->begin();
    const auto add_extra = [&] {
      add({.path = JoinPath(path, *name), .is_in_source = true});
      ++name;
    };
    ForEachEntry(index_, node, path, Depth::kOne,
                 {.visit =
                      [&](const PackEntry& entry, const std::string& entry_path) {
                        while (name != names->end() && *name < entry.name) add_extra();
                        const bool is_in_source = name != names->end() && *name == entry.name;
                        if (is_in_source) ++name;
                        add({.path = entry_path, .entry = entry, .is_in_source = is_in_source});
                      },
                  .on_fault = [&](const Error& error) { TellUnreadable(shown_path, error); }});
    while (name != names->end()) add_extra();
    CompareItems(folder, items);
    std::ranges::reverse(pending_ | std::views::drop(pending_before));
  }

  static bool IsDirectory(const File& folder, const Item& item) {
    if (item.entry && item.entry->node.kind == NodeKind::kDirectory) return true;
    struct stat status{};
    const std::string name = item.path.substr(item.path.rfind('/') + 1);
    return item.is_in_source && fstatat(folder.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
  }

  // Compares and tells `items`, names in `folder`, and empties them.
  void CompareItems(const File& folder, std::vector<Item>& items) {
    const auto compared = pool_.ForEach(ended_by_ ? 0 : items.size(), [&](uint64_t i) -> Result<void> {
      Item& item = items[i];
      if (!item.is_in_source) return {};
      if (!item.entry) {
        const std::string name = item.path.substr(item.path.rfind('/') + 1);
        if (fstatat(folder.fd(), name.c_str(), &item.outcome.status, AT_SYMLINK_NOFOLLOW) != 0)
          item.error = SystemError(errno, "stat").error();
        return {};
      }
      auto outcome = comparer_.Compare(*item.entry, folder);
      if (outcome)
        item.outcome = std::move(*outcome);
      else
        item.error = std::move(outcome).error();
      return {};
    });
    static_cast<void>(compared);  // an item's error is its own
    for (Item& item : items)
      if (!ended_by_) TellItem(item);
    items.clear();
  }

  void TellItem(Item& item) {
    const mode_t mode = item.outcome.status.st_mode;
    if (item.error) return TellUnreadable(item.path, *item.error);
    if (!item.is_in_source) {
      ++summary_.missing;
      return options_.on_difference({.kind = Difference::Kind::kMissing, .path = std::move(item.path)});
    }
    if (!item.entry && !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode)) {
      ++summary_.left_out;
      return;
    }
    if (!item.entry) {
      ++summary_.extra;
      return options_.on_difference({.kind = Difference::Kind::kExtra, .path = std::move(item.path)});
    }
    if (!item.entry->name.empty()) ++summary_.compared;  // the root has no name, and is no entry of another's
    if (item.entry->node.kind == NodeKind::kDirectory && S_ISDIR(mode) && !item.entry->name.empty())
      pending_.emplace_back(item.entry->node, item.path);
    if (comparer_.Compares(kLinksAspect)) CompareLinks(item);
    if (item.outcome.what.empty()) return;
    ++summary_.differing;
    options_.on_difference(
        {.kind = Difference::Kind::kDiffers, .path = std::move(item.path), .what = std::move(item.outcome.what)});
  }

  // Names of one sample must be names of one file, and of no other sample.
  void CompareLinks(Item& item) {
    const struct stat& status = item.outcome.status;
    if (S_ISDIR(status.st_mode) || (item.outcome.attributes.nlink < 2 && status.st_nlink < 2)) return;
    const Inode inode{status.st_dev, status.st_ino};
    const NodeNumber node = item.entry->number;
    const auto& of_node = first_by_node_.try_emplace(node, inode, item.path).first->second;
    if (of_node.first != inode)
      item.outcome.what.push_back({kLinksAspect, fmt::format("no longer one file with '{}'", of_node.second)});
    const auto& of_inode = first_by_inode_.try_emplace(inode, node, item.path).first->second;
    if (of_inode.first != node)
      item.outcome.what.push_back({kLinksAspect, fmt::format("now one file with '{}'", of_inode.second)});
  }

  void TellUnreadable(const std::string& path, const Error& error) {
    if (IsOutOfFiles(error)) {
      ended_by_ = {error.code, error.system_errno, fmt::format("{}: {}", EscapeName(path), error.message)};
      return;
    }
    ++summary_.unreadable;
    options_.on_unreadable(path, error);
  }

  using Inode = std::pair<dev_t, ino_t>;

  const Index& index_;
  const EntryComparer comparer_;
  WorkerPool& pool_;
  const ComparisonOptions& options_;
  const SourceRoot root_;
  ComparisonSummary summary_;
  std::optional<Error> ended_by_;                      // what every further entry would meet
  std::vector<std::pair<Node, std::string>> pending_;  // directories that both sides have, the next one last
  // Of what has several names, on either side: the first of these.
  std::map<NodeNumber, std::pair<Inode, std::string>> first_by_node_;
  std::map<Inode, std::pair<NodeNumber, std::string>> first_by_inode_;
};

}  // namespace

Result<ComparisonSummary> CompareWithDirectory(const Index& index, SampleReader& reader, WorkerPool& pool,
                                               const ComparisonOptions& options) {
  auto root = SourceRoot::Open(options.source);
  if (!root) return Propagate(std::move(root));
  return TreeComparer(index, reader, pool, options, std::move(*root)).Run();
}

}  // namespace quire
