// SPDX-License-Identifier: Apache-2.0
#include "tools/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "tools/progress_line.h"
#include "tools/standard_streams.h"

namespace quire {
namespace {

constexpr auto kBarInterval = std::chrono::milliseconds(200);
constexpr auto kLineInterval = std::chrono::seconds(5);

uint64_t NowNs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

// A dumb terminal cannot clear a line.
bool IsTerminal() {
  const char* const term = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && std::string_view(term == nullptr ? "" : term) != "dumb";
}

double SecondsSince(uint64_t started_ns) { return static_cast<double>(NowNs() - started_ns) / 1e9; }

}  // namespace

Progress::Progress(ProgressMode mode, std::function<ProgressState()> read)
    : mode_(mode),
      terminal_(IsTerminal()),
      read_(std::move(read)),
      started_ns_(NowNs()),
      phase_started_ns_(started_ns_) {
  if (mode == ProgressMode::kNever) return;
  if (mode == ProgressMode::kAlways) {
    const MutexLock lock(mutex_);
    Show();
  }
  // Where there can be no further thread, the work goes on unseen.
  static_cast<void>(thread_.Start("quire-progress", [this](const std::stop_token& stop) { Run(stop); }));
}

Progress::~Progress() {
  thread_.Stop();
  const MutexLock lock(mutex_);
  ClearBar();
}

void Progress::Run(const std::stop_token& stop) {
  for (bool is_first = true;; is_first = false) {
    if (terminal_ || is_first)
      thread_.Pause(stop, kBarInterval);
    else
      thread_.Pause(stop, kLineInterval);
    if (stop.stop_requested()) return;
    const MutexLock lock(mutex_);
    Show();
  }
}

void Progress::Show() {
  const ProgressState state = read_();
  if (state.what != phase_) {
    phase_ = state.what;
    phase_started_ns_ = NowNs();
  }
  Print(FormatProgress(state, SecondsSince(phase_started_ns_), ProgressTime::kLeft, Columns(), terminal_));
}

void Progress::Finish(ProgressState last) {
  thread_.Stop();
  const MutexLock lock(mutex_);
  if (!was_shown_ && mode_ != ProgressMode::kAlways) return;
  last.done = last.total;
  Print(FormatProgress(last, SecondsSince(started_ns_), ProgressTime::kTaken, Columns(), terminal_));
  if (bar_shown_) PrintToStderr("\n");
  bar_shown_ = false;
}

void Progress::Print(const std::string& line) {
  was_shown_ = true;
  bar_shown_ = terminal_;
  if (terminal_)
    PrintToStderr(fmt::format("\r\033[K{}", line));
  else
    PrintToStderr(fmt::format("{}\n", line));
}

void Progress::ClearBar() {
  if (bar_shown_) PrintToStderr("\r\033[K");
  bar_shown_ = false;
}

// The last column stays free: what fills it moves some terminals on to the next line.
size_t Progress::Columns() const {
  constexpr size_t kUsualColumns = 80;
  winsize size{};
  if (!terminal_) return SIZE_MAX;
  return (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : kUsualColumns) - 1;
}

void Progress::PrintLine(const std::string& line) {
  const MutexLock lock(mutex_);
  ClearBar();
  PrintToStderr(fmt::format("{}\n", EscapeLine(line)));
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string FormatCount(uint64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string FormatSeconds(uint64_t seconds) {
  if (seconds >= 3600) return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

std::string FormatAmount(uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", FormatCount(count), count == 1 ? one : many);
}

}  // namespace quire
