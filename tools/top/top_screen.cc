// SPDX-License-Identifier: Apache-2.0
#include "tools/top/top_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "format/escaping.h"
#include "tools/progress.h"
#include "tools/stats/figures.h"

namespace quire {
namespace {

constexpr double kUsPerMs = 1e3;
constexpr double kUsPerSecond = 1e6;
constexpr double kHundred = 100;
// Two columns of tables from here on, each as wide as the narrow screen is.
constexpr size_t kWideColumns = 150;
constexpr size_t kGap = 2;  // between both
// Of tables that share what height there is.
constexpr size_t kMostLatencies = 10;
constexpr size_t kFewLatencies = 5;
constexpr size_t kLowLines = 32;  // a screen that is lower shows few
constexpr size_t kMostMounts = 5;

// 3.2, 1,234, 56.7k
std::string FormatRate(double rate) {
  constexpr double kFew = 9.95;
  constexpr double kMany = 1e4;
  constexpr double kThousand = 1e3;
  constexpr double kMillion = 1e6;
  if (rate <= 0) return "0";
  if (rate < kFew) return fmt::format("{:.1f}", rate);
  if (rate < kMany) return FormatCount(static_cast<uint64_t>(std::round(rate)));
  if (rate < kMillion) return fmt::format("{:.1f}k", rate / kThousand);
  return fmt::format("{:.1f}M", rate / kMillion);
}

std::string FormatByteRate(double rate) { return FormatBytes(static_cast<uint64_t>(std::max(rate, 0.0))); }

std::string FormatShare(const std::optional<double>& share) {
  return share ? fmt::format("{:.0f} %", kHundred * std::clamp(*share, 0.0, 1.0)) : "-";
}

std::string FormatLatency(double us) { return us <= 0 ? "-" : FormatUs(us); }

TextStyle StyleOfLatency(double us) {
  constexpr double kLongMs = 100;
  if (us >= kUsPerSecond) return TextStyle::kAlarm;
  return us >= kLongMs * kUsPerMs ? TextStyle::kWarning : TextStyle::kPlain;
}

// Heights by powers of two: what takes twice as long is a step higher. From 2 us on, so that a hit is seen, 8 steps of
// factor 8 reach 30 s.
std::deque<double> LatencySteps(const std::deque<double>& latencies_us) {
  constexpr double kFactor = 8;
  std::deque<double> steps;
  for (const double us : latencies_us)
    steps.push_back(us <= 0 ? 0 : std::max(1.0, 1 + std::log2(us) / std::log2(kFactor)));
  return steps;
}
constexpr double kLatencySteps = 9;

// Builds lines of one width, from parts of given widths.
class Block {
 public:
  Block(size_t columns, Charset charset) : columns_(columns), charset_(charset) {}

  Block& Begin() {
    lines_.emplace_back();
    left_ = columns_;
    return *this;
  }
  // Exactly `columns` of text, or what there is left.
  Block& Left(std::string_view text, size_t columns, TextStyle style = TextStyle::kPlain, Cut cut = Cut::kEnd) {
    return Add(Fit(text, std::min(columns, left_), charset_, cut), style);
  }
  Block& Right(std::string_view text, size_t columns, TextStyle style = TextStyle::kPlain) {
    const size_t used = std::min(ColumnsOf(Showable(text, charset_)), columns);
    return Left(std::string(columns - used, ' ') + std::string(text), columns, style);
  }
  Block& Space(size_t columns = 1) { return Left("", columns); }
  Block& Rest(std::string_view text, TextStyle style = TextStyle::kPlain, Cut cut = Cut::kEnd) {
    return Left(text, left_, style, cut);
  }
  // Text as long as it is; nothing of it where it does not fit.
  Block& Word(std::string_view text, TextStyle style = TextStyle::kPlain) {
    const size_t columns = ColumnsOf(Showable(text, charset_));
    return columns <= left_ ? Left(text, columns, style) : *this;
  }
  Block& Graph(const std::deque<double>& values, double top, size_t columns) {
    const size_t shown = std::min(columns, left_);
    return Add(Sparkline(values, top, shown, charset_), TextStyle::kGraph, shown);
  }

