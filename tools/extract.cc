// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <thread>

#include "format/pack/pack.h"
#include "format/worker_pool.h"
#include "tools/command.h"
#include "tools/extract/extractor.h"
#include "tools/interrupt.h"
#include "tools/pack_source.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  SourceOptions source;
  std::vector<std::string> paths;
  std::string folder;
  // Threads wait for the disk and for locks of folders half of the time; more than 16 wait for the latter alone.
  unsigned jobs = std::clamp(2 * std::thread::hardware_concurrency(), 4U, 16U);
  bool skip_existing = false;
  bool overwrite = false;
  bool keep_going = false;
  std::optional<bool> same_permissions;  // without: for root
  std::optional<bool> same_owner;        // without: for root, as far as it may
  ProgressOptions progress;
};

// What `refused` means for those who have the files now.
const char* Consequence(Refused refused) {
  switch (refused) {
    case Refused::kOwner:
      return "the owners of {} could not be set (first {}); set-user-ID and set-group-ID bits are left out there, and "
             "--no-same-owner says that this is meant";
    case Refused::kMode:
      return "the modes of {} could not be set (first {})";
    case Refused::kXattr:
      return "the extended attributes of {} could not be set (first {})";
    case Refused::kTime:
      return "the modification times of {} could not be set (first {})";
    case Refused::kHardLink:
      return "hard links could not be made for {}, which became files of their own (first {})";
  }
  return "";
}

// Tells what the target could not hold. Whether something of it was asked for by an option.
bool TellRefusals(const Index& index, const AttributeSetter& attributes, const Arguments& arguments,
                  Progress& progress) {
  bool was_asked_for = false;
  for (const Refused refused : {Refused::kOwner, Refused::kMode, Refused::kXattr, Refused::kTime, Refused::kHardLink}) {
    const Refusals refusals = attributes.refusals(refused);
    if (refusals.entries == 0) continue;
    was_asked_for |= refused == Refused::kOwner && arguments.same_owner.value_or(false);
    was_asked_for |= refused == Refused::kMode && arguments.same_permissions.value_or(false);
    const std::string entries = FormatAmount(refusals.entries, "entry", "entries");
    const Error first = AtEntry(index, refusals.first, {ErrorCode::kSystem, 0, refusals.reason});
    progress.PrintLine("quire extract: " + fmt::format(fmt::runtime(Consequence(refused)), entries, first.message));
  }
  return was_asked_for;
}

ProgressState Describe(const ExtractReport& report) {
  if (report.entries_total == 0) return {.what = "reading the index"};
  return {
      .what = "extracting",
      .counts = fmt::format("{} of {} entries", FormatCount(report.entries_done), FormatCount(report.entries_total)),
      .done = report.bytes_done,
      .total = report.bytes_total};
}

// What there is when the extraction ended before all was done.
std::string DescribeRest(const ExtractReport& report, Existing existing) {
  const char* const option = existing == Existing::kOverwrite ? "--overwrite" : "--skip-existing";
  return fmt::format("{} of {} entries are there, each of them whole; {}", FormatCount(report.entries_done),
                     FormatCount(report.entries_total),
                     report.is_ended_by_an_entry()
                         ? fmt::format("{} --keep-going makes the others that can be made", option)
                         : fmt::format("{} goes on from there", option));
}

