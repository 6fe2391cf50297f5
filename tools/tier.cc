// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "format/escaping.h"
#include "fs/json_text.h"
#include "fs/options/byte_size.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/progress_options.h"

namespace quire {
namespace {

constexpr int kSchema = 1;
constexpr uint64_t kMsPerSecond = 1000;

struct TierArguments {
  std::string directory;
  std::vector<std::string> volumes;  // of which it is done; empty: of all
  bool json = false;
  std::string size;        // prune
  std::string unused_for;  // likewise: days
  bool all = false;        // rm
  ProgressOptions progress;
};

using Volumes = std::vector<Tier::VolumeFigures>;

// Those that `names` tell by source, by folder or by the beginning of its name; kNotFound for one that tells none.
Result<Volumes> Select(const Volumes& all, const std::vector<std::string>& names) {
  if (names.empty()) return all;
  Volumes selected;
  for (const std::string& name : names) {
    const size_t before = selected.size();
    std::ranges::copy_if(all, std::back_inserter(selected), [&](const Tier::VolumeFigures& volume) {
      return volume.source == name || (!name.empty() && volume.folder.starts_with(name));
    });
    if (selected.size() == before)
      return MakeError(ErrorCode::kNotFound, "the tier holds nothing of '{}'; 'quire tier ls' lists what it holds",
                       name);
  }
  return selected;
}

std::string Ago(uint64_t then_ms) {
  if (then_ms == 0) return "never";
  const uint64_t now_ms = TierNowMs();
  return FormatSeconds((now_ms - std::min(now_ms, then_ms)) / kMsPerSecond) + " ago";
}

Json JsonOf(const Tier::VolumeFigures& volume) {
  Json entry;
  SetName(entry, "source", volume.source);
  entry["volume"] = volume.folder;
  entry["first_byte"] = volume.first_byte;
  entry["volume_bytes"] = volume.volume_bytes;
  entry["present_bytes"] = volume.present_bytes;
  entry["map_bytes"] = volume.own_bytes;
  entry["created_s"] = volume.created_at_ms / kMsPerSecond;
  entry["used_s"] = volume.used_at_ms == 0 ? Json() : Json(volume.used_at_ms / kMsPerSecond);
  entry["is_used"] = volume.is_used;
  return entry;
}

int RunList(const TierArguments& arguments) {
  const auto tier = Tier::OpenToTidy(arguments.directory);
  if (!tier) return Fail("tier", tier.error());
  auto all = (*tier)->List();
  auto volumes = all ? Select(*all, arguments.volumes) : all;
  if (!volumes) return Fail("tier", volumes.error());
  // The parts of a pack one behind the other.
  std::ranges::sort(*volumes, {}, [](const Tier::VolumeFigures& volume) {
    return std::tie(volume.source, volume.first_byte, volume.created_at_ms, volume.folder);
  });
  const auto taken = (*tier)->taken_bytes();
  if (!taken) return Fail("tier", taken.error());
  if (arguments.json) {
    Json document = NewDocument(kSchema);
    document["taken_bytes"] = *taken;
    Json& list = document["volumes"] = Json::array();
    for (const auto& volume : *volumes) list.push_back(JsonOf(volume));
    fmt::print("{}\n", FormatJson(document));
    return kExitOk;
  }
  for (const auto& volume : *volumes)
    fmt::print("{}  {} of {}  used {}\n  {}{}\n", volume.folder.substr(0, 8), FormatBytes(volume.present_bytes),
               FormatBytes(volume.volume_bytes), volume.is_used ? "now" : Ago(volume.used_at_ms),
               EscapeName(volume.source),
               volume.first_byte == 0 ? "" : fmt::format(", from {} on", FormatBytes(volume.first_byte)));
  fmt::print("{} in all\n", FormatBytes(*taken));
  return kExitOk;
}

int RunVerify(const TierArguments& arguments) {
  const auto tier = Tier::OpenToTidy(arguments.directory);
  if (!tier) return Fail("tier", tier.error());
  auto all = (*tier)->List();
  auto volumes = all ? Select(*all, arguments.volumes) : all;
  if (!volumes) return Fail("tier", volumes.error());
  uint64_t total = 0;
  for (const auto& volume : *volumes) total += volume.present_bytes;
  std::atomic<uint64_t> done = 0;
  Tier::Checked sum;
  Progress progress(arguments.progress.mode(),
                    [&]() -> ProgressState { return {.what = "verifying", .done = done.load(), .total = total}; });
  const std::atomic<bool>& interrupted = *CatchInterrupts();
  for (const auto& volume : *volumes) {
    const auto checked = (*tier)->Verify(volume.folder, [&](uint64_t bytes) {
      done += bytes;
      return !interrupted;
    });
    if (!checked) return Fail("tier", checked.error());
    sum.right_bytes += checked->right_bytes;
    sum.dropped_bytes += checked->dropped_bytes;
    if (interrupted) return Fail("tier", Error{ErrorCode::kInterrupted, 0, "interrupted"});
    if (checked->dropped_bytes > 0)
      progress.PrintLine(fmt::format("quire tier: {}: {} were not what had been kept, and were dropped",
                                     EscapeName(volume.source), FormatBytes(checked->dropped_bytes)));
  }
  progress.Finish({.what = "verified", .done = done.load(), .total = total});
  if (arguments.json) {
    Json document = NewDocument(kSchema);
    document["right_bytes"] = sum.right_bytes;
    document["dropped_bytes"] = sum.dropped_bytes;
    fmt::print("{}\n", FormatJson(document));
  } else {
    fmt::print("{} are right, {} were dropped\n", FormatBytes(sum.right_bytes), FormatBytes(sum.dropped_bytes));
  }
  return sum.dropped_bytes == 0 ? kExitOk : kExitFailed;
}

// Days, as find(1) has them.
Result<uint64_t> NotSince(const std::string& days) {
  if (days.empty()) return 0;
  const bool is_number =
      days.size() < 6 && std::ranges::all_of(days, [](char digit) { return digit >= '0' && digit <= '9'; });
  if (!is_number) return Invalid("--unused-for '{}': give a number of days", days);
  const uint64_t unused_ms = std::stoull(days) * 24 * 60 * 60 * kMsPerSecond;
  const uint64_t now_ms = TierNowMs();
  return now_ms - std::min(now_ms, unused_ms);
}

int RunPrune(const TierArguments& arguments) {
  uint64_t most_bytes = std::numeric_limits<uint64_t>::max();
  if (!arguments.size.empty()) {
    const auto size = ParseByteSize(arguments.size);
    if (!size)
      return Fail("tier", Error{ErrorCode::kInvalid, 0,
                                fmt::format("--size '{}': give bytes, or a size such as 500G", arguments.size)});
    most_bytes = *size;
  }
  const auto not_since = NotSince(arguments.unused_for);
  if (!not_since) return Fail("tier", not_since.error());
  const auto tier = Tier::OpenToTidy(arguments.directory);
  if (!tier) return Fail("tier", tier.error());
  const auto before = (*tier)->taken_bytes();
  const auto after = (*tier)->Prune(most_bytes, *not_since);
  if (!after) return Fail("tier", after.error());
  const uint64_t given_back = before.value_or(*after) - std::min(before.value_or(*after), *after);
  if (arguments.json) {
    Json document = NewDocument(kSchema);
    document["taken_bytes"] = *after;
    document["given_back_bytes"] = given_back;
    fmt::print("{}\n", FormatJson(document));
  } else {
    fmt::print("{} given back, {} are left\n", FormatBytes(given_back), FormatBytes(*after));
  }
  return kExitOk;
}

int RunRemove(const TierArguments& arguments) {
  if (arguments.volumes.empty() != arguments.all)
    return Fail("tier", Error{ErrorCode::kInvalid, 0, "name what is to be removed, or give --all, not both"});
  const auto tier = Tier::OpenToTidy(arguments.directory);
  if (!tier) return Fail("tier", tier.error());
  auto all = (*tier)->List();
  auto volumes = all ? Select(*all, arguments.volumes) : all;
  if (!volumes) return Fail("tier", volumes.error());
  int status = kExitOk;
  for (const auto& volume : *volumes) {
    const auto removed = (*tier)->Remove(volume.folder);
    if (!removed) return Fail("tier", removed.error());
    if (*removed) continue;
    status = Fail("tier", Error{ErrorCode::kSystem, 0,
                                fmt::format("'{}' is mounted: unmount it first", EscapeName(volume.source))});
  }
  return status;
}

}  // namespace

void AddTierCommand(Command program, Body& run) {
  auto arguments = std::make_shared<TierArguments>();
  Command tier = program.AddSubcommand("tier", "Look after what a tier keeps on this machine's own disk");
  const auto add = [&](const char* name, const char* description, const char* volumes) {
    Command command = tier.AddSubcommand(name, description);
    command.Add("DIR", arguments->directory, "The tier's directory").Type("DIR").Required();
    if (volumes != nullptr) command.Add("SOURCE", arguments->volumes, volumes).Type("SOURCE");
    return command;
  };
  const auto add_json = [&](Command command) {
    command.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  };
  Command list =
      add("ls", "List what is kept, of which packs", "A URL or path, or the beginning of a name in the list");
  add_json(list);
  list.SetBody(run, [arguments] { return RunList(*arguments); });
  Command verify = add("verify", "Compare what is kept with its sums, and drop what differs", "Of this alone");
  add_json(verify);
  AddProgressOptions(verify, arguments->progress);
  verify.SetBody(run, [arguments] { return RunVerify(*arguments); });
  Command prune = add("prune", "Give back what was not used for longest, and what dead processes left", nullptr);
  prune.Add("--size", arguments->size, "Until no more than this is taken").Type("SIZE");
  prune.Add("--unused-for", arguments->unused_for, "All that was not used for so many days").Type("DAYS");
  add_json(prune);
  prune.SetBody(run, [arguments] { return RunPrune(*arguments); });
  Command remove = add("rm", "Remove what is kept of a pack", "A URL or path, or the beginning of a name in the list");
  remove.AddFlag("--all", arguments->all, "Of all packs");
  remove.SetBody(run, [arguments] { return RunRemove(*arguments); });
}

}  // namespace quire
