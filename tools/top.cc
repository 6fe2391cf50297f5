// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "format/escaping.h"
#include "fs/json_text.h"
#include "fs/mounts/mount_table.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/standard_streams.h"
#include "tools/stats/control_reader.h"
#include "tools/stats/pack_mounts.h"
#include "tools/top/mount_rates.h"
#include "tools/top/reader_names.h"
#include "tools/top/terminal_screen.h"
#include "tools/top/top_screen.h"
#include "tools/top/top_view.h"

namespace quire {
namespace {

using Clock = std::chrono::steady_clock;

// A screen stands still while a daemon is waited for.
constexpr std::chrono::milliseconds kPatience{1000};
constexpr double kFirstPeriodS = 1;   // until the first rates, where updates are farther apart
constexpr unsigned kLinesAPage = 20;  // then the heading comes again

struct TopArguments {
  std::vector<std::string> directories;
  double period_s = 2;
  uint64_t updates = 0;  // 0: any number
  bool lines = false;
};

// A mount, as it was seen last.
struct WatchedMount {
  MountEntry entry;
  std::optional<MountLook> look;
  Clock::time_point looked_at;
  ReaderNames names;
  TopView view;
};

std::optional<Json> ParseObject(const std::string& text) {
  auto document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return document.is_object() ? std::optional(std::move(document)) : std::nullopt;
}

// All that is looked at.
class Watch {
 public:
  explicit Watch(std::vector<MountEntry> named) : named_(std::move(named)) {
    for (const MountEntry& entry : named_) Add(entry);
  }

  // Looks at each mount. Where none was named, at those that there are now. An error where they cannot be found.
  Result<void> Look() {
    auto found = FindAllPackMounts();
    if (!found) return Propagate(std::move(found));
    const auto is_there = [&](const MountEntry& entry) {
      return std::ranges::any_of(*found, [&](const MountEntry& other) { return other.device == entry.device; });
    };
    if (named_.empty()) {
      std::erase_if(mounts_, [&](const auto& mount) { return !is_there(mount->entry); });
      for (const MountEntry& entry : *found)
        if (std::ranges::none_of(mounts_, [&](const auto& mount) { return mount->entry.device == entry.device; }))
          Add(entry);
    }
    gone_.clear();
    for (const auto& mount : mounts_) {
      if (is_there(mount->entry)) {
        LookAt(*mount);
      } else {
        mount->view.trouble = "the mount is gone";
        gone_.push_back(mount->entry.mount_point);
      }
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }  // children that a silent daemon has kept
    return {};
  }

  // Where mounts were named, and none of them is there any more: what to say of it.
  [[nodiscard]] std::optional<Error> End() const {
    if (named_.empty() || gone_.size() < mounts_.size()) return std::nullopt;
    return Error{ErrorCode::kNotFound, 0,
                 fmt::format("the mount at '{}' is gone{}", gone_.front(),
                             gone_.size() == 1 ? "" : fmt::format(", and so are {} others", gone_.size() - 1))};
  }

  [[nodiscard]] std::vector<TopView> views() const {
    std::vector<TopView> views;
    for (const auto& mount : mounts_) views.push_back(mount->view);
    return views;
  }

 private:
  void Add(const MountEntry& entry) {
    auto mount = std::make_unique<WatchedMount>();
    mount->entry = entry;
    mount->view.mount_point = entry.mount_point;
    mount->view.source = entry.source;
    mounts_.push_back(std::move(mount));
  }

  static void LookAt(WatchedMount& mount) {
    TopView& view = mount.view;
    const auto stats = ReadControlFile(mount.entry, "stats", kPatience);
    std::optional<Json> document = stats ? ParseObject(*stats) : std::nullopt;
    if (!document) {
      view.trouble = stats ? "the daemon tells what is no document" : stats.error().message;
      mount.look.reset();
      return;
    }
    MountLook look = {.stats = *std::move(document), .activity = Json()};
    const auto activity = ReadControlFile(mount.entry, "activity", kPatience);
    view.no_activity.clear();
    if (auto told = activity ? ParseObject(*activity) : std::nullopt)
      look.activity = *std::move(told);
    else if (!activity && activity.error().system_errno == EACCES)
      view.no_activity = "who reads is told to root and to the user who mounted";
    else
      view.no_activity = "the daemon does not tell who reads";
    const auto now = Clock::now();
    const std::chrono::duration<double> passed = now - mount.looked_at;
    view.trouble.clear();
    view.has_rates = mount.look.has_value();
    if (view.has_rates) {
      view.rates = RatesBetween(*mount.look, look, passed.count());
      view.readers = mount.names.Group(view.rates);
      view.history.Add(view.rates);
    }
    mount.look = std::move(look);
    mount.looked_at = now;
  }

