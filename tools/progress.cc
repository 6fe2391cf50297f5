#include "tools/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace quire {
namespace {

constexpr auto kBarInterval = std::chrono::milliseconds(200);
constexpr auto kLineInterval = std::chrono::seconds(5);

uint64_t NowNs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

size_t TerminalColumns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string DrawBar(double fraction, size_t cells) {
  const auto full = static_cast<size_t>(fraction * static_cast<double>(cells));
  return fmt::format("[{}{}]", std::string(full, '='), std::string(cells - full, ' '));
}

}  // namespace

Progress::Progress(ProgressMode mode, std::function<ProgressState()> read)
    : terminal_(isatty(STDERR_FILENO) != 0), read_(std::move(read)), phase_started_ns_(NowNs()) {
  if (mode != ProgressMode::kNever) thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

Progress::~Progress() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  ClearBar();
}

void Progress::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (terminal_)
      wake_.wait_for(lock, stop, kBarInterval, [] { return false; });
    else
      wake_.wait_for(lock, stop, kLineInterval, [] { return false; });
    if (stop.stop_requested()) return;
    Show();
  }
}

void Progress::Show() {
  const ProgressState state = read_();
  const uint64_t now_ns = NowNs();
  if (state.what != phase_) {
    phase_ = state.what;
    phase_started_ns_ = now_ns;
  }
  std::string text = state.what;
  if (!state.counts.empty()) text += ": " + state.counts;
  const double seconds = static_cast<double>(now_ns - phase_started_ns_) / 1e9;
  if (state.total > 0) {
    const double fraction = std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
    const auto format = state.is_bytes ? FormatBytes : FormatCount;
    text += fmt::format(", {} of {}", format(state.done), format(state.total));
    if (seconds > 0.5) {
      if (state.is_bytes)
        text += fmt::format(", {}/s", FormatBytes(static_cast<uint64_t>(static_cast<double>(state.done) / seconds)));
      if (fraction > 0.001)
        text += fmt::format(", {} left", FormatSeconds(static_cast<uint64_t>(seconds / fraction * (1 - fraction))));
    }
    const size_t columns = TerminalColumns();
    if (terminal_ && columns > text.size() + 12)
      text += " " + DrawBar(fraction, std::min<size_t>(columns - text.size() - 4, 30));
    else
      text += fmt::format(" ({:.0f} %)", fraction * 100);
  }
  if (!terminal_) {
    fmt::print(stderr, "{}\n", text);
    return;
  }
  text.resize(std::min(text.size(), TerminalColumns() - 1));
  fmt::print(stderr, "\r\033[K{}", text);
  bar_shown_ = true;
}

void Progress::ClearBar() {
  if (bar_shown_) fmt::print(stderr, "\r\033[K");
  bar_shown_ = false;
}

void Progress::PrintLine(const std::string& line) {
  const std::scoped_lock lock(mutex_);
  ClearBar();
  fmt::print(stderr, "{}\n", line);
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
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string FormatSeconds(uint64_t seconds) {
  if (seconds >= 3600) return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto continues = [&](size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead < 0xF0) {
    const bool shortest = lead != 0xE0 || at(1) >= 0xA0;
    const bool surrogate = lead == 0xED && at(1) >= 0xA0;
    return continues(1) && continues(2) && shortest && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead < 0xF5) {
    const bool in_range = (lead != 0xF0 || at(1) >= 0x90) && (lead != 0xF4 || at(1) < 0x90);
    return continues(1) && continues(2) && continues(3) && in_range ? 4 : 0;
  }
  return 0;
}

std::string EscapeName(std::string_view name) {
  std::string escaped;
  while (!name.empty()) {
    const size_t length = Utf8Length(name);
    const auto lead = static_cast<unsigned char>(name.front());
    if (lead == '\n')
      escaped += "\\n";
    else if (lead == '\t')
      escaped += "\\t";
    else if (lead == '\\')
      escaped += "\\\\";
    else if (length == 0 || lead < 0x20 || lead == 0x7f)
      escaped += fmt::format("\\x{:02x}", lead);
    else
      escaped += name.substr(0, length);
    name.remove_prefix(std::max<size_t>(length, 1));
  }
  return escaped;
}

}  // namespace quire
