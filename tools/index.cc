// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "format/import/archive_indexer.h"
#include "format/worker_pool.h"
#include "tools/archive_names.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

constexpr const char* kMerged = "merged";
constexpr const char* kShards = "shards";
constexpr const char* kWebDataset = "webdataset";

struct Arguments {
  std::vector<std::string> sources;
  std::string output;
  std::string layout = kMerged;
  std::string sample_template = std::string(kDefaultSampleTemplate);
  std::string group;
  std::string tmp;
  unsigned jobs = kDefaultIndexJobs;
  bool sums = false;
  bool force = false;
  ProgressOptions progress;
};

ProgressState Describe(const IndexProgress& progress, size_t archives) {
  const uint64_t total = progress.bytes_total;
  if (total > 0) return {.what = "reading members for their sums", .done = progress.bytes_done, .total = total};
  return {.what = "indexing",
          .counts = FormatAmount(progress.members, "member", "members"),
          .done = progress.archives_done,
          .total = archives,
          .is_bytes = false};
}

// The archives that the words name, each once.
Result<std::vector<ArchiveToIndex>> FindArchives(const Arguments& arguments) {
  std::vector<ArchiveToIndex> archives;
  std::set<std::string> tops;
  for (const std::string& word : arguments.sources) {
    const auto files = ExpandArchives(word);
    if (!files) return std::unexpected(files.error());
    for (const std::string& file : *files) {
      const std::string top = arguments.layout == kShards ? std::filesystem::path(file).stem().native() : "";
      if (!top.empty() && !tops.insert(top).second)
        return Invalid("'{}': two archives would have the folder '{}'; index them one by one", file, top);
      archives.push_back({.path = file, .top = top});
    }
  }
  return archives;
}

int RunIndex(const Arguments& arguments) {
  const auto archives = FindArchives(arguments);
  if (!archives) return Fail("index", archives.error());
  IndexProgress counters;
  Progress progress(arguments.progress.mode(), [&] { return Describe(counters, archives->size()); });
  const IndexArchivesOptions options{
      .archives = *archives,
      .output = arguments.output,
      .spool_folder = arguments.tmp,
      .sample_template = arguments.sample_template,
      .jobs = arguments.jobs,
      .sums = arguments.sums,
      .replace = arguments.force,
      .check_samples = arguments.group == kWebDataset,
      .on_fault =
          [&](const std::string& archive, std::string_view member, std::string_view reason) {
            const char* const colon = archive.empty() || member.empty() ? "" : ": ";
            progress.PrintLine(fmt::format("quire index: {}{}{}: {}", EscapeName(archive), colon, EscapeName(member),
                                           EscapeLine(reason)));
          },
      .on_leftover =
          [&](const std::string& sentence) {
            if (!arguments.progress.quiet) progress.PrintLine(fmt::format("quire index: {}", EscapeLine(sentence)));
          },
      .progress = &counters,
      .interrupted = CatchInterrupts()};
  const auto summary = IndexArchives(options);
  if (!summary) {
    progress.PrintLine(fmt::format("quire index: {}", summary.error().code == ErrorCode::kInterrupted
                                                          ? "interrupted, nothing was written"
                                                          : EscapeLine(summary.error().message)));
    return summary.error().code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
  }
  progress.Finish({.what = "indexed", .counts = FormatAmount(counters.members, "member", "members")});
  const Superblock& pack = summary->superblock;
  if (!arguments.progress.quiet)
    fmt::print(
        "{}: {} of {}, {}, {}, {}; {} of samples stay where they are, the index has {}\n", EscapeName(arguments.output),
        FormatAmount(pack.samples, "sample", "samples"), FormatAmount(archives->size(), "archive", "archives"),
        FormatAmount(summary->directories, "directory", "directories"),
        FormatAmount(pack.symlinks, "symlink", "symlinks"), FormatAmount(pack.hard_links, "hard link", "hard links"),
        FormatBytes(pack.sample_bytes), FormatBytes(pack.pack_bytes));
  if (summary->faults == 0) return kExitOk;
  if (summary->faults > options.fault_limit)
    progress.PrintLine(
        fmt::format("quire index: {} more were not told", FormatCount(summary->faults - options.fault_limit)));
  if (pack.left_out > 0)
    progress.PrintLine(fmt::format("quire index: the index is without {} of the archives",
                                   FormatAmount(pack.left_out, "thing", "things")));
  if (summary->faults > pack.left_out)
    progress.PrintLine(
        fmt::format("quire index: {} would be no whole sample of a WebDataset; the index has them as they are",
                    FormatAmount(summary->faults - pack.left_out, "key or name", "keys or names")));
  return kExitFailed;
}

}  // namespace

void AddIndexCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command index = program.AddSubcommand("index", "Index archives, so that they can be mounted as they are");
  index
      .Add("SRC", arguments->sources,
           "Archives (tar, zip, .beton); 'a-{000..146}.tar' and 'a-*.tar' name several, in quotes where a shell would "
           "expand them")
      .Required();
  index
      .Add("-o,--output", arguments->output,
           "Index to write, by convention NAME.quire; beside the archives, both can "
           "be moved together")
      .Required()
      .Type("OUT");
  index.Add("--layout", arguments->layout, "merged: all archives make one tree; shards: a folder each, named as it is")
      .OneOf({kMerged, kShards})
      .ShowDefault();
  index.Add("--template", arguments->sample_template, "Names of the files of a .beton: {index:08d} and {field}")
      .ShowDefault()
      .Type("NAME");
  index
      .Add("--group", arguments->group,
           "webdataset: name keys whose members stand in several shards or apart in one, and names without a key")
      .OneOf({kWebDataset});
  index.AddFlag("--sums", arguments->sums, "Read all bytes, and keep a sum of each member, as a pack has them");
  index.Add("-j,--jobs", arguments->jobs, "Archives read at once").Range(1U, kMaxJobs).ShowDefault().Type("N");
  index.Add("--tmp", arguments->tmp, "Where temporary files lie, about 300 bytes a member; default: beside OUT")
      .Type("DIR");
  index.AddFlag("-f,--force", arguments->force, "Replace OUT if it exists");
  AddProgressOptions(index, arguments->progress);
  index.SetBody(run, [arguments] { return RunIndex(*arguments); });
}

}  // namespace quire
