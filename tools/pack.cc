// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "cache/remote/remote_object.h"
#include "format/unpack/archive_tree.h"
#include "format/worker_pool.h"
#include "format/write/directory_tree.h"
#include "format/write/packed_tree.h"
#include "format/write/path_list.h"
#include "tools/archive_names.h"
#include "tools/command.h"
#include "tools/compression_options.h"
#include "tools/growing.h"
#include "tools/interrupt.h"
#include "tools/pack_progress.h"
#include "tools/pack_source.h"
#include "tools/progress.h"
#include "tools/progress_options.h"
#include "tools/source_notice.h"

namespace quire {
namespace {

struct Arguments {
  std::string source;  // a directory; empty: not given
  std::string from;    // what else is packed
  SourceOptions from_options;
  std::string output;
  unsigned jobs = kDefaultPackJobs;
  std::string order = "path";
  std::vector<std::string> exclude;
  std::vector<std::string> exclude_from;
  std::string files_from;  // empty: not given
  bool null = false;
  std::string tmp;
  std::string mtime;
  std::string owner;
  bool one_file_system = false;
  bool dry_run = false;
  bool deduplicate = false;
  CompressionOptions compression;
  bool skip_unreadable = false;
  bool force = false;
  bool update = false;
  bool verbose = false;
  ProgressOptions progress;
};

void PrintSummary(const PackSummary& summary, const std::string& output) {
  const Superblock& pack = summary.superblock;
  const ScanCounts& counts = summary.counts;
  fmt::print(
      "{}: {}, {}, {}, {}; {} of samples in {}\n", EscapeName(output), FormatAmount(pack.samples, "sample", "samples"),
      FormatAmount(summary.directories, "directory", "directories"), FormatAmount(pack.symlinks, "symlink", "symlinks"),
      FormatAmount(pack.hard_links, "hard link", "hard links"), FormatBytes(pack.sample_bytes),
      FormatBytes(pack.pack_bytes));
  if (summary.compression) PrintCompression(*summary.compression);
  const auto tell = [](uint64_t count, std::string_view format, std::string_view one, std::string_view many) {
    if (count > 0) fmt::print(fmt::runtime(format), FormatAmount(count, one, many));
  };
  tell(pack.left_out, "{} left out\n", "device, socket or FIFO", "devices, sockets and FIFOs");
  tell(counts.excluded, "{} excluded\n", "entry", "entries");
  tell(counts.other_file_systems, "{} on other file systems packed without what is below\n", "directory",
       "directories");
  tell(counts.access_lists, "access lists of {} left out\n", "entry", "entries");
  tell(counts.narrowed_modes, "modes of {} narrowed to what the access list allowed\n", "entry", "entries");
  tell(counts.labels, "security labels of {} left out\n", "entry", "entries");
  tell(counts.capabilities, "capabilities of {} left out\n", "file", "files");
  tell(counts.other_attributes, "attributes of {} in other namespaces than user left out\n", "entry", "entries");
  tell(counts.clamped_times, "{} before 1901 or after 2486 moved to that limit\n", "modification time",
       "modification times");
}

// The lines of each --exclude-from beside the patterns of --exclude.
Result<void> ReadPatterns(const Arguments& arguments, ExcludePatterns& patterns) {
  for (const std::string& glob : arguments.exclude) patterns.Add(glob, fmt::format("--exclude '{}'", glob));
  for (const std::string& file : arguments.exclude_from) {
    const auto text = ReadList(file);
    if (!text) return SystemError(text.error().system_errno, "--exclude-from {}", file);
    size_t line = 0;
    for (const std::string_view glob : SplitList(*text, false)) {
      ++line;
      if (!glob.empty() && !glob.starts_with('#'))
        patterns.Add(glob, fmt::format("--exclude-from {}, line {}: '{}'", file, line, glob));
    }
  }
  return {};
}

// What the command line says, as values; empty where it says nothing of it.
struct Request {
  SampleOrder order;
  ExcludePatterns exclude;
  std::unique_ptr<PathSelection> selection;
  Normalisation normalisation;
  std::optional<Compression> compression;
};

Result<void> CheckOutput(const Arguments& arguments) {
  if (arguments.output.empty() && !arguments.dry_run) return Invalid("-o '': the pack to write has no name");
  if (arguments.output == "-")
    return Invalid(
        "-o -: a pack cannot go through a pipe, since what tells that it is complete is written last, at its "
        "start; name a file ('./-' for one of that name)");
  const auto uses = std::ranges::count(arguments.exclude_from, "-") + (arguments.files_from == "-" ? 1 : 0) +
                    (arguments.order == "list:-" || arguments.order == "list0:-" ? 1 : 0);
  if (uses > 1) return Invalid("the standard input is one list: '-' stands for it once");
  return {};
}

Result<void> CheckFrom(const Arguments& arguments) {
  const SourceOptions& options = arguments.from_options;
  if (arguments.source.empty() && arguments.from.empty()) return Invalid("--from '': what is to be packed has no name");
  if (!arguments.source.empty() &&
      (!options.volumes.empty() || !options.index.empty() || options.beside || options.generation > 0))
    return Invalid("--volumes, --index, --beside and --generation are for what --from names");
  if (arguments.source.empty() && arguments.one_file_system)
    return Invalid("--one-file-system is for a directory: what --from names lies on none");
  return {};
}

// What an update cannot do, and why.
Result<void> CheckUpdate(const Arguments& arguments) {
  if (!arguments.update) return {};
  if (arguments.source.empty()) return Invalid("--update is for a directory, whose files tell what has changed");
  if (!arguments.mtime.empty())
    return Invalid("--update and --mtime: by the modification time it is told what has changed");
  if (arguments.output.empty()) return Invalid("--update: -o names the pack that is made what {} is", arguments.source);
  for (const auto& [is_given, option] :
       {std::pair(arguments.skip_unreadable, "--skip-unreadable"), std::pair(arguments.force, "--force")})
    if (is_given) return Invalid("--update and {} do not go together", option);
  return {};
}

Result<void> Interpret(const Arguments& arguments, Request& request) {
  if (auto usable = CheckUpdate(arguments); !usable) return usable;
  if (auto usable = CheckFrom(arguments); !usable) return usable;
  if (auto usable = CheckOutput(arguments); !usable) return usable;
  auto order = ParseSampleOrder(arguments.order);
  if (!order) return Propagate(std::move(order));
  request.order = std::move(*order);
  if (!arguments.mtime.empty()) {
    const auto mtime = ParseMtime(arguments.mtime);
    if (!mtime) return std::unexpected(mtime.error());
    request.normalisation.mtime = *mtime;
  }
  if (!arguments.owner.empty())
    if (auto parsed = ParseOwner(arguments.owner, request.normalisation); !parsed) return parsed;
  const auto compression = ChooseCompression(arguments.compression);
  if (!compression) return std::unexpected(compression.error());
  request.compression = *compression;
  if (auto read = ReadPatterns(arguments, request.exclude); !read) return read;
  if (arguments.files_from.empty()) return {};
  auto list = ReadList(arguments.files_from);
  if (!list) return SystemError(list.error().system_errno, "--files-from {}", arguments.files_from);
  auto selection = PathSelection::Parse(std::move(*list), arguments.null, "--files-from " + arguments.files_from);
  if (!selection) return Propagate(std::move(selection));
  request.selection = std::move(*selection);
  return {};
}

// Where temporary files lie that have no pack to lie beside.
std::string DefaultTmp() {
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && folder[0] != '\0' ? folder : "/var/tmp";
}

// Tells what the archives have and a pack does not hold: a hostile one has no end of it.
class ArchiveNotices {
 public:
  void Tell(const std::string& archive, std::string_view member, std::string_view reason) {
    if (++told_ > kMost) return;
    const char* const colon = archive.empty() || member.empty() ? "" : ": ";
    print(told_ == kMost
              ? "further notices about the archive are left out"
              : fmt::format("{}{}{}: {}", EscapeName(archive), colon, EscapeName(member), EscapeLine(reason)));
  }
  [[nodiscard]] uint64_t told() const { return told_; }
  std::function<void(const std::string& sentence)> print;  // set before the tree is used