  [[nodiscard]] size_t left() const { return left_; }
  [[nodiscard]] size_t height() const { return lines_.size(); }
  std::vector<ScreenLine> Take() { return std::move(lines_); }

 private:
  Block& Add(std::string text, TextStyle style) {
    const size_t columns = ColumnsOf(text);
    return Add(std::move(text), style, columns);
  }
  Block& Add(std::string text, TextStyle style, size_t columns) {
    left_ -= std::min(columns, left_);
    if (!text.empty()) lines_.back().push_back({std::move(text), style});
    return *this;
  }

  const size_t columns_;
  const Charset charset_;
  size_t left_ = 0;
  std::vector<ScreenLine> lines_;
};

constexpr size_t kNameColumns = 9;
constexpr size_t kRateColumns = 9;
constexpr size_t kBytesColumns = 10;
constexpr size_t kLatencyColumns = 9;
constexpr size_t kShareColumns = 6;
constexpr size_t kProcessColumns = 8;

constexpr size_t kTitleColumns = 12;  // " quire top  "

void AddTitle(Block& block, const TopView& view, double period_s) {
  const std::string right =
      fmt::format(" up {}, every {} s ", FormatSeconds(static_cast<uint64_t>(view.rates.uptime_s)), period_s);
  block.Begin();
  const size_t reserved = std::min(right.size(), block.left() / 2);
  block.Left(" quire top  ", std::min(kTitleColumns, block.left() - reserved), TextStyle::kTitle);
  const std::string name = EscapeName(view.mount_point);
  block.Left(name, std::min(ColumnsOf(name) + kGap, block.left() - reserved), TextStyle::kTitle, Cut::kBeginning);
  block.Left(EscapeName(view.source), block.left() - reserved, TextStyle::kTitle, Cut::kBeginning);
  block.Rest(right, TextStyle::kTitle);
}

void AddSums(Block& block, const MountRates& rates) {
  block.Begin().Space();
  block.Word(fmt::format("{} reads/s", FormatRate(rates.answered.reads_per_s)));
  if (rates.is_activity_told) block.Word(fmt::format("  {} files/s", FormatRate(rates.answered.files_per_s)));
  block.Word(fmt::format("  {}/s answered", FormatByteRate(rates.answered.bytes_per_s)));
  if (rates.pushed_per_s > 0) block.Word(fmt::format("  {} files/s given ahead", FormatRate(rates.pushed_per_s)));
  const auto count = [&block](uint64_t number, const char* what, TextStyle style) {
    if (number > 0) block.Word(fmt::format("  {} {}", FormatCount(number), what), style);
  };
  count(rates.slow, "slow", TextStyle::kWarning);
  count(rates.failed, "failed", TextStyle::kAlarm);
  count(rates.wrong, "wrong sums", TextStyle::kAlarm);
}

const char* ExplainHits(std::string_view level) {
  if (level == "kernel") return "was read";
  if (level == "memory") return "of reads";
  return "of misses";
}

void AddLevels(Block& block, const TopView& view) {
  block.Begin().Left(" from", kNameColumns, TextStyle::kHeading);
  block.Right("bytes/s", kBytesColumns, TextStyle::kHeading).Right("hits", kShareColumns, TextStyle::kHeading);
  block.Rest("", TextStyle::kHeading);
  constexpr size_t kExplanationColumns = 11;
  for (const LevelRate& level : view.rates.levels) {
    const auto& history = view.history.bytes(level.name);
    const double top = history.empty() ? 0 : *std::ranges::max_element(history);
    block.Begin().Left(" " + level.name, kNameColumns).Right(FormatByteRate(level.bytes_per_s), kBytesColumns);
    block.Right(FormatShare(level.hits), kShareColumns).Space();
    block.Left(level.hits ? ExplainHits(level.name) : "", kExplanationColumns, TextStyle::kDim);
    block.Graph(history, top, block.left());
  }
}

bool WasSeen(const TopView& view, const std::string& operation) {
  return std::ranges::any_of(view.history.p99_us(operation), [](double us) { return us > 0; });
}

void AddLatencies(Block& block, const TopView& view, size_t most) {
  block.Begin().Left(" latency", kNameColumns, TextStyle::kHeading);
  block.Right("number/s", kRateColumns, TextStyle::kHeading).Right("p50 <", kLatencyColumns, TextStyle::kHeading);
  constexpr size_t kSpaces = 2;  // one before each graph
  const size_t graph_columns = (block.left() - std::min(block.left(), kLatencyColumns + kSpaces)) / 2;
  block.Left("", 1 + graph_columns, TextStyle::kHeading).Right("p99 <", kLatencyColumns, TextStyle::kHeading);
  block.Rest("", TextStyle::kHeading);
  std::vector<const LatencyRate*> shown;
  for (const LatencyRate& latency : view.rates.latencies)
    if (WasSeen(view, latency.name)) shown.push_back(&latency);
  // Reads first: the others are steps on the way to them.
  std::ranges::stable_partition(shown, [](const LatencyRate* latency) { return latency->name == "read"; });
  if (shown.size() > most) shown.resize(most);
  for (const LatencyRate* latency : shown) {
    block.Begin().Left(" " + latency->name, kNameColumns).Right(FormatRate(latency->per_s), kRateColumns);
    block.Right(FormatLatency(latency->p50_us), kLatencyColumns, StyleOfLatency(latency->p50_us)).Space();
    block.Graph(LatencySteps(view.history.p50_us(latency->name)), kLatencySteps, graph_columns);
    block.Right(FormatLatency(latency->p99_us), kLatencyColumns, StyleOfLatency(latency->p99_us)).Space();
    block.Graph(LatencySteps(view.history.p99_us(latency->name)), kLatencySteps, graph_columns);
  }
}

void AddAhead(Block& block, const MountRates& rates) {
  block.Begin().Left(" ahead", kNameColumns, TextStyle::kHeading).Space();
  block.Word(fmt::format("pushed {}/s", FormatRate(rates.pushed_per_s)));
  if (rates.push_yield) block.Word(fmt::format(", {} read", FormatShare(rates.push_yield)));
  if (rates.dropped_per_s > 0)
    block.Word(fmt::format(", {}/s dropped", FormatRate(rates.dropped_per_s)), TextStyle::kWarning);
  if (rates.is_memory_short) block.Word(", memory is short", TextStyle::kWarning);
  if (rates.is_push_paused) block.Word(", paused", TextStyle::kWarning);
  block.Word(fmt::format("; swept {} pages/s", FormatRate(rates.swept_pages_per_s)));
  if (rates.prefetched_pages_per_s > 0)
    block.Word(fmt::format("; read ahead {}, wasted {}", FormatRate(rates.prefetched_pages_per_s),
                           FormatRate(rates.wasted_pages_per_s)));
  block.Rest("");
  block.Begin().Left(" queues", kNameColumns, TextStyle::kHeading).Space();
  block.Word(FormatAmount(rates.waiting, "read waits", "reads wait"),
             rates.waiting > 0 ? TextStyle::kWarning : TextStyle::kPlain);
  block.Word(fmt::format("; {} pages/s filled", FormatRate(rates.filled_pages_per_s)));
  if (rates.requests_in_flight)
    block.Word(fmt::format("; {} of {} requests in flight", *rates.requests_in_flight, rates.window));
  if (rates.plan_left > 0) block.Word(fmt::format("; {} of plans are left", FormatCount(rates.plan_left)));
  block.Rest("");
}

void AddReadHeading(Block& block) {
  block.Right("reads/s", kRateColumns, TextStyle::kHeading).Right("files/s", kRateColumns, TextStyle::kHeading);
  block.Right("bytes/s", kBytesColumns, TextStyle::kHeading).Left("", kGap, TextStyle::kHeading);
}

void AddReadRate(Block& block, const ReadRate& rate) {
  block.Right(FormatRate(rate.reads_per_s), kRateColumns).Right(FormatRate(rate.files_per_s), kRateColumns);
  block.Right(FormatByteRate(rate.bytes_per_s), kBytesColumns).Space(kGap);
}

// What a table says instead of rows.
std::string WhyEmpty(const TopView& view) {
  if (!view.no_activity.empty()) return view.no_activity;
  return view.rates.is_activity_told ? "nothing was read" : "counted from now on";
}

// How many lines of `lines` the readers get, their heading among them, so that both tables get half, or what the other
// does not need.
size_t LinesOfReaders(const TopView& view, size_t lines) {
  const size_t readers = 1 + std::max<size_t>(view.readers.size(), 1);
  const size_t folders = 1 + std::max<size_t>(view.rates.folders.size(), 1);
  const size_t half = (lines + 1) / 2;
  return std::min(readers, std::max(half, lines - std::min(lines, folders)));
}

// In `lines`, the heading among them.
void AddReaders(Block& block, const TopView& view, size_t lines) {
  if (lines == 0) return;
  block.Begin().Right("pid", kProcessColumns, TextStyle::kHeading);
  AddReadHeading(block);
  block.Rest("who reads", TextStyle::kHeading);
  if (view.readers.empty() && lines > 1) block.Begin().Rest(" " + WhyEmpty(view), TextStyle::kDim);
  for (size_t i = 0; i < view.readers.size() && i + 1 < lines; ++i) {
    const ReaderRate& reader = view.readers[i];
    block.Begin().Right(reader.process == 0 ? "-" : std::to_string(reader.process), kProcessColumns);
    AddReadRate(block, reader.rate);
    if (reader.threads > 1) block.Word(fmt::format("[{} threads] ", reader.threads), TextStyle::kDim);
    block.Rest(reader.command.empty() ? "-" : EscapeName(reader.command));
  }
}

void AddFolders(Block& block, const TopView& view, size_t lines) {
  if (lines == 0) return;
  block.Begin().Left("", kProcessColumns, TextStyle::kHeading);
  AddReadHeading(block);
  block.Rest("folder", TextStyle::kHeading);
  const auto& folders = view.rates.folders;
  if (folders.empty() && lines > 1) block.Begin().Rest(" " + WhyEmpty(view), TextStyle::kDim);
  for (size_t i = 0; i < folders.size() && i + 1 < lines; ++i) {
    block.Begin().Space(kProcessColumns);
    AddReadRate(block, folders[i].rate);
    block.Rest("/" + EscapeName(folders[i].path), TextStyle::kPlain, Cut::kBeginning);
  }
}

constexpr size_t kMarkColumns = 3;  // of the mount that is shown in detail

void AddMounts(Block& block, const std::vector<TopView>& views, size_t selected) {
  block.Begin();
  AddReadHeading(block);
  block.Right("waiting", kRateColumns, TextStyle::kHeading).Left("", kMarkColumns, TextStyle::kHeading);
  block.Rest("mount", TextStyle::kHeading);
  const size_t shown = std::min(views.size(), kMostMounts);
  const size_t first = selected < shown ? 0 : selected + 1 - shown;
  for (size_t i = first; i < first + shown; ++i) {
    const TopView& view = views[i];
    block.Begin();
    AddReadRate(block, view.rates.answered);
    block.Right(std::to_string(view.rates.waiting), kRateColumns).Left(i == selected ? " >" : "", kMarkColumns);
    block.Left(EscapeName(view.mount_point), block.left(), i == selected ? TextStyle::kPlain : TextStyle::kDim);
  }
}

void Append(std::vector<ScreenLine>& lines, Block&& block) {
  for (ScreenLine& line : block.Take()) lines.push_back(std::move(line));
}

ScreenLine Footer(size_t mounts, const ScreenForm& form) {
  Block block(form.columns, form.charset);
  block.Begin().Space().Rest(mounts > 1 ? "q quits, Tab shows the next mount" : "q quits", TextStyle::kDim);
  return std::move(block.Take().front());
}

// What the tables at the left need, and those at the right get.
std::vector<ScreenLine> LayOutTables(const TopView& view, size_t lines, const ScreenForm& form) {
  const bool is_wide = form.columns >= kWideColumns;
  const size_t left_columns = is_wide ? (form.columns - kGap) / 2 : form.columns;
  Block left(left_columns, form.charset);
  AddLevels(left, view);
  AddLatencies(left, view, is_wide || lines >= kLowLines ? kMostLatencies : kFewLatencies);
  AddAhead(left, view.rates);
  if (!is_wide) {
    const size_t rest = lines - std::min(lines, left.height());
    const size_t readers = LinesOfReaders(view, rest);
    AddReaders(left, view, readers);
    AddFolders(left, view, rest - readers);
    return left.Take();
  }
  Block right(form.columns - kGap - left_columns, form.charset);
  const size_t readers = LinesOfReaders(view, lines);
  AddReaders(right, view, readers);
  AddFolders(right, view, lines - readers);
  std::vector<ScreenLine> both = left.Take();
  std::vector<ScreenLine> beside = right.Take();
  both.resize(std::max(both.size(), beside.size()));
  for (size_t i = 0; i < beside.size(); ++i) {
    size_t used = 0;
    for (const StyledText& part : both[i]) used += ColumnsOf(part.text);
    both[i].push_back({std::string(left_columns + kGap - used, ' ')});
    for (StyledText& part : beside[i]) both[i].push_back(std::move(part));
  }
  return both;
}

}  // namespace

std::vector<ScreenLine> LayOutTop(const std::vector<TopView>& views, size_t selected, double period_s,
                                  const ScreenForm& form) {
  std::vector<ScreenLine> lines;
  Block head(form.columns, form.charset);
  if (views.empty()) {
    head.Begin().Rest(" quire top", TextStyle::kTitle);
    head.Begin().Rest(" no pack is mounted; this waits for one");
    Append(lines, std::move(head));
  } else {
    const TopView& view = views[selected];
    AddTitle(head, view, period_s);
    if (views.size() > 1) AddMounts(head, views, selected);
    for (const std::string& part : Wrap(EscapeLine(view.trouble), form.columns, form.charset))
      head.Begin().Rest(part, TextStyle::kAlarm);
    const bool has_rates = view.has_rates && view.trouble.empty();
    if (has_rates) AddSums(head, view.rates);
    if (!has_rates && view.trouble.empty()) head.Begin().Rest(" the first rates come in a moment", TextStyle::kDim);
    Append(lines, std::move(head));
    if (has_rates && lines.size() + 1 < form.lines)
      for (ScreenLine& line : LayOutTables(view, form.lines - 1 - lines.size(), form)) lines.push_back(std::move(line));
  }
  if (form.lines > 1) {
    lines.resize(form.lines - 1);
    lines.push_back(Footer(views.size(), form));
  }
  lines.resize(std::min(lines.size(), form.lines));
  return lines;
}

std::string TopLineHeading() {
  return fmt::format("{:>9} {:>9} {:>10} {:>9} {:>5} {:>8} {:>8} {:>7} {:>5} {:>6}  {}", "reads/s", "files/s",
                     "answered/s", "ahead/s", "hits", "p50 <", "p99 <", "waiting", "slow", "failed",
                     "who reads; folder");
}

std::string FormatTopLine(const TopView& view, bool many) {
  const MountRates& rates = view.rates;
  const auto level = std::ranges::find(rates.levels, "memory", &LevelRate::name);
  // Without activity only reads that waited are timed.
  const auto find = [&](const char* name) { return std::ranges::find(rates.latencies, name, &LatencyRate::name); };
  const auto latency = find(rates.is_activity_told ? "read" : "wait");
  const bool is_timed = latency != rates.latencies.end();
  std::string who;
  if (!view.readers.empty())
    who = fmt::format("{} {}", view.readers.front().process, EscapeName(view.readers.front().command));
  if (!rates.folders.empty()) who += fmt::format("; /{}", EscapeName(rates.folders.front().path));
  return fmt::format(
      "{:>9} {:>9} {:>10} {:>9} {:>5} {:>8} {:>8} {:>7} {:>5} {:>6}  {}{}", FormatRate(rates.answered.reads_per_s),
      rates.is_activity_told ? FormatRate(rates.answered.files_per_s) : "-", FormatByteRate(rates.answered.bytes_per_s),
      FormatRate(rates.pushed_per_s), level == rates.levels.end() ? "-" : FormatShare(level->hits),
      FormatLatency(is_timed ? latency->p50_us : 0), FormatLatency(is_timed ? latency->p99_us : 0), rates.waiting,
      rates.slow, rates.failed, many ? EscapeName(view.mount_point) + "  " : "", who.empty() ? "-" : who);
}

}  // namespace quire
