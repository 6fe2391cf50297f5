// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include "format/worker_pool.h"
#include "tools/command.h"
#include "tools/growing.h"

namespace quire {
namespace {

struct Arguments {
  GrowingRequest request{.command = "append"};
  unsigned jobs = kDefaultPackJobs;
  std::string order = "path";
  std::vector<std::string> exclude;
  std::string owner;
  std::string tmp;
  bool deduplicate = false;
  bool dry_run = false;
};

int RunAppend(const Arguments& arguments) {
  auto order = ParseSampleOrder(arguments.order);
  if (!order) return Fail("append", order.error());
  Normalisation normalisation;
  if (!arguments.owner.empty())
    if (const auto parsed = ParseOwner(arguments.owner, normalisation); !parsed) return Fail("append", parsed.error());
  ExcludePatterns exclude;
  for (const std::string& glob : arguments.exclude) exclude.Add(glob, fmt::format("--exclude '{}'", glob));
  return RunGrowing(arguments.request, {.output = arguments.request.pack,
                                        .jobs = arguments.jobs,
                                        .order = *std::move(order),
                                        .exclude = &exclude,
                                        .normalisation = normalisation,
                                        .spool_folder = arguments.tmp,
                                        .dry_run = arguments.dry_run,
                                        .deduplicate = arguments.deduplicate,
                                        .on_unreadable = {},
                                        .on_planned = PrintPlanned,
                                        .progress = nullptr});
}

}  // namespace

void AddAppendCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  GrowingRequest& request = arguments->request;
  Command append = program.AddSubcommand("append", "Add what a directory holds to a pack, as a new generation of it");
  append.Add("PACK", request.pack, "Pack to add to").Required();
  append.Add("SRC", request.source, "Directory whose entries are added").Required();
  append
      .Add("--at", request.at,
           "Directory of the pack that SRC becomes: one that is there, or a new one in it; default: the root")
      .Type("PATH");
  append.Add("-j,--jobs", arguments->jobs, "Files read at once").Range(1U, kMaxJobs).ShowDefault().Type("N");
  append
      .Add("--order", arguments->order,
           "Order of the new samples in the pack, as of quire-pack(1): path, shuffle:SEED, "
           "list:FILE or list0:FILE")
      .ShowDefault()
      .Type("ORDER");
  append.Add("--exclude", arguments->exclude, "Leave out what matches, as quire-pack(1) says; repeatable")
      .Type("GLOB")
      .OneWord();
  append.AddFlag("-x,--one-file-system", request.one_file_system,
                 "Add directories on other file systems without what is below them");
  append.Add("--owner", arguments->owner, "UID:GID of every new entry, as numbers").Type("UID:GID");
  AddCompressionOptions(append, request.compression);
  append.AddFlag("--dedup", arguments->deduplicate, "Store new samples of equal content once (reads candidates twice)");
  append.Add("--tmp", arguments->tmp, "Where temporary files lie, about 150 bytes an entry; default: beside PACK")
      .Type("DIR");
  append.AddFlag("-n,--dry-run", arguments->dry_run, "List the samples that would be written, and write nothing");
  append.AddFlag("-v,--verbose", request.names_left_out, "Name each entry that is left out");
  AddProgressOptions(append, request.progress);
  append.SetBody(run, [arguments] { return RunAppend(*arguments); });
}

}  // namespace quire
