// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/remote/remote_object.h"
#include "format/file.h"
#include "format/import/left_out.h"
#include "format/import/pack_merger.h"
#include "format/write/leftovers.h"
#include "format/write/packed_tree.h"
#include "tools/archive_names.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::vector<std::string> packs;
  std::string output;
  std::vector<std::string> at;
  bool copy = false;
  VolumePlaces volumes;
  unsigned jobs = kDefaultPackJobs;
  std::string tmp;
  bool force = false;
  ProgressOptions progress;
};

// "a/b" as the names of its folders.
Result<std::vector<std::string>> SplitFolder(const std::string& folder, const std::string& option) {
  std::vector<std::string> names;
  for (const fs::path& part : fs::path(folder)) {
    const std::string& name = part.native();
    if (name.empty() || name == "/") continue;  // at the ends
    if (const auto fault = FaultOfName(name)) return Invalid("--at {}: '{}' {}", option, name, *fault);
    names.push_back(name);
  }
  if (names.empty()) return Invalid("--at {}: the folder has no name", option);
  return names;
}

// Whether `word` of an option means the pack at `path`: by its path, its name, or that without '.quire'.
bool Means(const std::string& word, const std::string& path) {
  const fs::path file = path;
  return word == path || word == file.filename() || word == file.stem();
}

// Sets where the pack lies that `option`, "PACK=FOLDER", names.
Result<void> Place(const std::string& option, std::vector<PackToMerge>& packs) {
  // A folder's name may have a '=' as a pack's may: the pack is what stands before the first one that names any.
  for (size_t equals = option.find('='); equals != option.npos; equals = option.find('=', equals + 1)) {
    const std::string word = option.substr(0, equals);
    std::vector<PackToMerge*> meant;
    for (PackToMerge& pack : packs)
      if (Means(word, pack.path)) meant.push_back(&pack);
    // What is the whole path of one may be the name of another.
    if (std::ranges::find(packs, word, &PackToMerge::path) != packs.end())
      std::erase_if(meant, [&](const PackToMerge* pack) { return pack->path != word; });
    if (meant.size() > 1)
      return Invalid("--at {}: '{}' and '{}' are both named so", option, meant[0]->path, meant[1]->path);
    if (meant.empty()) continue;
    if (!meant.front()->top.empty()) return Invalid("--at {}: '{}' has a folder already", option, meant.front()->path);
    auto top = SplitFolder(option.substr(equals + 1), option);
    if (!top) return Propagate(std::move(top));
    meant.front()->top = *std::move(top);
    return {};
  }
  return Invalid("--at {}: it begins with none of the packs and '=': PACK=FOLDER is wanted", option);
}

Result<std::vector<PackToMerge>> FindPacks(const Arguments& arguments) {
  std::vector<PackToMerge> packs;
  for (const std::string& word : arguments.packs) {
    if (IsUrl(word)) return Invalid("'{}': a pack by URL cannot be merged; `quire fetch` brings it here", word);
    const auto files = ExpandArchives(word);
    if (!files) return std::unexpected(files.error());
    for (const std::string& file : *files) packs.push_back({.path = file, .top = {}});
  }
  for (const std::string& option : arguments.at)
    if (auto placed = Place(option, packs); !placed) return Propagate(std::move(placed));
  return packs;
}

// The bytes of what `index`, which has no name, makes one of, as a pack.
Result<PackSummary> CopyMerged(const Arguments& arguments, const OutputFile& index, const VolumePlaces& places,
                               const std::string& spool_folder, Progress& progress, PackProgress& counters) {
  auto merged = Pack::Open(ProcPath(index.file().fd()));
  if (!merged) return Propagate(std::move(merged));
  (*merged)->OpenVolumes(places);
  PackedTree tree(**merged);
  const PackTreeOptions options{
      .output = arguments.output,
      .jobs = arguments.jobs,
      .order = {},
      .spool_folder = spool_folder,
      .replace = arguments.force,
      .on_unreadable =
          [&](const std::string& path, const std::string& reason) {
            progress.PrintLine(fmt::format("quire merge: {}: {}", EscapeName(path), EscapeLine(reason)));
          },
      .progress = &counters,
      .interrupted = InterruptFlag()};
  return PackTree(tree, options);
}

std::string Summarize(const Superblock& pack, uint64_t directories) {
  return fmt::format("{}, {}, {}, {}", FormatAmount(pack.samples, "sample", "samples"),
                     FormatAmount(directories, "directory", "directories"),
                     FormatAmount(pack.symlinks, "symlink", "symlinks"),
                     FormatAmount(pack.hard_links, "hard link", "hard links"));
}