 private:
  static constexpr uint64_t kMost = 1000;
  uint64_t told_ = 0;
};

// What the tree reads, and what it tells to.
struct TreeParts {
  std::unique_ptr<Pack> from;  // of the tree of a pack
  PackProgress counters;
  ArchiveNotices notices;
};

// `parts` outlive the tree.
Result<void> OpenTree(const Arguments& arguments, TreeParts& parts, std::unique_ptr<TreeToPack>& tree) {
  if (arguments.from.empty()) {
    auto directory = DirectoryTree::Open(arguments.source, arguments.one_file_system);
    if (!directory) return Propagate(std::move(directory));
    tree = *std::move(directory);
    return {};
  }
  const auto is_archive = [&] {
    if (IsUrl(arguments.from)) return false;
    const auto pack = Pack::Open(arguments.from);
    return !pack && pack.error().code != ErrorCode::kUnsupported;
  };
  if (is_archive()) {
    auto archives = ExpandArchives(arguments.from);
    if (!archives) return Propagate(std::move(archives));
    const auto is_unpacked = ArchiveTree::IsNeededFor(*archives);
    if (!is_unpacked) return std::unexpected(is_unpacked.error());
    if (*is_unpacked) {
      tree = std::make_unique<ArchiveTree>(
          *std::move(archives),
          [&notices = parts.notices](const std::string& archive, std::string_view member, std::string_view reason) {
            notices.Tell(archive, member, reason);
          },
          parts.counters);
      return {};
    }
  }
  auto opened = OpenSource(arguments.from, arguments.from_options, "quire pack", arguments.progress.mode());
  if (!opened) return Propagate(std::move(opened));
  parts.from = *std::move(opened);
  tree = std::make_unique<PackedTree>(*parts.from);
  return {};
}

int RunUpdate(const Arguments& arguments, Request& request) {
  return RunGrowing({.command = "pack",
                     .pack = arguments.output,
                     .source = arguments.source,
                     .one_file_system = arguments.one_file_system,
                     .kind = MergeKind::kUpdate,
                     .compression = arguments.compression,
                     .names_left_out = arguments.verbose,
                     .progress = arguments.progress},
                    {.output = arguments.output,
                     .jobs = arguments.jobs,
                     .order = std::move(request.order),
                     .exclude = &request.exclude,
                     .selection = request.selection.get(),
                     .normalisation = request.normalisation,
                     .spool_folder = arguments.tmp,
                     .dry_run = arguments.dry_run,
                     .deduplicate = arguments.deduplicate,
                     .on_unreadable = {},
                     .on_planned = PrintPlanned,
                     .progress = nullptr});
}

int RunPack(const Arguments& arguments) {
  Request request;
  if (auto interpreted = Interpret(arguments, request); !interpreted) return Fail("pack", interpreted.error());
  // Where there is no pack yet, all is new.
  if (arguments.update && access(arguments.output.c_str(), F_OK) == 0) return RunUpdate(arguments, request);
  TreeParts parts;
  std::unique_ptr<TreeToPack> tree;
  if (auto opened = OpenTree(arguments, parts, tree); !opened) return Fail("pack", opened.error());
  PackProgress& counters = parts.counters;
  Progress progress(arguments.progress.mode(), [&] { return DescribeProgress(counters); });
  const auto print_notice = [&](const std::string& notice) {
    if (!arguments.progress.quiet) progress.PrintLine(fmt::format("quire pack: {}", notice));
  };
  parts.notices.print = [&](const std::string& sentence) {
    progress.PrintLine(fmt::format("quire pack: {}", sentence));
  };
  if (arguments.from.empty())
    if (const auto notice = NoticeAboutSource(arguments.source)) print_notice(*notice);
  const PackTreeOptions options{
      .output = arguments.output,
      .jobs = arguments.jobs,
      .order = std::move(request.order),
      .exclude = &request.exclude,
      .selection = request.selection.get(),
      .normalisation = request.normalisation,
      .spool_folder = arguments.tmp.empty() && arguments.output.empty() ? DefaultTmp() : arguments.tmp,
      .dry_run = arguments.dry_run,
      .deduplicate = arguments.deduplicate,
      .compression = request.compression,
      .skip_unreadable = arguments.skip_unreadable,
      .rest_hint = "--skip-unreadable",
      .replace = arguments.force,
      .on_unreadable =
          [&](const std::string& path, const std::string& reason) {
            progress.PrintLine(fmt::format("quire pack: {}: {}", EscapeName(path), reason));
          },
      .on_planned = PrintPlanned,
      .on_left_out =
          [&](const std::string& path, std::string_view reason) {
            if (arguments.verbose) print_notice(fmt::format("{}: left out: {}", EscapeName(path), reason));
          },
      .on_leftover = [&](const std::string& sentence) { print_notice(EscapeLine(sentence)); },
      .progress = &counters,
      .interrupted = CatchInterrupts()};
  const auto summary = PackTree(*tree, options);
  if (!summary) {
    progress.PrintLine(fmt::format("quire pack: {}", summary.error().code == ErrorCode::kInterrupted
                                                         ? "interrupted, nothing was written"
                                                         : summary.error().message));
    return summary.error().code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
  }
  progress.Finish({.what = arguments.dry_run ? "looked through" : "packed",
                   .counts = FormatAmount(counters.samples_total, "sample", "samples"),
                   .total = counters.bytes_total});
  for (const std::string& unmatched : request.exclude.Unmatched()) progress.PrintLine("quire pack: " + unmatched);
  if (!arguments.progress.quiet)
    PrintSummary(*summary, arguments.dry_run ? "nothing written (dry run)" : arguments.output);
  const bool lacks_members =
      parts.from != nullptr &&
      TellLeftOut(*parts.from, "quire pack", [&](const std::string& line) { progress.PrintLine(line); });
  if (parts.notices.told() > 0)
    progress.PrintLine(fmt::format("quire pack: the pack is without {} of the archives",
                                   FormatAmount(parts.notices.told(), "thing", "things")));
  if (summary->unreadable > 0)
    progress.PrintLine(fmt::format("quire pack: the pack is without {} that could not be read",
                                   FormatAmount(summary->unreadable, "entry", "entries")));
  return summary->unreadable == 0 && parts.notices.told() == 0 && !lacks_members ? kExitOk : kExitFailed;
}

}  // namespace

void AddPackCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command pack = program.AddSubcommand("pack", "Pack a directory, or what an archive holds, into one file");
  const Option source = pack.Add("SRC", arguments->source, "Directory to pack").Required();
  Option output =
      pack.Add("-o,--output", arguments->output, "Pack to write, by convention NAME.quire; a symlink is followed")
          .Required()
          .Type("OUT");
  pack.Add("--from", arguments->from,
           "Pack what another pack holds, an archive of any kind or a pattern of them, in place of a directory")
      .Type("PACK")
      .Replaces(source);
  pack.Add("-j,--jobs", arguments->jobs, "Files read at once; the pack is the same for any number")
      .Range(1U, kMaxJobs)
      .ShowDefault()
      .Type("N");
  pack.Add("--order", arguments->order,
           "Order of the samples in the pack: path, shuffle:SEED, list:FILE (paths below SRC, one a line) or "
           "list0:FILE (separated by NUL)")
      .ShowDefault()
      .Type("ORDER");
  pack.Add("--exclude", arguments->exclude,
           "Leave out what matches, with all below it; without '/' compared with the name, else with the path "
           "below SRC, where '**' is any number of directories; one that ends in '/' is for directories; "
           "repeatable")
      .Type("GLOB")
      .OneWord();
  pack.Add("--exclude-from", arguments->exclude_from,
           "Leave out what the lines of FILE match, but for lines that begin with '#'; repeatable")
      .Type("FILE")
      .OneWord();
  const Option files_from =
      pack.Add("--files-from", arguments->files_from,
               "Pack what FILE lists only: paths below SRC, one a line, directories with all below them; '-' or "
               "nothing is the standard input")
          .Type("FILE")
          .ValueOr("-");
  pack.AddFlag("-0,--null", arguments->null, "The list of --files-from is separated by NUL").Needs(files_from);
  pack.AddFlag("-x,--one-file-system", arguments->one_file_system,
               "Pack directories on other file systems without what is below them");
  pack.Add("--mtime", arguments->mtime,
           "Modification time of every entry: @SECONDS, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ")
      .Type("TIME");
  pack.Add("--owner", arguments->owner, "UID:GID of every entry, as numbers").Type("UID:GID");
  pack.Add("--tmp", arguments->tmp,
           "Where temporary files lie, about 150 bytes an entry, and what an archive is unpacked to; default: beside "
           "OUT")
      .Type("DIR");
  const auto plan_only = [arguments, output]() mutable {
    arguments->dry_run = true;
    output.Required(false);
  };
  pack.AddFlag("-n,--dry-run", plan_only,
               "List what would be packed, and say how large the pack would be; needs no OUT");
  const Option compress = pack.Add("--compress", arguments->compression.compress,
                                   "Compress what gets smaller by it: zstd, or zstd:LEVEL from 1 to 19 (default 3); "
                                   "small samples up to 64 KiB together")
                              .Type("zstd[:LEVEL]|none");
  const Option alone = pack.AddFlag("--alone", arguments->compression.is_each_alone,
                                    "Compress small samples each alone, which takes more room: damage harms one only")
                           .Needs(compress);
  pack.Add("--dict", arguments->compression.dictionaries,
           "Dictionaries for small samples of a kind: auto, none, or the size of each, up to 128K")
      .ShowDefault()
      .Type("auto|none|SIZE")
      .Needs(alone);
  pack.AddFlag("--dedup", arguments->deduplicate, "Store samples of equal content once (reads candidates twice)");
  pack.AddFlag("--skip-unreadable", arguments->skip_unreadable,
               "Write the pack without what cannot be read; the exit code is still 1");
  pack.AddFlag("--update", arguments->update,
               "Make OUT, where it is there, what SRC is now, as a new generation: only what has another size or "
               "modification time is read; what vanished is no more in it");
  pack.AddFlag("-f,--force", arguments->force, "Replace OUT if it exists");
  pack.AddFlag("-v,--verbose", arguments->verbose, "Name each entry that is left out");
  AddProgressOptions(pack, arguments->progress);
  AddGenerationOption(pack, arguments->from_options);
  AddSourceOptions(pack, arguments->from_options);
  pack.SetBody(run, [arguments] { return RunPack(*arguments); });
}

}  // namespace quire
