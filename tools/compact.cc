// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "format/growth/locked_pack.h"
#include "format/worker_pool.h"
#include "format/write/packed_tree.h"
#include "tools/command.h"
#include "tools/compression_options.h"
#include "tools/interrupt.h"
#include "tools/pack_progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  std::string output;
  bool in_place = false;
  unsigned jobs = kDefaultPackJobs;
  std::string order;  // empty: as the first generation
  CompressionOptions compression;
  std::string tmp;
  bool force = false;
  ProgressOptions progress;
};

// That in which the pack was made first; a list that samples were ordered by is not in the pack.
Result<SampleOrder> ChooseOrder(const Arguments& arguments, const Index& index) {
  if (!arguments.order.empty()) return ParseSampleOrder(arguments.order);
  const Superblock& superblock = index.layers()[0].superblock;
  if (superblock.order != PackOrder::kShuffle) return SampleOrder();
  return SampleOrder{.order = PackOrder::kShuffle, .seed = superblock.order_seed, .list_file = {}};
}

// The pack, and the lock where it is to be replaced.
Result<LockedPack> OpenToCompact(const Arguments& arguments) {
  if (arguments.in_place) return OpenLocked(arguments.pack);
  auto pack = Pack::Open(arguments.pack);
  if (!pack) return Propagate(std::move(pack));
  return LockedPack{.file = File(), .pack = *std::move(pack)};
}

// Without the lock of --in-place, what another process adds meanwhile would be lost.
Result<void> CheckOutput(const Arguments& arguments) {
  std::error_code error;
  if (arguments.in_place || !std::filesystem::equivalent(arguments.pack, arguments.output, error)) return {};
  return Invalid("-o {}: is PACK itself, which --in-place replaces", arguments.output);
}

int RunCompact(const Arguments& arguments) {
  if (const auto other = CheckOutput(arguments); !other) return Fail("compact", other.error());
  const auto opened = OpenToCompact(arguments);
  if (!opened) return Fail("compact", opened.error());
  Pack& pack = *opened->pack;
  if (pack.has_other_files())
    return Fail("compact", Unsupported("{}: is an index, whose samples lie in other files; `quire pack --from {} -o "
                                       "NEW` copies them",
                                       arguments.pack, arguments.pack)
                               .error());
  pack.OpenVolumes({});
  auto order = ChooseOrder(arguments, pack.index());
  if (!order) return Fail("compact", order.error());
  const auto compression = ChooseCompression(arguments.compression, pack.index());
  if (!compression) return Fail("compact", compression.error());
  PackProgress counters;
  Progress progress(arguments.progress.mode(), [&] { return DescribeProgress(counters); });
  const auto print = [&](const std::string& line) { progress.PrintLine(fmt::format("quire compact: {}", line)); };
  PackedTree tree(pack);
  const std::string& output = arguments.in_place ? arguments.pack : arguments.output;
  const auto summary = PackTree(
      tree, {.output = output,
             .jobs = arguments.jobs,
             .order = *std::move(order),
             .spool_folder = arguments.tmp,
             .deduplicate = true,  // what shared its bytes goes on to
             .compression = *compression,
             .rest_hint = fmt::format("`quire pack --from {} --skip-unreadable -o NEW`", EscapeName(arguments.pack)),
             .replace = arguments.in_place || arguments.force,
             .on_unreadable =
                 [&](const std::string& path, const std::string& reason) {
                   print(fmt::format("{}: {}", EscapeName(path), EscapeLine(reason)));
                 },
             .on_leftover =
                 [&](const std::string& sentence) {
                   if (!arguments.progress.quiet) print(EscapeLine(sentence));
                 },
             .progress = &counters,
             .interrupted = CatchInterrupts()});
  if (!summary) {
    print(summary.error().code == ErrorCode::kInterrupted ? "interrupted, nothing was written"
                                                          : EscapeLine(summary.error().message));
    return summary.error().code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
  }
  progress.Finish({.what = "packed",
                   .counts = FormatAmount(counters.samples_total, "sample", "samples"),
                   .total = counters.bytes_total});
  if (!arguments.progress.quiet)
    fmt::print("{}: {}; {} of {} {} one of {}\n", EscapeName(output),
               FormatAmount(summary->superblock.samples, "sample", "samples"),
               FormatAmount(pack.index().layers().size(), "generation", "generations"),
               FormatBytes(pack.superblock().pack_bytes), pack.index().layers().size() == 1 ? "is" : "are",
               FormatBytes(summary->superblock.pack_bytes));
  return kExitOk;
}

}  // namespace

void AddCompactCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command compact =
      program.AddSubcommand("compact", "Make one generation of all that a pack has, without what is gone");
  compact.Add("PACK", arguments->pack, "Pack that has grown").Required();
  Option output = compact.Add("-o,--output", arguments->output, "Pack to write");
  output.Type("OUT").Required();
  const Option force = compact.AddFlag("-f,--force", arguments->force, "Replace OUT if it exists");
  compact
      .AddFlag("--in-place", arguments->in_place, "In place of -o: replace PACK itself, once the new one is complete")
      .Replaces(output)
      .Excludes(force);
  compact.Add("--order", arguments->order, "Order of the samples, as of quire-pack(1); default: as it is, or path")
      .Type("ORDER");
  AddCompressionOptions(compact, arguments->compression);
  compact.Add("-j,--jobs", arguments->jobs, "Samples read at once").Range(1U, kMaxJobs).ShowDefault().Type("N");
  compact
      .Add("--tmp", arguments->tmp, "Where temporary files lie, about 150 bytes an entry; default: beside the new pack")
      .Type("DIR");
  AddProgressOptions(compact, arguments->progress);
  compact.SetBody(run, [arguments] { return RunCompact(*arguments); });
}

}  // namespace quire