  const std::vector<MountEntry> named_;
  std::vector<std::unique_ptr<WatchedMount>> mounts_;
  std::vector<std::string> gone_;
};

bool IsInterrupted() { return InterruptFlag()->load(); }

// Ends where an interrupt comes, too.
int RunLines(const TopArguments& arguments, Watch& watch) {
  uint64_t printed = 0;
  for (uint64_t update = 0;; ++update) {
    const auto next =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(arguments.period_s));
    if (const auto looked = watch.Look(); !looked) return Fail("top", looked.error());
    const std::vector<TopView> views = watch.views();
    if (views.empty() && update == 0) PrintToStderr("no pack is mounted; this waits for one\n");
    for (const TopView& view : views) {
      if (!view.trouble.empty())
        PrintToStderr(fmt::format("{}: {}\n", EscapeName(view.mount_point), EscapeLine(view.trouble)));
      if (!view.has_rates || !view.trouble.empty()) continue;
      if (printed++ % kLinesAPage == 0) fmt::print("{}\n", TopLineHeading());
      fmt::print("{}\n", FormatTopLine(view, views.size() > 1));
    }
    if (std::fflush(stdout) != 0)
      return Fail("top", Error{ErrorCode::kSystem, errno, "standard output: " + ReasonOf(errno)});
    if (const auto end = watch.End()) return Fail("top", *end);
    if (arguments.updates > 0 && update == arguments.updates) return kExitOk;
    std::this_thread::sleep_until(next);
  }
}

// Runs until the user ends it, or nothing is left to show; then the terminal is as it was.
Result<void> RunScreen(const TopArguments& arguments, Watch& watch) {
  auto screen = TerminalScreen::Open();
  if (!screen) return Propagate(std::move(screen));
  size_t selected = 0;
  std::vector<TopView> views;
  const auto show = [&] {
    selected = views.empty() ? 0 : std::min(selected, views.size() - 1);
    (*screen)->Show(LayOutTop(views, selected, arguments.period_s, (*screen)->form()));
  };
  for (uint64_t update = 0; !IsInterrupted(); ++update) {
    const double period_s = update == 0 ? std::min(arguments.period_s, kFirstPeriodS) : arguments.period_s;
    const auto next =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(period_s));
    if (auto looked = watch.Look(); !looked) return looked;
    views = watch.views();
    show();
    if (auto end = watch.End()) return std::unexpected(*std::move(end));
    if (arguments.updates > 0 && update == arguments.updates) return {};
    while (!IsInterrupted()) {
      const std::chrono::duration<double> left = next - Clock::now();
      if (left.count() <= 0) break;
      const TerminalKey key = (*screen)->Wait(left.count());
      if (key == TerminalKey::kQuit) return {};
      if (key == TerminalKey::kNone || key == TerminalKey::kOther || IsInterrupted()) continue;
      if (!views.empty() && key == TerminalKey::kNext) selected = (selected + 1) % views.size();
      if (!views.empty() && key == TerminalKey::kPrevious) selected = (selected + views.size() - 1) % views.size();
      show();
    }
  }
  return {};
}

int RunTop(TopArguments arguments) {
  arguments.period_s = std::max(arguments.period_s, kLeastWatchS);
  std::vector<MountEntry> named;
  for (const std::string& directory : arguments.directories) {
    auto mount = FindPackMount(directory);
    if (!mount) return Fail("top", mount.error());
    named.push_back(*std::move(mount));
  }
  Watch watch(std::move(named));
  if (arguments.lines || isatty(STDOUT_FILENO) == 0) return RunLines(arguments, watch);
  CatchInterrupts();
  const auto done = RunScreen(arguments, watch);
  EndIfInterrupted();
  return done ? kExitOk : Fail("top", done.error());
}

}  // namespace

void AddTopCommand(Command program, Body& run) {
  auto arguments = std::make_shared<TopArguments>();
  Command top = program.AddSubcommand("top", "Show live how mounts fare, who reads them, and which folders");
  top.Add("DIR", arguments->directories, "Where a pack is mounted, or a folder in it; without one all mounts")
      .Type("DIR");
  top.Add("--interval", arguments->period_s, "Between updates").Type("SECONDS").Positive().ShowDefault();
  top.Add("--count", arguments->updates, "End after N updates").Type("N");
  top.AddFlag("--lines", arguments->lines, "Print a line for each update, as where there is no terminal");
  top.SetBody(run, [arguments] { return RunTop(*arguments); });
}

}  // namespace quire
