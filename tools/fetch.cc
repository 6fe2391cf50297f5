// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "cache/remote/remote_object.h"
#include "cache/tier/pack_tier.h"
#include "cache/tier/tier_fetcher.h"
#include "cache/volume/pack_volumes.h"
#include "format/escaping.h"
#include "format/pack/pack.h"
#include "fs/json_text.h"
#include "fs/options/byte_size.h"
#include "fs/options/peer_list.h"
#include "tools/command.h"
#include "tools/fetch/file_fetch.h"
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
  std::string output;
  bool replace = false;
  SourceOptions source;
  std::string tier_size;
  std::string limit;
  std::string peers;
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

// 0 where nobody gave one.
Result<uint64_t> ParseLimit(const std::string& text) {
  if (text.empty()) return 0;
  const auto bytes = ParseByteSize(text);
  if (!bytes || *bytes < kLeastPrefetchBytesPerS)
    return Invalid("--limit '{}': give bytes a second, 64K at least, such as 50M", text);
  return *bytes;
}

uint64_t PagesOf(const TierVolumes& volumes) {
  uint64_t pages = 0;
  for (const auto& volume : volumes)
    if (volume != nullptr) pages += volume->page_count();
  return pages;
}

// Whatever of a pack's volumes the tier has not yet.
Result<uint64_t> FetchToTier(const FetchArguments& arguments) {
  FetchArguments own = arguments;
  const auto most_bytes = ParseSize("--tier-size", own.tier_size);
  if (!most_bytes) return std::unexpected(most_bytes.error());
  const auto limit = ParseLimit(own.limit);
  if (!limit) return std::unexpected(limit.error());
  TierOptions& tier = own.source.tier;
  tier.directory = std::filesystem::absolute(tier.directory);
  tier.most_bytes = *most_bytes;
  tier.ca_file = own.source.remote.ca_file;
  if (!own.peers.empty()) {
    auto peers = ParsePeerList("--peers", own.peers);
    if (!peers) return Propagate(std::move(peers));
    tier.peers = *std::move(peers);
  }
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
  TierFetcher fetcher(**source,
                      {.threads = own.jobs, .bytes_per_s = *limit, .fetches_all = true, .stays_behind = false});
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

// Archives are not opened in place of a pack: a copy of their index would be no copy of them.
Result<std::unique_ptr<Pack>> OpenPackToCopy(const FetchArguments& arguments) {
  if (IsUrl(arguments.pack)) return OpenSource(arguments.pack, arguments.source, "quire fetch");
  return Pack::Open(arguments.pack);
}

Result<FileFetchSummary> CopyToFile(const FetchArguments& arguments) {
  const auto limit = ParseLimit(arguments.limit);
  if (!limit) return std::unexpected(limit.error());
  if (arguments.output == "-") return Invalid("-o -: name a file, which has its name once all of it is right");
  const std::atomic<bool>* const interrupted = CatchInterrupts();
  const auto pack = OpenPackToCopy(arguments);
  if (!pack) return std::unexpected(pack.error());
  return FetchToFile(**pack,
                     {.path = arguments.output,
                      .replace = arguments.replace,
                      .jobs = arguments.jobs,
                      .bytes_per_s = *limit,
                      .progress_mode = arguments.progress.mode(),
                      .tell =
                          [&](Progress& progress, const std::string& sentence) {
                            if (!arguments.progress.quiet)
                              progress.PrintLine(fmt::format("quire fetch: {}: {}", arguments.output, sentence));
                          },
                      .on_fault =
                          [&](Progress& progress, const std::string& fault) {
                            progress.PrintLine(fmt::format("quire fetch: {}: damaged: {}", arguments.pack, fault));
                          },
                      .interrupted = interrupted});
}

int FetchFile(const FetchArguments& arguments) {
  const auto fetched = CopyToFile(arguments);
  if (!fetched) return Fail("fetch", fetched.error());
  if (arguments.json) {
    Json document = NewDocument(kSchema);
    SetName(document, "file", arguments.output);
    document["pack_bytes"] = fetched->pack_bytes;
    document["fetched_bytes"] = fetched->fetched_bytes;
    document["kept_bytes"] = fetched->kept_bytes;
    document["refetched_pages"] = fetched->refetched_pages;
    fmt::print("{}\n", FormatJson(document));
  } else if (!arguments.progress.quiet) {
    fmt::print("{}: {}, all of them verified\n", EscapeName(arguments.output), FormatBytes(fetched->pack_bytes));
  }
  return kExitOk;
}

int RunFetch(const FetchArguments& arguments) {
  if (!arguments.output.empty()) return FetchFile(arguments);
  if (arguments.source.tier.directory.empty()) return Fail("fetch", Invalid("FILE is empty").error());
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
  Command fetch = program.AddSubcommand("fetch", "Bring a pack that is far away to a file or a tier on this machine");
  fetch.Add("PACK", arguments->pack, "A URL or a pack; for a tier also archives in place of one")
      .Type("PACK")
      .Required();
  Option output =
      fetch.Add("-o,--output", arguments->output, "The file to copy the pack to; what was begun of it is gone on with");
  output.Type("FILE").Required();
  const Option force = fetch.AddFlag("-f,--force", arguments->replace, "Replace FILE if it exists");
  Option tier =
      fetch.Add("--tier", arguments->source.tier.directory, "In place of -o, a tier's directory: quire-tier(1)");
  tier.Type("DIR").Replaces(output).Excludes(force);
  Option tier_size = fetch.Add("--tier-size", arguments->tier_size,
                               "What all of the tier may take; default: half of what its disk has free");
  tier_size.Type("SIZE").Needs(tier);
  fetch.Add("--peers", arguments->peers, "Where neighbours serve their tiers, which are asked first: quire-mount(1)")
      .Type("URL[+URL]...")
      .Needs(tier);
  fetch.Add("-j,--jobs", arguments->jobs, "Pages of 2 MiB that are fetched at once").Range(1, kMostJobs).ShowDefault();
  fetch.Add("--limit", arguments->limit, "No more than so many bytes a second").Type("SIZE");
  fetch.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  AddProgressOptions(fetch, arguments->progress);
  AddSourceOptions(fetch, arguments->source);
  fetch.SetBody(run, [arguments] { return RunFetch(*arguments); });
}

}  // namespace quire
