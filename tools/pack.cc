#include <cstdio>
#include <memory>

#include "format/directory_packer.h"
#include "format/worker_pool.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace quire {
namespace {

struct Arguments {
  std::string source;
  std::string output;
  unsigned jobs = kDefaultPackJobs;
  std::string order = "path";
  std::vector<std::string> exclude;
  bool deduplicate = false;
  bool skip_unreadable = false;
  bool force = false;
  ProgressMode progress = ProgressMode::kAuto;
};

ProgressState Describe(const PackProgress& progress) {
  using Phase = PackProgress::Phase;
  switch (progress.phase.load()) {
    case Phase::kScan:
      return {.what = "scanning", .counts = FormatCount(progress.entries_found) + " entries"};
    case Phase::kDeduplicate:
      return {.what = "looking for duplicates"};
    case Phase::kPages:
      return {.what = "packing",
              .counts = fmt::format("{} of {} samples", FormatCount(progress.samples_done),
                                    FormatCount(progress.samples_total)),
              .done = progress.bytes_done,
              .total = progress.bytes_total};
    case Phase::kIndex:
      break;
  }
  return {.what = "writing the index and syncing"};
}

void PrintSummary(const PackSummary& summary, const std::string& output) {
  const Superblock& pack = summary.superblock;
  fmt::print("{}: {} samples, {} directories, {} symlinks, {} hard links; {} of samples in {}\n", output,
             FormatCount(pack.samples), FormatCount(summary.directories), FormatCount(pack.symlinks),
             FormatCount(pack.hard_links), FormatBytes(pack.sample_bytes), FormatBytes(pack.pack_bytes));
  if (pack.left_out > 0) fmt::print("{} devices, sockets and FIFOs left out\n", FormatCount(pack.left_out));
  if (summary.excluded > 0) fmt::print("{} entries excluded\n", FormatCount(summary.excluded));
  if (summary.clamped_times > 0)
    fmt::print("{} modification times before 1901 or after 2486 moved to that limit\n",
               FormatCount(summary.clamped_times));
}

int RunPack(const Arguments& arguments) {
  auto order = ParseSampleOrder(arguments.order);
  if (!order) return Fail("pack", order.error());
  PackProgress counters;
  Progress progress(arguments.progress, [&] { return Describe(counters); });
  const PackDirectoryOptions options{
      .source = arguments.source,
      .output = arguments.output,
      .jobs = arguments.jobs,
      .order = std::move(*order),
      .exclude = arguments.exclude,
      .deduplicate = arguments.deduplicate,
      .skip_unreadable = arguments.skip_unreadable,
      .replace = arguments.force,
      .on_unreadable =
          [&](const std::string& path, const std::string& reason) {
            progress.PrintLine(fmt::format("quire pack: {}: {}", EscapeName(path), reason));
          },
      .progress = &counters,
      .interrupted = CatchInterrupts()};
  const auto summary = PackDirectory(options);
  if (!summary) {
    progress.PrintLine(fmt::format("quire pack: {}", summary.error().code == ErrorCode::kInterrupted
                                                         ? "interrupted, nothing was written"
                                                         : summary.error().message));
    return summary.error().code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
  }
  PrintSummary(*summary, arguments.output);
  if (summary->unreadable == 0) return kExitOk;
  progress.PrintLine(fmt::format("quire pack: the pack is without {} entries that could not be read",
                                 FormatCount(summary->unreadable)));
  return kExitFailed;
}

}  // namespace

void AddPackCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* pack = app.add_subcommand("pack", "Pack a directory into one file");
  pack->add_option("SRC", arguments->source, "Directory to pack")->required();
  pack->add_option("-o,--output", arguments->output, "Pack to write, by convention NAME.quire")
      ->required()
      ->type_name("OUT");
  pack->add_option("-j,--jobs", arguments->jobs, "Files read at once; the pack is the same for any number")
      ->check(CLI::Range(1U, kMaxJobs))
      ->capture_default_str()
      ->type_name("N");
  pack->add_option("--order", arguments->order,
                   "Order of the samples in the pack: path, shuffle:SEED, or list:FILE (paths below SRC, one a line)")
      ->capture_default_str()
      ->type_name("ORDER");
  pack->add_option("--exclude", arguments->exclude,
                   "Leave out what matches, with all below it; without '/' compared with the name, else with the path "
                   "below SRC; repeatable")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  pack->add_flag("--dedup", arguments->deduplicate, "Store samples of equal content once (reads candidates twice)");
  pack->add_flag("--skip-unreadable", arguments->skip_unreadable,
                 "Write the pack without what cannot be read; the exit code is still 1");
  pack->add_flag("-f,--force", arguments->force, "Replace OUT if it exists");
  pack->add_option("--progress", arguments->progress, "auto, always or never")
      ->transform(CLI::CheckedTransformer(std::map<std::string, ProgressMode>{{"auto", ProgressMode::kAuto},
                                                                              {"always", ProgressMode::kAlways},
                                                                              {"never", ProgressMode::kNever}},
                                          CLI::ignore_case)
                      .description("{auto,always,never}"))  // its own would print the enumerators as characters
      ->type_name("WHEN");
  pack->callback([&run, arguments] { run = [arguments] { return RunPack(*arguments); }; });
}

}  // namespace quire
