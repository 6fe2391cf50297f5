// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "format/pack/pack.h"
#include "fs/options/byte_size.h"
#include "tools/command.h"
#include "tools/export/archive_output.h"
#include "tools/export/export_plan.h"
#include "tools/export/exporter.h"
#include "tools/extract/extract_report.h"
#include "tools/interrupt.h"
#include "tools/pack_source.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

constexpr const char* kStdout = "-";
// Each holds a task, of 1 to 3 MiB of samples: 64 MiB at most, and pipes and disks are full before that.
constexpr unsigned kLeastJobs = 4;
constexpr unsigned kMostJobs = 16;

struct Arguments {
  std::string pack;
  SourceOptions source;
  std::string to = "tar";
  std::string output;
  std::string format = "pax";
  std::string order = "pack";
  std::string shard_size = "1GiB";
  uint64_t shard_count = 0;
  bool force = false;
  bool keep_going = false;
  ProgressOptions progress;
};

struct Request {
  ExportPlanOptions plan;
  ArchiveOutput output;
  bool is_to_stdout = false;
};

Result<void> ParseOrder(const std::string& text, ExportPlanOptions& plan) {
  const auto take_list = [&](std::string_view prefix) {
    if (!text.starts_with(prefix) || text.size() == prefix.size()) return false;
    plan.order = ExportOrder::kList;
    plan.list_file = text.substr(prefix.size());
    return true;
  };
  if (text == "path")
    plan.order = ExportOrder::kPath;
  else if (text == "pack")
    plan.order = ExportOrder::kPack;
  else if (take_list("list0:"))
    plan.nul_separated = true;
  else if (!take_list("list:"))
    return Invalid("--order {}: it is path, pack, list:FILE or list0:FILE", text);
  return {};
}

Result<void> ParseForm(const Arguments& arguments, Request& request) {
  const bool names_file = !arguments.output.empty() && arguments.output != kStdout;
  if (arguments.to == "tar") {
    if (names_file)
      request.output = ArchiveOutput(ArchiveNames(arguments.output), arguments.force);
    else if (isatty(STDOUT_FILENO) != 0)
      return Invalid("standard output is a terminal, which shows no archive: name a file with -o, or use a pipe");
    request.is_to_stdout = !names_file;
    return {};
  }
  if (arguments.to == "dir")
    return Invalid("--to dir: files in a folder are what 'quire extract {} -C DIR' makes", arguments.pack);
  if (arguments.to != "webdataset") return Invalid("--to {}: it is tar or webdataset", arguments.to);
  if (arguments.format != "pax") return Invalid("--format {}: shards of a WebDataset are pax", arguments.format);
  if (!names_file) return Invalid("--to webdataset makes several files: name them with -o, as in 'train-%06d.tar'");
  auto names = ArchiveNames::Parse(arguments.output);
  if (!names) return Propagate(std::move(names));
  request.output = ArchiveOutput(*std::move(names), arguments.force);
  request.plan.style.form = ExportForm::kWebDataset;
  return {};
}

Result<Request> Parse(const Arguments& arguments) {
  Request request;
  if (auto parsed = ParseForm(arguments, request); !parsed) return Propagate(std::move(parsed));
  if (arguments.format == "gnu") request.plan.style.format = TarFormat::kGnu;
  if (auto parsed = ParseOrder(arguments.order, request.plan); !parsed) return Propagate(std::move(parsed));
  const auto shard_bytes = ParseByteSize(arguments.shard_size);
  if (!shard_bytes || *shard_bytes == 0)
    return Invalid("--shard-size {}: it is a size as 512M or 1.5GiB", arguments.shard_size);
  request.plan.max_archive_bytes = *shard_bytes;
  request.plan.max_archive_keys =
      arguments.shard_count == 0 ? std::numeric_limits<uint64_t>::max() : arguments.shard_count;
  return request;
}

ProgressState Describe(const ExportCounters& counters, const std::atomic<uint64_t>& members,
                       const std::atomic<uint64_t>& bytes) {
  if (members == 0) return {.what = "reading the index"};
  return {.what = "exporting",
          .counts = fmt::format("{} of {}", FormatCount(counters.members), FormatAmount(members, "entry", "entries")),
          .done = counters.bytes,
          .total = bytes};
}

void TellKeys(const Index& index, const ExportPlan& plan, Progress& progress) {
  const auto tell = [&](NodeNumber first, std::string_view sentence) {
    const Error at = AtEntry(index, first, {ErrorCode::kInvalid, 0, ""});
    progress.PrintLine(fmt::format("quire export: {} (first {})", sentence,
                                   at.message.substr(0, at.message.size() - std::string_view(": ").size())));
  };
  if (plan.files_without_key > 0)
    tell(plan.first_without_key,
         fmt::format("{} no key, a name before a '.', and readers of WebDatasets pass over them",
                     FormatAmount(plan.files_without_key, "file has", "files have")));
  if (plan.large_keys > 0)
    tell(plan.first_large_key, fmt::format("{} larger than --shard-size, and a shard of its own",
                                           FormatAmount(plan.large_keys, "key is", "keys are")));
}

