// SPDX-License-Identifier: Apache-2.0
#include "format/growth/pack_growth.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <utility>

#include "format/escaping.h"
#include "format/growth/layer_builder.h"
#include "format/growth/tree_removal.h"
#include "format/open_files.h"
#include "format/pack/path_resolver.h"
#include "format/worker_pool.h"
#include "format/write/duplicates.h"
#include "format/write/sample_writer.h"

namespace quire {
namespace {

void SetCounts(const TreeCounts& counts, Superblock& superblock) {
  superblock.samples = counts.samples;
  superblock.symlinks = counts.symlinks;
  superblock.hard_links = counts.hard_links;
  superblock.directories = counts.directories;
  superblock.sample_bytes = counts.sample_bytes;
}

TreeCounts CountsOf(const IndexTables& tables) {
  TreeCounts counts;
  for (const Node& node : tables.nodes.span()) counts.Add(node);
  return counts;
}

GrowthSummary SummaryOf(const GrowingPack& pack) {
  const TreeCounts counts = CountsOf(pack.pack().superblock());
  return {.superblock = pack.pack().superblock(), .before = counts, .after = counts, .counts = {}};
}

// Writes the layer of `changes`. `summary` has the counts after it, and superblock those of the scan and the order.
Result<void> CommitLayer(GrowingPack& pack, IndexTables& layer, const WrittenSamples& written, GrowthSummary& summary) {
  Superblock counts = summary.superblock;
  SetCounts(summary.after, counts);
  counts.stored_bytes = 0;
  for (const Extent& extent : layer.extents.span()) counts.stored_bytes += extent.length_bytes;
  counts.sections = {};
  counts.append_features = 0;
  auto committed = pack.Commit(layer, written, counts);
  if (!committed) return Propagate(std::move(committed));
  summary.superblock = *committed;
  summary.index_bytes = committed->index_bytes;
  summary.is_changed = true;
  return {};
}

// Errors of calls name the pack.
Result<GrowthSummary> Named(const GrowingPack& pack, Result<GrowthSummary> grown) {
  const std::string& path = pack.pack().path();
  if (!grown && grown.error().code == ErrorCode::kSystem && !grown.error().message.starts_with(path))
    grown.error().message = fmt::format("{}: {}", path, grown.error().message);
  return grown;
}

class Growth {
 public:
  Growth(GrowingPack& pack, TreeToPack& tree, MergeKind kind, const PackTreeOptions& options, std::string folder)
      : pack_(pack),
        tree_(tree),
        kind_(kind),
        options_(options),
        folder_(std::move(folder)),
        pool_(static_cast<unsigned>(ShareOpenable(options.jobs, kFilesOfThread + 1, kFilesOfIndex))),
        tables_(folder_),
        scanned_(folder_),
        layer_(folder_) {}

