// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

#include "cache/remote/remote_object.h"
#include "format/escaping.h"
#include "format/pack/pack.h"
#include "format/pack/verifier.h"
#include "fs/json_text.h"
#include "tools/command.h"
#include "tools/disk_reader.h"
#include "tools/interrupt.h"
#include "tools/pack_source.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

constexpr int kSchema = 1;

struct Arguments {
  std::vector<std::string> packs;
  SourceOptions source;
  unsigned jobs = std::clamp(2 * std::thread::hardware_concurrency(), 4U, kMaxJobs);  // reads of 2 MiB keep a disk busy
  bool json = false;
  ProgressOptions progress;
};

const char* KindName(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::kIndex:
      return "index";
    case Fault::Kind::kSample:
      return "sample";
    case Fault::Kind::kPage:
      return "page";
  }
  return "";
}

void PrintJson(const Json& report, std::string_view pack_path) {
  Json document = NewDocument(kSchema);
  SetName(document, "pack", pack_path);
  document.update(report);
  fmt::print("{}\n", FormatJson(document));
}

// A pack that could not be checked at all, or not to its end.
int FailPack(const Arguments& arguments, const std::string& path, const Error& error) {
  if (arguments.json) PrintJson({{"ok", false}, {"error", EscapeLine(error.message)}}, path);
  return Fail("verify", error);
}

Json FaultJson(const Fault& fault) {
  Json entry;
  entry["kind"] = KindName(fault.kind);
  SetName(entry, "path", fault.path);
  entry["message"] = EscapeLine(fault.message);
  return entry;
}

// About as many: the samples of an index lie in other files.
uint64_t BytesToRead(const Superblock& pack) { return std::max(pack.pack_bytes, pack.stored_bytes + pack.body_bytes); }

// An error once a read has failed for longer than requests are repeated.
Result<void> CheckServer(const Pack& pack) {
  const auto figures = FiguresOf(pack.bytes());
  if (!figures || figures->failures == 0) return {};
  return std::unexpected(
      Error{ErrorCode::kSystem, EIO,
            fmt::format("{}: not all of it was checked: {}", pack.path(), LastFaultOf(pack.bytes()))});
}

int VerifyOne(const Arguments& arguments, const std::string& path, const std::atomic<bool>* interrupted) {
  const auto pack = OpenSource(path, arguments.source, "quire verify");
  if (!pack) return FailPack(arguments, path, pack.error());
  const auto disk = DiskReader::Open(**pack, arguments.jobs);
  if (!disk) return FailPack(arguments, path, disk.error());
  const std::string whose = arguments.packs.size() > 1 ? EscapeName(path) + ": " : "";
  std::atomic<uint64_t> bytes_done = 0;
  Progress progress(arguments.progress.mode(), [&] {
    return ProgressState{
        .what = "verifying", .counts = "", .done = bytes_done, .total = BytesToRead((*pack)->superblock())};
  });
  Json faults = Json::array();
  WorkerPool pool(arguments.jobs);
  const VerifyOptions options{
      .on_fault =
          [&](const Fault& fault) {
            if (arguments.json)
              faults.push_back(FaultJson(fault));
            else
              progress.PrintLine(fmt::format("{}{} damaged: {}{}{}", whose, KindName(fault.kind),
                                             EscapeName(fault.path), fault.path.empty() ? "" : ": ", fault.message));
          },
      .bytes_done = &bytes_done,
      .interrupted = interrupted,
      .check_source = [&pack = **pack] { return CheckServer(pack); },
      .read = [&](uint16_t volume, uint64_t offset, size_t bytes,
                  const UseBytes& use) { return (*disk)->Read(volume, offset, bytes, use); }};
  const auto summary = VerifyPack(**pack, pool, options);
  if (!summary) {
    if (arguments.json) PrintJson({{"ok", false}, {"error", EscapeLine(summary.error().message)}}, path);
    const bool is_interrupted = summary.error().code == ErrorCode::kInterrupted;
    progress.PrintLine(
        fmt::format("quire verify: {}{}", whose,
                    is_interrupted ? "interrupted, not all of the pack was checked" : summary.error().message));
    return kExitFailed;
  }
  progress.Finish({.what = "verified",
                   .counts = FormatAmount(summary->entries, "entry", "entries"),
                   .total = BytesToRead((*pack)->superblock())});
  const bool lacks_members =
      TellLeftOut(**pack, "quire verify", [&](const std::string& line) { progress.PrintLine(line); });
  const uint64_t trailing_bytes = (*pack)->trailing_bytes();
  const uint64_t untold = summary->faults - std::min(summary->faults, options.fault_limit);
  if (arguments.json) {
    PrintJson({{"ok", summary->faults == 0 && !lacks_members},
               {"lacks_members", lacks_members},
               {"entries", summary->entries},
               {"extents", summary->extents},
               {"pages", summary->pages},
               {"index_blocks", summary->index_blocks},
               {"trailing_bytes", trailing_bytes},
               {"fault_count", summary->faults},
               {"faults", std::move(faults)}},
              path);
  } else if (!arguments.progress.quiet) {
    if (untold > 0)
      fmt::print("{}: {} more that are not told\n", EscapeName(path), FormatAmount(untold, "fault", "faults"));
    fmt::print("{}: {}, {} in {}, {} checked: {}\n", EscapeName(path),
               FormatAmount(summary->entries, "entry", "entries"), FormatAmount(summary->extents, "extent", "extents"),
               FormatAmount(summary->pages, "page", "pages"),
               FormatAmount(summary->index_blocks, "index block", "index blocks"),
               summary->faults == 0 ? "no fault" : FormatAmount(summary->faults, "fault", "faults"));
    if (trailing_bytes > 0)
      fmt::print("{}: {} behind its end, which are no part of it\n", EscapeName(path),
                 FormatAmount(trailing_bytes, "byte", "bytes"));
  }
  return summary->faults == 0 && !lacks_members ? kExitOk : kExitFailed;
}

int RunVerify(const Arguments& arguments) {
  const std::atomic<bool>* const interrupted = CatchInterrupts();
  int exit_code = kExitOk;
  for (const std::string& path : arguments.packs) {
    if (*interrupted) break;
    if (const int code = VerifyOne(arguments, path, interrupted); code != kExitOk) exit_code = code;
    std::fflush(stdout);  // before what is told of the next one on stderr
  }
  return exit_code;
}

}  // namespace

void AddVerifyCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command verify = program.AddSubcommand("verify", "Check every sum of packs and name every fault");
  verify.Add("PACK", arguments->packs, "Packs to read, one after the other").Required();
  verify.Add("-j,--jobs", arguments->jobs, "Pages read at once").Range(1U, kMaxJobs).ShowDefault().Type("N");
  verify.AddFlag("--json", arguments->json, "One object for each pack, for programs: quire-json(7)");
  AddProgressOptions(verify, arguments->progress);
  AddGenerationOption(verify, arguments->source);
  AddSourceOptions(verify, arguments->source);
  verify.SetBody(run, [arguments] { return RunVerify(*arguments); });
}

}  // namespace quire