int RunExport(const Arguments& arguments) {
  auto request = Parse(arguments);
  if (!request) return Fail("export", request.error());
  const auto pack = OpenSource(arguments.pack, arguments.source, "quire export");
  if (!pack) return Fail("export", pack.error());
  const Index& index = (*pack)->index();
  ExportCounters counters;
  std::atomic<uint64_t> members = 0;
  std::atomic<uint64_t> bytes = 0;
  // A pipe may take no more for ever, and leaves nothing to tidy up: a signal ends the process at once.
  const std::atomic<bool>* const interrupted = request->is_to_stdout ? nullptr : CatchInterrupts();
  Progress progress(arguments.progress.mode(), [&] { return Describe(counters, members, bytes); });
  const auto fail = [&](const Error& error) {
    progress.PrintLine("quire export: " + error.message);
    return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
  };
  const auto tell_fault = [&](NodeNumber place, const Error& error) {
    progress.PrintLine("quire export: " + AtEntry(index, place, error).message);
  };

  std::optional<Error> ended_by;
  const auto plan = MakeExportPlan(index, request->plan, [&](NodeNumber place, Error error) {
    if (!arguments.keep_going) {
      ended_by = AtEntry(index, place, std::move(error));
      return false;
    }
    tell_fault(place, error);
    ++counters.faults;
    return true;
  });
  if (!plan) return fail(plan.error());
  if (ended_by) return fail(*ended_by);
  if (const auto are_free = request->output.CheckNames(plan->archives); !are_free) return fail(are_free.error());
  if (!arguments.progress.quiet) TellKeys(index, *plan, progress);
  bytes = plan->bytes;
  members = plan->members.size();

  const ExportOptions options{.style = request->plan.style,
                              .keep_going = arguments.keep_going,
                              .jobs = std::clamp(2 * std::thread::hardware_concurrency(), kLeastJobs, kMostJobs),
                              .interrupted = interrupted,
                              .on_fault = tell_fault};
  Exporter exporter(**pack, *plan, options, request->output, counters);
  if (const auto done = exporter.Run(); !done) {
    const bool has_shards = request->plan.style.form == ExportForm::kWebDataset && counters.archives > 0;
    return fail(
        {done.error().code, 0,
         done.error().message + (has_shards ? fmt::format("; the first {} complete",
                                                          FormatAmount(counters.archives, "shard is", "shards are"))
                                            : "")});
  }
  progress.Finish({.what = "exported",
                   .counts = FormatAmount(counters.members, "entry", "entries") +
                             (request->plan.style.form == ExportForm::kWebDataset
                                  ? " in " + FormatAmount(counters.archives, "shard", "shards")
                                  : ""),
                   .total = counters.bytes});
  if (const auto older = request->output.FindOlder(plan->archives); older && !arguments.progress.quiet)
    progress.PrintLine(fmt::format("quire export: '{}' is there from before, and is none of these shards", *older));
  const bool lacks_members =
      TellLeftOut(**pack, "quire export", [&](const std::string& line) { progress.PrintLine(line); });
  return counters.faults == 0 && !lacks_members ? kExitOk : kExitFailed;
}

}  // namespace

void AddExportCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command command = program.AddSubcommand("export", "Write a pack as a tar or as shards of a WebDataset");
  command.Add("PACK", arguments->pack, "Pack to read").Required();
  command
      .Add("--to", arguments->to,
           "tar: everything, in one archive; webdataset: files, in shards whose samples have all their files")
      .ShowDefault()
      .Type("FORM");
  command
      .Add("-o,--output", arguments->output,
           "Archive to write; '-' is standard output, as without -o; shards: 'NAME-%06d.tar'")
      .Type("OUT");
  command
      .Add("--order", arguments->order,
           "path: by path; pack: as in the pack, fastest; list:FILE: as FILE lists, then by path; list0:FILE: with NUL")
      .ShowDefault()
      .Type("ORDER");
  command.Add("--format", arguments->format, "Of a tar: pax, or gnu, without attributes and parts of a second")
      .OneOf({"pax", "gnu"})
      .ShowDefault();
  command.Add("--shard-size", arguments->shard_size, "No shard is larger, but for a sample that is")
      .ShowDefault()
      .Type("SIZE");
  command.Add("--shard-count", arguments->shard_count, "No shard has more samples").Positive().Type("N");
  command.AddFlag("-f,--force", arguments->force, "Replace OUT if it exists");
  command.AddFlag("-k,--keep-going", arguments->keep_going, "Leave out and name what is damaged; the exit code is 1");
  AddProgressOptions(command, arguments->progress);
  AddGenerationOption(command, arguments->source);
  AddSourceOptions(command, arguments->source);
  command.SetBody(run, [arguments] { return RunExport(*arguments); });
}

}  // namespace quire
