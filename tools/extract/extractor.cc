// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/extractor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "format/open_files.h"
#include "format/worker_pool.h"
#include "tools/disk_reader.h"
#include "tools/extract/entry_patterns.h"
#include "tools/extract/extract_plan.h"
#include "tools/extract/folder_maker.h"
#include "tools/extract/further_names.h"
#include "tools/extract/new_file.h"
#include "tools/extract/sample_copy.h"
#include "tools/extract/target_tree.h"

namespace quire {
namespace {

// A thread has a file and its folder open, the same of a large sample that it is in, and two folders on the way to one.
constexpr size_t kFilesOfThread = 6;
// The folders that are made or linked in.
constexpr size_t kFilesOfOthers = 2;

// What `paths` mean. Those that mean nothing are faults, all of which are told before the work begins.
std::vector<NodeNumber> FindTops(const Index& index, const std::vector<std::string>& paths, ExtractReport& report) {
  if (paths.empty()) return {0};
  std::vector<NodeNumber> tops;
  for (const std::string& path : paths) {
    const auto found = FindEntries(index, path);
    if (found)
      tops.insert(tops.end(), found->begin(), found->end());
    else
      report.Fault(found.error());
  }
  return tops;
}

// What is there stays as it is.
Result<void> MakeTop(const std::string& folder, mode_t mode) {
  if (mkdir(folder.c_str(), mode) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return SystemError(errno, "{}", folder);
  const auto parent = std::filesystem::path(folder + "/").lexically_normal().parent_path().parent_path();
  if (access(parent.empty() ? "." : parent.c_str(), F_OK) == 0)
    return MakeError(ErrorCode::kSystem, "{}: no folder can be made there", folder);  // in /proc, say
  return std::unexpected(Error{ErrorCode::kSystem, ENOENT,
                               fmt::format("{}: there is no folder {}; make it first, or name another", folder,
                                           parent.empty() ? "." : parent.string())});
}

}  // namespace

Result<void> Extract(const Pack& pack, const ExtractOptions& options, AttributeSetter& attributes,
                     ExtractReport& report) {
  const Index& index = pack.index();
  const auto tops = FindTops(index, options.paths, report);
  if (report.is_ended() || tops.empty()) return {};
  // Where the root is extracted, its folder is finished like all others.
  const bool has_root = std::ranges::find(tops, NodeNumber{0}) != tops.end();
  const mode_t mode = has_root ? kUnfinishedFolderMode : 0777 & ~options.attributes.umask;
  if (auto made = MakeTop(options.folder, mode); !made) return made;
  auto top = File::Open(options.folder, O_PATH | O_DIRECTORY);
  if (!top) return Propagate(std::move(top));
  const auto disk = DiskReader::Open(pack, options.jobs);
  if (!disk) return std::unexpected(disk.error());

  const ExtractPlan plan = MakeExtractPlan(index, tops, [&](NodeNumber place, Error error) {
    report.Fault(place, std::move(error));
    return !report.is_ended();
  });
  report.entries_total = plan.entries + plan.directories.size() - (has_root ? 1 : 0);
  report.bytes_total = plan.bytes;
  SampleCopy copy(pack, **disk);
  const size_t jobs = std::clamp<size_t>(plan.tasks.size(), 1, options.jobs);
  WorkerPool pool(static_cast<unsigned>(ShareOpenable(jobs, kFilesOfThread, kFilesOfOthers)));
  const size_t open_folders =
      ShareOpenable(TargetTree::kMaxOpenFolders, 1, kFilesOfThread * pool.size() + kFilesOfOthers);
  TargetTree tree(index, *std::move(top), open_folders);
  FileMaker files;
  const ExtractTools tools{.index = index,
                           .copy = copy,
                           .tree = tree,
                           .files = files,
                           .attributes = attributes,
                           .report = report,
                           .existing = options.existing};
  FolderMaker folders(tools, options.attributes.umask);
  folders.MakeParents(tops, plan.directories);
  folders.Make(plan.directories);
  EntryWriter writer(tools, plan);
  const auto ended = pool.ForEach(plan.tasks.size(), [&](uint64_t number) -> Result<void> {
    if (report.is_ended()) return MakeError(ErrorCode::kInterrupted, "ended");
    writer.Run(plan.tasks[number]);
    return {};
  });
  if (!ended || report.is_ended()) return {};
  MakeFurtherNames(tools, plan, writer);
  if (!report.is_ended()) folders.Complete();
  return {};
}

}  // namespace quire
