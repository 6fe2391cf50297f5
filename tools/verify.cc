#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "format/pack.h"
#include "format/verifier.h"
#include "tools/command.h"
#include "tools/disk_reader.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
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

int RunVerify(const Arguments& arguments) {
  const auto pack = Pack::Open(arguments.pack);
  if (!pack) return Fail("verify", pack.error());
  const auto disk = DiskReader::Open(**pack, arguments.jobs);
  if (!disk) return Fail("verify", disk.error());
  std::atomic<uint64_t> bytes_done = 0;
  Progress progress(arguments.progress.mode(), [&] {
    return ProgressState{
        .what = "verifying", .counts = "", .done = bytes_done, .total = (*pack)->superblock().pack_bytes};
  });
  nlohmann::ordered_json faults = nlohmann::ordered_json::array();
  WorkerPool pool(arguments.jobs);
  const VerifyOptions options{
      .on_fault =
          [&](const Fault& fault) {
            if (arguments.json)
              faults.push_back({{"kind", KindName(fault.kind)}, {"path", fault.path}, {"message", fault.message}});
            else
              progress.PrintLine(fmt::format("{} fault: {}{}{}", KindName(fault.kind), EscapeName(fault.path),
                                             fault.path.empty() ? "" : ": ", fault.message));
          },
      .bytes_done = &bytes_done,
      .interrupted = CatchInterrupts(),
      .read = [&](uint64_t offset, size_t bytes, const UseBytes& use) { return (*disk)->Read(offset, bytes, use); }};
  const auto summary = VerifyPack(**pack, pool, options);
  if (!summary) {
    const bool is_interrupted = summary.error().code == ErrorCode::kInterrupted;
    progress.PrintLine(fmt::format(
        "quire verify: {}", is_interrupted ? "interrupted, not all of the pack was checked" : summary.error().message));
    return kExitFailed;
  }
  progress.Finish({.what = "verified",
                   .counts = FormatCount(summary->entries) + " entries",
                   .total = (*pack)->superblock().pack_bytes});
  if (arguments.json) {
    const nlohmann::ordered_json report = {{"pack", arguments.pack},      {"ok", summary->faults == 0},
                                           {"entries", summary->entries}, {"extents", summary->extents},
                                           {"pages", summary->pages},     {"index_blocks", summary->index_blocks},
                                           {"faults", std::move(faults)}};
    fmt::print("{}\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (!arguments.progress.quiet) {
    fmt::print("{}: {} entries, {} extents in {} pages, {} index blocks checked: {}\n", arguments.pack,
               FormatCount(summary->entries), FormatCount(summary->extents), FormatCount(summary->pages),
               FormatCount(summary->index_blocks),
               summary->faults == 0 ? "no fault" : FormatCount(summary->faults) + " faults");
  }
  return summary->faults == 0 ? kExitOk : kExitFailed;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verify = app.add_subcommand("verify", "Check every sum of a pack and name every fault");
  verify->add_option("PACK", arguments->pack, "Pack to read")->required();
  verify->add_option("-j,--jobs", arguments->jobs, "Pages read at once")
      ->check(CLI::Range(1U, kMaxJobs))
      ->capture_default_str()
      ->type_name("N");
  verify->add_flag("--json", arguments->json, "For programs");
  AddProgressOptions(*verify, arguments->progress);
  verify->callback([&run, arguments] { run = [arguments] { return RunVerify(*arguments); }; });
}

}  // namespace quire