  Result<GrowthSummary> Run(const std::string& at) {
    auto found = FindTarget(at);
    if (!found) return Propagate(std::move(found));
    if (auto done = Scan(); !done) return Propagate(std::move(done));
    scanned_.tables = &tables_;
    TreeMerger merger(pack_.index(), kind_, options_.interrupted, scanned_, changes_);
    auto merged = found->name.empty() ? merger.Merge(found->node) : merger.Graft(found->node, found->name);
    if (!merged) return Propagate(std::move(merged));
    GrowthSummary summary = SummaryOf(pack_);
    summary.counts = scan_.counts;
    if (changes_.empty()) return summary;
    Spool<NodeNumber> samples(folder_);
    if (auto found_new = FindNew(samples); !found_new) return Propagate(std::move(found_new));
    summary.written_samples = samples.size();
    const auto written = options_.dry_run ? Result<WrittenSamples>() : WriteNew(samples, summary.compression);
    if (!written) return std::unexpected(written.error());
    options_.progress->phase = PackProgress::Phase::kIndex;
    LayerBuilder builder(pack_.index(), changes_, &scanned_, layer_, folder_, options_.interrupted);
    if (auto built = builder.Build(); !built) return Propagate(std::move(built));
    if (kind_ == MergeKind::kUpdate) {
      summary.after = CountsOf(tables_);
    } else {
      summary.after.Subtract(merger.gone());
      summary.after.Add(builder.added());
    }
    const uint64_t left_out_before = kind_ == MergeKind::kUpdate ? 0 : summary.superblock.left_out;
    summary.superblock.left_out = left_out_before + scan_.counts.left_out;
    summary.superblock.order = options_.order.order;
    summary.superblock.order_seed = options_.order.seed;
    if (options_.interrupted != nullptr && *options_.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    if (options_.dry_run) {
      summary.is_changed = true;
      ++summary.superblock.generation;
      for (const NodeNumber number : samples.span()) options_.on_planned(tables_.PathOf(number));
      return summary;
    }
    if (auto committed = CommitLayer(pack_, layer_, *written, summary); !committed)
      return Propagate(std::move(committed));
    return summary;
  }

 private:
  // A directory of the pack, or where `name` is not empty a new entry of it.
  struct Target {
    NodeNumber node = 0;
    std::string name;
  };

  Result<Target> FindTarget(std::string at) {
    while (at.ends_with('/')) at.pop_back();
    const Index& index = pack_.index();
    const auto node_of = [&](NodeNumber number) { return index.GetNode(number); };
    if (const auto number = ResolvePath(index, at, LastSymlink::kFollow)) {
      const auto node = node_of(*number);
      if (!node) return std::unexpected(node.error());
      if (node->kind != NodeKind::kDirectory)
        return MakeError(ErrorCode::kNotFound, "--at '{}': is no directory of the pack", EscapeName(at));
      return Target{.node = *number, .name = {}};
    } else if (number.error().code != ErrorCode::kNotFound) {
      return std::unexpected(number.error());
    }
    const size_t slash = at.rfind('/');
    const std::string name = slash == at.npos ? at : at.substr(slash + 1);
    const auto folder = ResolvePath(index, slash == at.npos ? "" : at.substr(0, slash), LastSymlink::kFollow);
    const auto node = folder ? node_of(*folder) : std::unexpected(folder.error());
    if (!node || node->kind != NodeKind::kDirectory)
      return MakeError(ErrorCode::kNotFound,
                       "--at '{}': the directory that it would lie in is not in the pack; `quire ls` shows what is "
                       "there",
                       EscapeName(at));
    const std::filesystem::path names(at);
    if (std::ranges::any_of(names, [](const auto& part) { return part == ".."; }))
      return Invalid("--at '{}': a new directory is named from the root, without '..'", EscapeName(at));
    if (const auto fault = FaultOfName(name)) return Invalid("--at '{}': its name {}", EscapeName(at), *fault);
    const auto directory = index.GetDirectory(node->content);
    const auto same = directory ? index.Lookup(*directory, name) : std::unexpected(directory.error());
    if (!same) return std::unexpected(same.error());
    if (*same)
      return MakeError(ErrorCode::kNotFound, "--at '{}': is a symlink that leads to nothing in the pack",
                       EscapeName(at));
    return Target{.node = *folder, .name = name};
  }

  Result<void> Scan() {
    const auto on_unreadable = CountUnreadable();
    const ScanOptions scan{.exclude = options_.exclude,
                           .selection = options_.selection,
                           .own_name = {},
                           .normalisation = options_.normalisation,
                           .on_unreadable = on_unreadable,
                           .on_left_out = options_.on_left_out,
                           .entries_found = &options_.progress->entries_found,
                           .interrupted = options_.interrupted};
    auto scanned = tree_.Scan(scan, pool_, tables_, folder_);
    if (!scanned) return Propagate(std::move(scanned));
    scan_ = *std::move(scanned);
    if (options_.selection != nullptr)
      for (const std::string& path : options_.selection->Missing())
        if (IsPacked(options_, path)) on_unreadable(path, "is not there (--files-from)");
    return unreadable_ == 0 ? Result<void>() : NothingWritten();
  }

  std::function<void(const std::string&, const std::string&)> CountUnreadable() {
    return [this](const std::string& path, const std::string& reason) {
      ++unreadable_;
      options_.on_unreadable(path, reason);
    };
  }

  [[nodiscard]] std::unexpected<Error> NothingWritten() const {
    return MakeError(ErrorCode::kUnreadable, "{} could not be read; the pack is as it was",
                     unreadable_ == 1 ? "an entry" : fmt::format("{} entries", unreadable_));
  }

  // The samples that the pack has not, in the order in which they are packed.
  Result<void> FindNew(Spool<NodeNumber>& samples) {
    Spool<NodeNumber> all(folder_);
    if (auto ordered = OrderSamples(options_.order, tables_, all); !ordered) return ordered;
    for (const NodeNumber number : all.span())
      if (scanned_.fates[number] == kNoNode)
        if (auto added = samples.Append(number); !added) return added;
    return {};
  }

  // `report`: set where they were to be compressed.
  Result<WrittenSamples> WriteNew(const Spool<NodeNumber>& samples, std::optional<CompressionReport>& report) {
    std::vector<Duplicate> duplicates;
    if (options_.deduplicate) {
      options_.progress->phase = PackProgress::Phase::kDeduplicate;
      auto found = FindDuplicates(tables_, samples, scan_.sparse, tree_.samples(), pool_, options_.interrupted);
      if (!found) return Propagate(std::move(found));
      duplicates = *std::move(found);
    }
    if (options_.compression) report.emplace();
    const PackContents contents{.tables = tables_,
                                .samples = samples,
                                .sparse = scan_.sparse,
                                .duplicates = duplicates,
                                .source = tree_.samples()};
    auto written =
        WriteSamples(contents,
                     {.places = pack_.places(),
                      .spool_folder = folder_,
                      .compression = options_.compression ? &*options_.compression : nullptr,
                      .report = report ? &*report : nullptr,
                      .preallocate = [this](uint64_t begin, uint64_t end) { return pack_.Preallocate(begin, end); },
                      .on_unreadable = CountUnreadable(),
                      .progress = options_.progress,
                      .interrupted = options_.interrupted},
                     pool_, pack_.file());
    if (!written && written.error().code == ErrorCode::kUnreadable) return NothingWritten();
    return written;
  }

  GrowingPack& pack_;
  TreeToPack& tree_;
  const MergeKind kind_;
  const PackTreeOptions& options_;
  const std::string folder_;
  WorkerPool pool_;
  IndexTables tables_;  // what was scanned
  uint64_t unreadable_ = 0;
  ScannedTree scan_;
  ScannedChanges scanned_;
  TreeChanges changes_;
  IndexTables layer_;
};

}  // namespace

TreeCounts CountsOf(const Superblock& superblock) {
  return {.samples = superblock.samples,
          .symlinks = superblock.symlinks,
          .hard_links = superblock.hard_links,
          .directories = superblock.tree_directories(),
          .sample_bytes = superblock.sample_bytes};
}

Result<GrowthSummary> GrowPack(GrowingPack& pack, TreeToPack& tree, MergeKind kind, const std::string& at,
                               const PackTreeOptions& options) {
  const std::string own_folder = std::filesystem::path(pack.pack().path()).parent_path();
  const std::string folder = !options.spool_folder.empty() ? options.spool_folder
                             : own_folder.empty()          ? "."
                                                           : own_folder;
  if (auto outside = tree.CheckOutput(options); !outside) return Propagate(std::move(outside));
  if (auto usable = tree.CheckSpoolFolder(options, folder); !usable) return Propagate(std::move(usable));
  return Named(pack, Growth(pack, tree, kind, options, folder).Run(at));
}

namespace {

Result<GrowthSummary> Remove(GrowingPack& pack, std::vector<NodeNumber> numbers, const std::string& spool_folder,
                             const std::atomic<bool>* interrupted) {
  const Index& index = pack.index();
  // What lies below another of them goes with it.
  std::ranges::sort(numbers);
  TreeChanges changes;
  TreeRemoval removal(index, interrupted, changes);
  for (const NodeNumber number : numbers) {
    if (number == 0) return Invalid("'/': is the root, which every pack has");
    bool is_gone = changes.removed.contains(number);
    for (NodeNumber at = number; at != 0 && !is_gone;) {
      const auto parent = index.GetParent(at);
      if (!parent) return std::unexpected(parent.error());
      at = *parent;
      is_gone = changes.removed.contains(at);
    }
    if (is_gone) continue;
    if (auto removed = removal.Remove(number); !removed) return Propagate(std::move(removed));
  }
  if (auto finished = removal.Finish(); !finished) return Propagate(std::move(finished));
  GrowthSummary summary = SummaryOf(pack);
  IndexTables layer(spool_folder);
  LayerBuilder builder(index, changes, nullptr, layer, spool_folder, interrupted);
  if (auto built = builder.Build(); !built) return Propagate(std::move(built));
  summary.after.Subtract(removal.gone());
  summary.after.Add(builder.added());
  if (auto committed = CommitLayer(pack, layer, {}, summary); !committed) return Propagate(std::move(committed));
  return summary;
}

}  // namespace

Result<GrowthSummary> RemoveFromPack(GrowingPack& pack, std::vector<NodeNumber> numbers,
                                     const std::string& spool_folder, const std::atomic<bool>* interrupted) {
  return Named(pack, Remove(pack, std::move(numbers), spool_folder, interrupted));
}

}  // namespace quire
