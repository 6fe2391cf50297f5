// SPDX-License-Identifier: Apache-2.0
#include "tools/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace quire {
namespace {

constexpr std::string_view kGap = "  ";
constexpr size_t kMinBarCells = 10;
constexpr size_t kMaxBarCells = 30;
constexpr double kFirstRateSeconds = 0.5;     // before that a rate is chance
constexpr double kFirstLeftFraction = 0.001;  // and so is what it leads to

bool IsCharacterStart(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }

// Characters of UTF-8 text, each of which is taken to fill one column.
size_t CountColumns(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, IsCharacterStart));
}

void CutToColumns(std::string& text, size_t columns) {
  for (size_t at = 0; at < text.size(); ++at)
    if (IsCharacterStart(text[at]) && columns-- == 0) return text.resize(at);
}

std::string FormatRate(const ProgressState& state, double seconds) {
  return fmt::format("{}/s", FormatBytes(static_cast<uint64_t>(static_cast<double>(state.done) / seconds)));
}

// By importance; empty ones are not known yet.
std::vector<std::string> Fields(const ProgressState& state, double fraction, double seconds, ProgressTime time) {
  const bool is_known = state.total > 0;
  const auto format = state.is_bytes ? FormatBytes : FormatCount;
  std::string percent;
  std::string amount;
  std::string rate;
  if (is_known) percent = fmt::format("{:3} %", static_cast<int>(fraction * 100));  // 100 only when all is done
  std::string clock = FormatSeconds(static_cast<uint64_t>(seconds));
  if (time == ProgressTime::kLeft && is_known) {
    const bool is_measured = seconds > kFirstRateSeconds && fraction > kFirstLeftFraction;
    clock = is_measured ? FormatSeconds(static_cast<uint64_t>(seconds / fraction * (1 - fraction))) + " left" : "";
  }
  if (is_known)
    amount = time == ProgressTime::kTaken ? format(state.total)
                                          : fmt::format("{} of {}", format(state.done), format(state.total));
  if (is_known && state.is_bytes && seconds > kFirstRateSeconds) rate = FormatRate(state, seconds);
  return {std::move(percent), std::move(clock), state.what, std::move(amount), std::move(rate), state.counts};
}

}  // namespace

std::string FormatProgress(const ProgressState& state, double seconds, ProgressTime time, size_t columns,
                           bool has_bar) {
  const double fraction =
      state.total == 0 ? 0 : std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
  std::string line;
  size_t used = 0;
  for (const std::string& field : Fields(state, fraction, seconds, time)) {
    const size_t gap = line.empty() ? 0 : kGap.size();
    const size_t wanted = gap + CountColumns(field);
    if (field.empty() || (used > 0 && used + wanted > columns)) continue;
    line += kGap.substr(0, gap);
    line += field;
    used += wanted;
  }
  CutToColumns(line, columns);
  const size_t frame = kGap.size() + 2;
  if (has_bar && state.total > 0 && used + frame + kMinBarCells <= columns) {
    const size_t cells = std::min(columns - used - frame, kMaxBarCells);
    const auto full = static_cast<size_t>(fraction * static_cast<double>(cells));
    line += fmt::format("{}[{}{}]", kGap, std::string(full, '='), std::string(cells - full, ' '));
  }
  return line;
}

}  // namespace quire