int RunExtract(const Arguments& arguments) {
  if (arguments.folder.empty()) return Fail("extract", Invalid("-C '': the folder to write to has no name").error());
  const auto pack = OpenSource(arguments.pack, arguments.source, "quire extract");
  if (!pack) return Fail("extract", pack.error());
  const Index& index = (*pack)->index();
  const bool is_root = geteuid() == 0;
  const mode_t mask = umask(0);  // modes are what is asked for
  const ExtractOptions options{
      .folder = arguments.folder,
      .paths = arguments.paths,
      .existing = arguments.overwrite       ? Existing::kOverwrite
                  : arguments.skip_existing ? Existing::kSkip
                                            : Existing::kRefuse,
      .keep_going = arguments.keep_going,
      .jobs = arguments.jobs,
      .attributes = {.owners = arguments.same_owner.value_or(is_root),
                     .all_modes = arguments.same_permissions.value_or(is_root),
                     .umask = mask},
  };
  AttributeSetter attributes(index, options.attributes);
  Progress* shown = nullptr;
  ExtractReport report(index, options.keep_going, CatchInterrupts(),
                       [&](const std::string& fault) { shown->PrintLine("quire extract: " + fault); });
  Progress progress(arguments.progress.mode(), [&] { return Describe(report); });
  shown = &progress;
  const auto begun = Extract(**pack, options, attributes, report);
  if (!begun) {
    progress.PrintLine("quire extract: " + begun.error().message);
    return kExitFailed;
  }
  const bool was_refused = TellRefusals(index, attributes, arguments, progress);
  const auto ended_by = report.ended_by();
  if (ended_by || report.is_interrupted()) {
    // What is there already needs no word about how to go on: its message has it.
    const bool was_there = ended_by && ended_by->system_errno == EEXIST;
    const bool has_begun = report.entries_total > 0 && !was_there;
    progress.PrintLine(fmt::format("quire extract: {}{}", ended_by ? ended_by->message : "interrupted",
                                   has_begun ? "; " + DescribeRest(report, options.existing) : ""));
    return kExitFailed;
  }
  progress.Finish({.what = "extracted",
                   .counts = FormatAmount(report.entries_done, "entry", "entries"),
                   .total = report.bytes_total});
  const bool lacks_members =
      options.paths.empty() &&
      TellLeftOut(**pack, "quire extract", [&](const std::string& line) { progress.PrintLine(line); });
  return report.faults() == 0 && !was_refused && !lacks_members ? kExitOk : kExitFailed;
}

// Two flags that exclude each other.
void AddChoice(Command extract, std::optional<bool>& chosen, const char* yes, const char* yes_means, const char* no,
               const char* no_means) {
  const Option option = extract.AddFlag(yes, [&chosen] { chosen = true; }, yes_means);
  extract.AddFlag(no, [&chosen] { chosen = false; }, no_means).Excludes(option);
}

}  // namespace

void AddExtractCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command extract = program.AddSubcommand("extract", "Write entries of a pack as files");
  extract.Add("PACK", arguments->pack, "Pack to read").Required();
  extract.Add("PATH", arguments->paths,
              "Entries to extract, with all below; '*', '?', '[...]' and '**' match; everything by default");
  extract.Add("-C,--directory", arguments->folder, "Folder to write to; made if it is not there")
      .Required()
      .Type("DIR");
  extract.Add("-j,--jobs", arguments->jobs, "Files written at once").Range(1U, kMaxJobs).ShowDefault().Type("N");
  const Option skip =
      extract.AddFlag("--skip-existing", arguments->skip_existing, "Keep what is there, and go on: continues a run");
  extract.AddFlag("--overwrite", arguments->overwrite, "Replace what is there, but no folders").Excludes(skip);
  extract.AddFlag("-k,--keep-going", arguments->keep_going, "Name each fault and go on; the exit code is still 1");
  AddChoice(extract, arguments->same_permissions, "-p,--same-permissions", "Modes as packed; default for root",
            "--no-same-permissions", "Modes without set-ID and sticky bits, umask applies; default for others");
  AddChoice(extract, arguments->same_owner, "--same-owner", "Owners as packed; default for root, as far as it may",
            "--no-same-owner", "All belongs to who extracts; default for others");
  AddProgressOptions(extract, arguments->progress);
  AddGenerationOption(extract, arguments->source);
  AddSourceOptions(extract, arguments->source);
  extract.SetBody(run, [arguments] { return RunExtract(*arguments); });
}

}  // namespace quire
