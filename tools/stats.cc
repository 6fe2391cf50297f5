// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "format/escaping.h"
#include "fs/json_text.h"
#include "fs/mounts/mount_table.h"
#include "fs/serve/metrics.h"
#include "tools/command.h"
#include "tools/stats/control_reader.h"
#include "tools/stats/metric_merge.h"
#include "tools/stats/pack_mounts.h"
#include "tools/stats/stats_text.h"
#include "tools/stats/text_file.h"

namespace quire {
namespace {

constexpr int kSchema = 1;
constexpr const char* kTextFileName = "quire.prom";
constexpr const char* kUp = "quire_mount_up";

struct StatsArguments {
  std::vector<std::string> directories;
  bool all = false;
  bool json = false;
  bool prometheus = false;
  std::string text_folder;
  double watch_s = 0;
};

// Of one mount, at one moment.
struct Told {
  MountEntry mount;
  Result<std::string> text;  // of the control file

  // Whether the error says that the daemon is gone or hangs, and not that the figures are not for this user.
  [[nodiscard]] bool is_down() const {
    return !text && (text.error().system_errno == ENOTCONN || text.error().system_errno == ETIMEDOUT);
  }
};

Result<std::vector<MountEntry>> FindMounts(const StatsArguments& arguments) {
  if (arguments.all) return FindAllPackMounts();
  std::vector<MountEntry> mounts;
  for (const std::string& directory : arguments.directories) {
    auto mount = FindPackMount(directory);
    if (!mount) return Propagate(std::move(mount));
    mounts.push_back(*std::move(mount));
  }
  return mounts;
}

std::vector<Told> Ask(const std::vector<MountEntry>& mounts, const char* file) {
  std::vector<Told> all;
  for (const MountEntry& mount : mounts) all.push_back({mount, ReadControlFile(mount, file)});
  return all;
}

// Says what could not be told. What --all finds and is not for this user, or is down, is no failure of the command.
int Complain(const std::vector<Told>& all, bool found_by_itself) {
  int status = kExitOk;
  for (const Told& told : all) {
    if (told.text) continue;
    const int failed = Fail("stats", told.text.error());
    if (!found_by_itself) status = failed;
  }
  return status;
}

// The document of `.quire/stats`; nothing where it is none.
std::optional<Json> Parse(const Told& told) {
  if (!told.text) return std::nullopt;
  auto document = Json::parse(*told.text, nullptr, /*allow_exceptions=*/false);
  return document.is_object() ? std::optional(std::move(document)) : std::nullopt;
}

Json JsonOf(const std::vector<Told>& all) {
  Json document = NewDocument(kSchema);
  Json& list = document["mounts"] = Json::array();
  for (const Told& told : all) {
    Json entry;
    SetName(entry, "mount_point", told.mount.mount_point);
    SetName(entry, "source", told.mount.source);
    entry["is_up"] = !told.is_down();
    auto stats = Parse(told);
    entry["stats"] = stats ? *std::move(stats) : Json();
    if (!told.text) entry["error"] = told.text.error().message;
    list.push_back(std::move(entry));
  }
  return document;
}

void PrintText(const std::vector<Told>& all) {
  bool is_first = true;
  for (const Told& told : all) {
    const auto stats = Parse(told);
    if (!stats) continue;
    fmt::print("{}{}", std::exchange(is_first, false) ? "" : "\n", FormatStats(told.mount, *stats));
  }
}

std::string FormatPrometheus(const std::vector<Told>& all) {
  std::string up = fmt::format("# HELP {0} Whether the daemon of the mount answers: 1 or 0.\n# TYPE {0} gauge\n", kUp);
  MetricMerge merge;
  for (const Told& told : all) {
    up += fmt::format("{}{{{}}} {}\n", kUp, FormatMountLabels(told.mount.mount_point, told.mount.source),
                      told.is_down() ? 0 : 1);
    if (told.text) merge.Add(*told.text);
  }
  return (all.empty() ? "" : up) + merge.Format();
}

int RunOnce(const StatsArguments& arguments, const std::vector<MountEntry>& mounts) {
  const bool is_metrics = arguments.prometheus || !arguments.text_folder.empty();
  const auto all = Ask(mounts, is_metrics ? "metrics" : "stats");
  if (!arguments.text_folder.empty()) {
    const auto replaced = ReplaceTextFile(arguments.text_folder, kTextFileName, FormatPrometheus(all));
    if (!replaced) return Fail("stats", replaced.error());
  }
  if (arguments.prometheus) fmt::print("{}", FormatPrometheus(all));
  if (arguments.json) fmt::print("{}\n", FormatJson(JsonOf(all)));
  if (!arguments.json && !is_metrics) PrintText(all);
  if (all.empty() && !arguments.json && !is_metrics) fmt::print("no pack is mounted\n");
  return Complain(all, arguments.all);
}

// Until an interrupt, or until nothing is left to watch.
int Watch(const StatsArguments& arguments, const std::vector<MountEntry>& mounts) {
  constexpr unsigned kLinesAPage = 20;  // then the heading comes again
  using Clock = std::chrono::steady_clock;
  const std::chrono::duration<double> period(std::max(arguments.watch_s, kLeastWatchS));
  auto before = Ask(mounts, "stats");
  auto asked_at = Clock::now();
  for (unsigned line = 0;; ++line) {
    std::this_thread::sleep_until(asked_at + std::chrono::duration_cast<Clock::duration>(period));
    auto after = Ask(mounts, "stats");
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - asked_at).count();
    asked_at = now;
    if (arguments.json) {
      fmt::print("{}\n", FormatJson(JsonOf(after), JsonLayout::kOneLine));
    } else {
      if (line % kLinesAPage == 0) fmt::print("{}\n", WatchHeading());
      for (size_t i = 0; i < after.size(); ++i) {
        const auto then = Parse(before[i]);
        const auto stats = Parse(after[i]);
        if (!then || !stats) continue;
        fmt::print("{}{}\n", FormatWatch(*then, *stats, seconds),
                   after.size() == 1 ? "" : "  " + EscapeName(after[i].mount.mount_point));
      }
    }
    std::fflush(stdout);
    if (std::ranges::none_of(after, [](const Told& told) { return told.text.has_value(); }))
      return Complain(after, false);
    before = std::move(after);
  }
}

int RunStats(const StatsArguments& arguments) {
  if (arguments.directories.empty() != arguments.all)
    return Fail("stats",
                Error{ErrorCode::kInvalid, 0, "name the folders where packs are mounted, or give --all, not both"});
  const auto mounts = FindMounts(arguments);
  if (!mounts) return Fail("stats", mounts.error());
  return arguments.watch_s > 0 && !mounts->empty() ? Watch(arguments, *mounts) : RunOnce(arguments, *mounts);
}

}  // namespace

void AddStatsCommand(Command program, Body& run) {
  auto arguments = std::make_shared<StatsArguments>();
  Command stats = program.AddSubcommand("stats", "Tell how mounts fare: what came from where, what is slow");
  stats.Add("DIR", arguments->directories, "Where a pack is mounted, or a folder in it").Type("DIR");
  stats.AddFlag("--all", arguments->all, "All mounts of this machine");
  Option json = stats.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  Option prometheus =
      stats.AddFlag("--prometheus", arguments->prometheus, "In the text format of Prometheus").Excludes(json);
  Option folder = stats
                      .Add("--textfile", arguments->text_folder,
                           "Write that to DIR/quire.prom, in one step, for node_exporter's textfile collector")
                      .Type("DIR")
                      .Excludes(json)
                      .Excludes(prometheus);
  stats.Add("--watch", arguments->watch_s, "Rates, in a line each so many seconds")
      .Type("SECONDS")
      .Positive()
      .Excludes(prometheus)
      .Excludes(folder);
  stats.SetBody(run, [arguments] { return RunStats(*arguments); });
}

}  // namespace quire
