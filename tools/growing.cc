// SPDX-License-Identifier: Apache-2.0
#include "tools/growing.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "format/write/directory_tree.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/pack_progress.h"
#include "tools/source_notice.h"

namespace quire {

std::string DescribeDifference(const TreeCounts& before, const TreeCounts& after) {
  std::string text;
  const auto add = [&](uint64_t was, uint64_t is, std::string_view one, std::string_view many) {
    if (was == is) return;
    const char* const sign = is > was ? "+" : "-";
    text +=
        fmt::format("{}{}{}", text.empty() ? "" : ", ", sign, FormatAmount(is > was ? is - was : was - is, one, many));
  };
  add(before.samples, after.samples, "sample", "samples");
  add(before.directories, after.directories, "directory", "directories");
  add(before.symlinks, after.symlinks, "symlink", "symlinks");
  add(before.hard_links, after.hard_links, "hard link", "hard links");
  return text.empty() ? "as many entries as before" : text;
}

void PrintGrowth(const GrowthSummary& summary, const std::string& pack) {
  if (!summary.is_changed) {
    fmt::print("{}: nothing has changed since generation {}; nothing was written\n", EscapeName(pack),
               summary.superblock.generation);
    return;
  }
  fmt::print("{}: generation {}: {}; {} written, {} of index; {} in all\n", EscapeName(pack),
             summary.superblock.generation, DescribeDifference(summary.before, summary.after),
             FormatAmount(summary.written_samples, "sample", "samples"), FormatBytes(summary.index_bytes),
             FormatAmount(summary.after.samples, "sample", "samples"));
  if (summary.compression && summary.written_samples > 0) PrintCompression(*summary.compression);
  if (summary.counts.left_out > 0)
    fmt::print("{} left out\n",
               FormatAmount(summary.counts.left_out, "device, socket or FIFO", "devices, sockets and FIFOs"));
}

namespace {

void PrintDryRun(const GrowthSummary& summary, const std::string& pack) {
  fmt::print("{}: would be generation {}: {}; {} to write; nothing written (dry run)\n", EscapeName(pack),
             summary.superblock.generation, DescribeDifference(summary.before, summary.after),
             FormatAmount(summary.written_samples, "sample", "samples"));
}

}  // namespace

void PrintPlanned(const std::string& path) { fmt::print("{}\n", isatty(STDOUT_FILENO) != 0 ? EscapeName(path) : path); }

int RunGrowing(const GrowingRequest& request, PackTreeOptions options) {
  auto tree = DirectoryTree::Open(request.source, request.one_file_system);
  if (!tree) return Fail(request.command, tree.error());
  auto pack = GrowingPack::Open(request.pack);
  if (!pack) return Fail(request.command, pack.error());
  PackProgress counters;
  Progress progress(request.progress.mode(), [&] { return DescribeProgress(counters); });
  const auto print = [&](const std::string& line) {
    progress.PrintLine(fmt::format("quire {}: {}", request.command, line));
  };
  if (const auto notice = NoticeAboutSource(request.source); notice && !request.progress.quiet) print(*notice);
  const auto compression = ChooseCompression(request.compression, (*pack)->index());
  if (!compression) return Fail(request.command, compression.error());
  options.compression = *compression;
  options.output = request.pack;
  options.on_unreadable = [&](const std::string& path, const std::string& reason) {
    print(fmt::format("{}: {}", EscapeName(path), reason));
  };
  options.on_left_out = [&](const std::string& path, std::string_view reason) {
    if (request.names_left_out && !request.progress.quiet)
      print(fmt::format("{}: left out: {}", EscapeName(path), reason));
  };
  options.progress = &counters;
  options.interrupted = CatchInterrupts();
  const auto summary = GrowPack(**pack, **tree, request.kind, request.at, options);
  if (!summary) {
    const bool is_interrupted = summary.error().code == ErrorCode::kInterrupted;
    print(is_interrupted ? "interrupted, the pack is as it was" : summary.error().message);
    return summary.error().code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
  }
  progress.Finish({.what = options.dry_run ? "looked through" : "packed",
                   .counts = FormatAmount(counters.samples_total, "sample", "samples"),
                   .total = counters.bytes_total});
  if (options.exclude != nullptr)
    for (const std::string& unmatched : options.exclude->Unmatched()) print(unmatched);
  if (request.progress.quiet) return kExitOk;
  if (options.dry_run && summary->is_changed)
    PrintDryRun(*summary, request.pack);
  else
    PrintGrowth(*summary, request.pack);
  return kExitOk;
}

}  // namespace quire