// False where the output is a copy of what lacks members of archives, which it does not tell itself.
Result<bool> Merge(const Arguments& arguments, Progress& progress, std::atomic<uint64_t>& entries,
                   PackProgress& copied) {
  const auto packs = FindPacks(arguments);
  if (!packs) return std::unexpected(packs.error());
  auto output = OutputFile::Create(arguments.output, arguments.force);
  if (!output) return Propagate(std::move(output));
  const std::string spool_folder = arguments.tmp.empty() ? (*output)->folder() : arguments.tmp;
  for (const std::string& sentence : RemoveLeftovers({(*output)->folder(), spool_folder}))
    if (!arguments.progress.quiet) progress.PrintLine(fmt::format("quire merge: {}", EscapeLine(sentence)));
  const auto merged = MergePacks({.packs = *packs,
                                  .output = arguments.output,
                                  .places = arguments.volumes,
                                  .spool_folder = spool_folder,
                                  .are_locations_absolute = arguments.copy,
                                  .entries = &entries,
                                  .interrupted = CatchInterrupts()},
                                 **output);
  if (!merged) return std::unexpected(merged.error());
  const auto left_out = DescribeLeftOut(merged->superblock);
  if (left_out) progress.PrintLine(fmt::format("quire merge: {}", *left_out));
  const std::string summary = Summarize(merged->superblock, merged->directories);
  if (!arguments.copy) {
    if (auto named = (*output)->Commit(); !named) return Propagate(std::move(named));
    progress.Finish({.what = "merged", .counts = FormatAmount(entries, "entry", "entries")});
    if (arguments.progress.quiet) return true;
    fmt::print("{}: {} of {}; {} stay where they are, the index has {}\n", EscapeName(arguments.output), summary,
               FormatAmount(packs->size(), "pack", "packs"), FormatBytes(merged->superblock.sample_bytes),
               FormatBytes(merged->superblock.pack_bytes));
    if (merged->outside > 0)
      progress.PrintLine(
          fmt::format("quire merge: {} not in the folder of {} or below: name their folder by the mount "
                      "option volumes= (--volumes of other commands)",
                      FormatAmount(merged->outside, "file lies", "files lie"), EscapeName(arguments.output)));
    return true;
  }
  VolumePlaces places = arguments.volumes;
  for (const PackToMerge& pack : *packs) {
    std::error_code error;
    places.push_back(fs::canonical(pack.path, error).parent_path());
  }
  const auto pack = CopyMerged(arguments, **output, places, spool_folder, progress, copied);
  if (!pack) return std::unexpected(pack.error());
  progress.Finish({.what = "merged", .counts = FormatAmount(entries, "entry", "entries")});
  if (!arguments.progress.quiet)
    fmt::print("{}: {}; {} of samples in {}\n", EscapeName(arguments.output), summary,
               FormatBytes(pack->superblock.sample_bytes), FormatBytes(pack->superblock.pack_bytes));
  return !left_out;
}

int RunMerge(const Arguments& arguments) {
  std::atomic<uint64_t> entries = 0;
  PackProgress copied;
  Progress progress(arguments.progress.mode(), [&]() -> ProgressState {
    if (const uint64_t total = copied.bytes_total; total > 0)
      return {.what = "copying", .done = copied.bytes_done, .total = total};
    return {.what = "merging", .counts = FormatAmount(entries, "entry", "entries")};
  });
  const auto merged = Merge(arguments, progress, entries, copied);
  if (merged) return *merged ? kExitOk : kExitFailed;
  progress.PrintLine(fmt::format("quire merge: {}", merged.error().code == ErrorCode::kInterrupted
                                                        ? "interrupted, nothing was written"
                                                        : EscapeLine(merged.error().message)));
  return merged.error().code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
}

}  // namespace

void AddMergeCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command merge = program.AddSubcommand("merge", "See several packs as one");
  merge
      .Add("PACK", arguments->packs,
           "Packs, or indexes of archives; 'part-{00..07}.quire' and 'part-*.quire' name several")
      .Required();
  merge
      .Add("-o,--output", arguments->output,
           "Pack to write; without --copy an index, which beside the packs can be moved with them")
      .Required()
      .Type("OUT");
  merge
      .Add("--at", arguments->at,
           "PACK=FOLDER: the folder in which the tree of a pack lies, else the top; PACK as above or its name without "
           "'.quire'; repeatable")
      .OneWord()
      .Type("PACK=FOLDER");
  const Option copy =
      merge.AddFlag("--copy", arguments->copy, "Copy all samples to OUT, which needs the packs no more");
  merge.Add("--volumes", arguments->volumes, "An archive, or a folder of them, outside of its index's folder")
      .OneWord()
      .Type("PATH");
  merge.Add("-j,--jobs", arguments->jobs, "Samples that are copied at once")
      .Range(1U, kMaxJobs)
      .ShowDefault()
      .Type("N")
      .Needs(copy);
  merge.Add("--tmp", arguments->tmp, "Where temporary files lie, about 150 bytes an entry; default: beside OUT")
      .Type("DIR");
  merge.AddFlag("-f,--force", arguments->force, "Replace OUT if it exists");
  AddProgressOptions(merge, arguments->progress);
  merge.SetBody(run, [arguments] { return RunMerge(*arguments); });
}

}  // namespace quire
