// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "cache/tier/pack_tier.h"
#include "cache/tier/tier_fetcher.h"
#include "cache/volume/pack_volumes.h"
#include "format/rounding.h"
#include "fs/json_text.h"
#include "fs/options/byte_size.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/pack_source.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

constexpr int kSchema = 1;
constexpr unsigned kMostJobs = 64;

struct FetchArguments {
  std::string pack;
  SourceOptions source;
  std::string tier_size;
  std::string limit;
  unsigned jobs = 16;  // pages at once, of which each is a round trip or two
  bool json = false;
  ProgressOptions progress;
};

// An error that names the option where `text` is no size; nothing where it is empty.
Result<std::optional<uint64_t>> ParseSize(const char* option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto bytes = ParseByteSize(text);
  if (!bytes || *bytes == 0) return Invalid("{} '{}': give bytes, or a size such as 500G", option, text);
  return bytes;
}

uint64_t PagesOf(const TierVolumes& volumes) {
  uint64_t pages = 0;
  for (const auto& volume : volumes)
    if (volume != nullptr) pages += CeilDiv(volume->size_bytes(), kPageBytes);
  return pages;
}

// Whatever of a pack's volumes the tier has not yet.
Result<uint64_t> FetchToTier(const FetchArguments& arguments) {
  FetchArguments own = arguments;
  const auto most_bytes = ParseSize("--tier-size", own.tier_size);
  if (!most_bytes) return std::unexpected(most_bytes.error());
  const auto limit = ParseSize("--limit", own.limit);
  if (!limit) return std::unexpected(limit.error());
  TierOptions& tier = own.source.tier;
  tier.directory = std::filesystem::absolute(tier.directory);
  tier.most_bytes = *most_bytes;
  if (auto made = Tier::MakeDirectory(tier.directory); !made) return Propagate(std::move(made));
  const std::atomic<bool>& interrupted = *CatchInterrupts();
  auto pack = OpenSource(own.pack, own.source, "quire fetch", own.progress.mode());
  if (!pack) return Propagate(std::move(pack));
  auto volumes = OpenTierVolumes(**pack, tier);
  if (!volumes) return Propagate(std::move(volumes));
  auto origin = OpenPackVolumes(**pack, {});
  if (!origin) return Propagate(std::move(origin));
  const uint64_t pages = PagesOf(*volumes);
  auto source = TierSource::Create(*std::move(origin), *std::move(volumes), 0);
  if (!source) return Propagate(std::move(source));
  TierFetcher fetcher(
      **source, {.threads = own.jobs, .bytes_per_s = limit->value_or(0), .fetches_all = true, .stays_behind = false});
  const auto state = [&](const char* what) -> ProgressState {
    return {.what = what, .done = fetcher.pages_done() * kPageBytes, .total = pages * kPageBytes};
  };
  Progress progress(own.progress.mode(), [&] { return state("fetching"); });
  if (auto started = fetcher.Start(); !started) return Propagate(std::move(started));
  while (!fetcher.IsDone() && !fetcher.error() && !interrupted)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (interrupted || fetcher.error()) (*source)->Cancel();
  if (interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted; what was fetched is kept");
  if (const auto error = fetcher.error())
    return MakeError(error->code, "{}; what was fetched before is kept", error->message);
  if (fetcher.is_full())
    return MakeError(ErrorCode::kSystem,
                     "the tier '{}' is full, and not all of the pack is in it: give a larger --tier-size, or make room "
                     "by 'quire tier prune'",
                     tier.directory);
  progress.Finish(state("fetched"));
  return fetcher.fetched_bytes();
}

int RunFetch(const FetchArguments& arguments) {
  const auto fetched = FetchToTier(arguments);
  if (!fetched) return Fail("fetch", fetched.error());
  if (arguments.json) {
    Json document = NewDocument(kSchema);
    document["fetched_bytes"] = *fetched;
    fmt::print("{}\n", FormatJson(document));
  } else if (!arguments.progress.quiet) {
    fmt::print("{} fetched; all of the pack is in the tier\n", FormatBytes(*fetched));
  }
  return kExitOk;
}

}  // namespace

void AddFetchCommand(Command program, Body& run) {
  auto arguments = std::make_shared<FetchArguments>();
  Command fetch = program.AddSubcommand("fetch", "Bring a pack that is far away to a tier on this machine");
  fetch.Add("PACK", arguments->pack, "A URL, a pack, or archives in place of one").Type("PACK").Required();
  fetch.Add("--tier", arguments->source.tier.directory, "The tier's directory: quire-tier(1)").Type("DIR").Required();
  fetch
      .Add("--tier-size", arguments->tier_size,
           "What all of the tier may take; default: half of what its disk has free")
      .Type("SIZE");
  fetch.Add("-j,--jobs", arguments->jobs, "Pages of 2 MiB that are fetched at once").Range(1, kMostJobs).ShowDefault();
  fetch.Add("--limit", arguments->limit, "No more than so many bytes a second").Type("SIZE");
  fetch.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  AddProgressOptions(fetch, arguments->progress);
  AddSourceOptions(fetch, arguments->source);
  fetch.SetBody(run, [arguments] { return RunFetch(*arguments); });
}

}  // namespace quire
