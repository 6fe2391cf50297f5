// SPDX-License-Identifier: Apache-2.0
// Goal: an axis shows every value at round ticks, a value is written as a reader expects it, and a chart is well-formed
// XML in which no text is cut off or lies on another, whatever the names and numbers.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <regex>

#include "tools/bench/chart.h"

namespace quire::bench {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Ticks = std::vector<double>;

// 1, 2 or 5 times a power of ten, as the leading digits say.
bool IsRoundStep(double step) {
  const std::string digits = fmt::format("{:.6e}", step).substr(0, 8);
  return digits == "1.000000" || digits == "2.000000" || digits == "5.000000";
}

TEST(FitScale, LinearTicksAreRoundAndCoverTheRange) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> mantissa(-10, 10);
  for (int i = 0; i < 20000; ++i) {
    const double size = std::pow(10, std::uniform_int_distribution(-290, 290)(random));
    const double ends[] = {mantissa(random) * size, mantissa(random) * size};
    const auto [low, high] = std::minmax(ends[0], ends[1]);
    const size_t most_ticks = std::uniform_int_distribution<size_t>(3, 12)(random);
    const auto scale = FitScale(Scale::kLinear, low, high, most_ticks);
    SCOPED_TRACE(fmt::format("[{}, {}], {} ticks", low, high, most_ticks));
    EXPECT_LE(scale.low, low);
    EXPECT_GE(scale.high, high);
    EXPECT_EQ(scale.ticks.front(), scale.low);
    EXPECT_EQ(scale.ticks.back(), scale.high);
    EXPECT_LE(scale.ticks.size(), most_ticks);
    EXPECT_EQ(std::ranges::count(scale.ticks, 0), 1);
    for (size_t t = 1; t < scale.ticks.size(); ++t) EXPECT_TRUE(IsRoundStep(scale.ticks[t] - scale.ticks[t - 1]));
    if (testing::Test::HasFailure()) return;
  }
}

TEST(FitScale, LinearTicksAreTheNearestDoubles) {
  EXPECT_EQ(FitScale(Scale::kLinear, 0, 0.3, 4).ticks, (Ticks{0, 0.1, 0.2, 0.3}));
  EXPECT_EQ(FitScale(Scale::kLinear, 0, 1.1, 12).ticks,
            (Ticks{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1}));
  EXPECT_EQ(FitScale(Scale::kLinear, 40, 97, 6).ticks, (Ticks{0, 20, 40, 60, 80, 100}));
  EXPECT_EQ(FitScale(Scale::kLinear, -3, 7, 5).ticks, (Ticks{-5, 0, 5, 10}));
}

TEST(FitScale, LinearShowsZeroWhereThereIsNothingElse) {
  EXPECT_EQ(FitScale(Scale::kLinear, 0, 0, 3).ticks, (Ticks{0, 0.5, 1}));
  EXPECT_EQ(FitScale(Scale::kLinear, 5, 5, 3).ticks, (Ticks{0, 5}));
  EXPECT_EQ(FitScale(Scale::kLinear, -5, -5, 3).ticks, (Ticks{-5, 0}));
  EXPECT_EQ(FitScale(Scale::kLinear, 0, 5e-324, 3).high, 1);
}

TEST(FitScale, SurvivesTheLargestNumbers) {
  const double most = std::numeric_limits<double>::max();
  for (const auto kind : {Scale::kLinear, Scale::kLog2, Scale::kLog10}) {
    const auto scale = FitScale(kind, -most, most, 5);
    EXPECT_TRUE(std::isfinite(scale.low) && std::isfinite(scale.high));
    EXPECT_LE(scale.ticks.size(), 5U);
    EXPECT_EQ(scale.Place(most), 1);
    EXPECT_EQ(scale.Place(-most), 0);
  }
}

TEST(FitScale, LogarithmicTicksArePowers) {
  EXPECT_EQ(FitScale(Scale::kLog2, 1, 12, 8).ticks, (Ticks{1, 2, 4, 8, 16}));
  EXPECT_EQ(FitScale(Scale::kLog2, 4096, 4 << 20, 12).ticks.size(), 11U);
  EXPECT_EQ(FitScale(Scale::kLog2, 4096, 1 << 20, 5).ticks, (Ticks{4096, 16384, 65536, 262144, 1 << 20}));
  EXPECT_EQ(FitScale(Scale::kLog10, 0.001, 1000, 7).ticks, (Ticks{0.001, 0.01, 0.1, 1, 10, 100, 1000}));
  EXPECT_EQ(FitScale(Scale::kLog10, 2e-5, 0.3, 9).ticks, (Ticks{1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1}));
}

TEST(FitScale, LogarithmicStartsAndEndsAtAPower) {
  const auto scale = FitScale(Scale::kLog10, 3, 2e7, 3);
  EXPECT_EQ(scale.low, 1);
  EXPECT_EQ(scale.high, 1e8);
  EXPECT_LE(scale.ticks.size(), 3U);
  EXPECT_EQ(FitScale(Scale::kLog10, 10, 10, 5).ticks, (Ticks{10, 100}));
}

TEST(FitScale, LogarithmicOfZeroStaysWithinSixDecades) {
  EXPECT_EQ(FitScale(Scale::kLog10, 0, 1000, 9).low, 0.001);
  EXPECT_EQ(FitScale(Scale::kLog10, -5, 1000, 9).low, 0.001);
  EXPECT_EQ(FitScale(Scale::kLog10, 0, 0, 9).high, 1);
  EXPECT_EQ(FitScale(Scale::kLog2, -2, -1, 9).high, 1);
}

TEST(AxisScale, PlacesValuesBetweenItsEnds) {
  const AxisScale linear{.scale = Scale::kLinear, .low = -10, .high = 30};
  EXPECT_EQ(linear.Place(-10), 0);
  EXPECT_EQ(linear.Place(0), 0.25);
  EXPECT_EQ(linear.Place(30), 1);
  const AxisScale log{.scale = Scale::kLog10, .low = 1e-3, .high = 1e3};
  EXPECT_NEAR(log.Place(1), 0.5, 1e-12);
  const AxisScale log2{.scale = Scale::kLog2, .low = 1, .high = 16};
  EXPECT_NEAR(log2.Place(2), 0.25, 1e-12);
}

TEST(AxisScale, ClampsWhatItDoesNotShow) {
  const AxisScale log{.scale = Scale::kLog10, .low = 1, .high = 100};
  for (const double below : {0.5, 0.0, -1.0, -kInfinity}) EXPECT_EQ(log.Place(below), 0);
  for (const double above : {101.0, kInfinity}) EXPECT_EQ(log.Place(above), 1);
}

TEST(FormatValue, WritesEachUnit) {
  const std::tuple<double, Unit, const char*> kCases[] = {
      {0, Unit::kNumber, "0"},
      {-0.0, Unit::kNumber, "0"},
      {1, Unit::kNumber, "1"},
      {0.42, Unit::kNumber, "0.42"},
      {-1.5, Unit::kNumber, "-1.5"},
      {999, Unit::kNumber, "999"},
      {999.4, Unit::kNumber, "999"},
      {999.5, Unit::kNumber, "1k"},
      {12345, Unit::kNumber, "12.3k"},
      {1e-9, Unit::kNumber, "1e-09"},
      {1e300, Unit::kNumber, "1e+288T"},
      {0, Unit::kBytes, "0 B"},
      {1000, Unit::kBytes, "1000 B"},
      {1023, Unit::kBytes, "1023 B"},
      {1024, Unit::kBytes, "1 KiB"},
      {65536, Unit::kBytes, "64 KiB"},
      {1536, Unit::kBytes, "1.5 KiB"},
      {1048575, Unit::kBytes, "1 MiB"},
      {4.0 * (1 << 20), Unit::kBytes, "4 MiB"},
      {0, Unit::kBytesPerSecond, "0 B/s"},
      {999999, Unit::kBytesPerSecond, "1 MB/s"},
      {1.5e9, Unit::kBytesPerSecond, "1.5 GB/s"},
      {12.345e6, Unit::kBytesPerSecond, "12.3 MB/s"},
      {0.5, Unit::kPerSecond, "0.5/s"},
      {950, Unit::kPerSecond, "950/s"},
      {12345, Unit::kPerSecond, "12.3k/s"},
      {0, Unit::kSeconds, "0 s"},
      {1e-9, Unit::kSeconds, "1 ns"},
      {4e-10, Unit::kSeconds, "0.4 ns"},
      {1.2e-3, Unit::kSeconds, "1.2 ms"},
      {84e-6, Unit::kSeconds, "84 us"},
      {0.9999, Unit::kSeconds, "1 s"},
      {-0.002, Unit::kSeconds, "-2 ms"},
      {1234, Unit::kSeconds, "1234 s"},
      {0, Unit::kPercent, "0 %"},
      {0.42, Unit::kPercent, "42 %"},
      {0.999, Unit::kPercent, "99.9 %"},
      {1, Unit::kPercent, "100 %"},
      {12.5, Unit::kPercent, "1250 %"},
      {0.00031, Unit::kPercent, "0.031 %"},
      {kNaN, Unit::kBytes, "n/a"},
      {-kInfinity, Unit::kSeconds, "n/a"},
  };
  for (const auto& [value, unit, text] : kCases) EXPECT_EQ(FormatValue(value, unit), text) << value;
}

TEST(EscapeXml, LeavesNothingThatXmlCannotCarry) {
  EXPECT_EQ(EscapeXml("a<b>&\"c\"'d'"), "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;");
  EXPECT_EQ(EscapeXml("caf\xC3\xA9 \xF0\x9F\x98\x80\t\n"), "caf\xC3\xA9 \xF0\x9F\x98\x80\t\n");
  const std::string replacement = "\xEF\xBF\xBD";
  EXPECT_EQ(EscapeXml(std::string_view("\0", 1)), replacement);
  EXPECT_EQ(EscapeXml("\x1B"), replacement);
  EXPECT_EQ(EscapeXml("\xFF<"), replacement + "&lt;");
  EXPECT_EQ(EscapeXml("\xC0\xAF"), replacement + replacement);                    // a slash in too many bytes
  EXPECT_EQ(EscapeXml("\xED\xA0\x80"), replacement + replacement + replacement);  // a surrogate
  EXPECT_EQ(EscapeXml("\xEF\xBF\xBF"), replacement);                              // U+FFFF
  EXPECT_EQ(EscapeXml("cut \xC3"), "cut " + replacement);
}

// Every tag is closed by its own kind, and what lies between them is text.
testing::AssertionResult IsWellFormed(const std::string& xml) {
  static const std::regex kTag(R"re(<(/?)([a-z]+)((?: [A-Za-z:-]+="[^"<>]*")*)(/?)>)re");
  std::vector<std::string> open;
  size_t end = 0;
  for (std::sregex_iterator tag(xml.begin(), xml.end(), kTag), none; tag != none; ++tag) {
    const auto text = xml.substr(end, static_cast<size_t>(tag->position()) - end);
    if (text.find_first_of("<>") != std::string::npos) return testing::AssertionFailure() << "stray: " << text;
    end = static_cast<size_t>(tag->position() + tag->length());
    if (tag->str(4) == "/") continue;
    if (tag->str(1).empty())
      open.push_back(tag->str(2));
    else if (open.empty() || open.back() != tag->str(2))
      return testing::AssertionFailure() << "closes nothing: " << tag->str();
    else
      open.pop_back();
  }
  if (!open.empty()) return testing::AssertionFailure() << "never closed: " << open.back();
  return testing::AssertionSuccess();
}

struct TextBox {
  std::string text;
  double left;
  double right;
  double top;
  double bottom;
};

// Where the texts of a chart lie, if a character is as wide as in most fonts.
std::vector<TextBox> TextBoxes(const std::string& svg) {
  static const std::regex kText(
      R"re(<text class="([^"]*)" x="([-0-9.]+)" y="([-0-9.]+)">(?:<title>[^<]*</title>)?([^<]*)</text>)re");
  std::vector<TextBox> boxes;
  for (std::sregex_iterator match(svg.begin(), svg.end(), kText), none; match != none; ++match) {
    const auto has = [&](const char* name) { return match->str(1).find(name) != std::string::npos; };
    const double font_px = has("qc-title") ? 15 : has("qc-small") ? 11 : 12;
    const double width = static_cast<double>(match->str(4).size()) * font_px * 0.55;
    const double x = std::stod(match->str(2)) - (has("qc-end") ? width : has("qc-middle") ? width / 2 : 0);
    const double baseline = std::stod(match->str(3));
    boxes.push_back({match->str(4), x, x + width, baseline - font_px * 0.75, baseline + font_px * 0.2});
  }
  return boxes;
}

void ExpectReadable(const Chart& chart) {
  for (const int width : {320, 480, 720, 1200}) {
    SCOPED_TRACE(fmt::format("{}, {} px wide", chart.title, width));
    const std::string svg = RenderSvg(chart, width);
    EXPECT_TRUE(IsWellFormed(svg));
    std::smatch size;
    ASSERT_TRUE(std::regex_search(svg, size, std::regex(R"re(viewBox="0 0 ([0-9]+) ([0-9]+)")re")));
    EXPECT_EQ(std::stoi(size.str(1)), width);
    const auto boxes = TextBoxes(svg);
    EXPECT_GE(boxes.size(), 2U);
    for (size_t i = 0; i < boxes.size(); ++i) {
      const auto& a = boxes[i];
      EXPECT_TRUE(a.left >= 0 && a.right <= width && a.top >= 0 && a.bottom <= std::stod(size.str(2))) << a.text;
      for (size_t j = 0; j < i; ++j) {
        const auto& b = boxes[j];
        EXPECT_FALSE(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
            << "'" << a.text << "' lies on '" << b.text << "'";
      }
    }
  }
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

Chart ThroughputChart() {
  Chart chart{.kind = ChartKind::kLines,
              .title = "Throughput by block size",
              .note = "Sequential reads, one thread, the mean of five repeats over all files of the directory",
              .x = {"block size", Scale::kLog2, Unit::kBytes},
              .y = {"throughput", Scale::kLinear, Unit::kBytesPerSecond}};
  for (const double top : {6.6e9, 6.5e9, 2.3e9, 2.2e9, 2.1e9}) {
    Series series{.name = fmt::format("way {}", chart.series.size())};
    for (int power = 12; power <= 22; ++power)
      series.points.emplace_back(1 << power, top * (1 << power) / ((1 << power) + 3e4));
    chart.series.push_back(series);
  }
  return chart;
}

Chart PeersChart() {
  Chart chart{.kind = ChartKind::kBars,
              .title = "Random samples per second",
              .y = {"samples per second", Scale::kLinear, Unit::kPerSecond}};
  for (int i = 0; i < 13; ++i) chart.categories.push_back(fmt::format("peer {} with a rather long name", i));
  for (const char* name : {"random order", "path order", "page order"}) {
    chart.series.push_back({.name = name});
    for (int i = 0; i < 13; ++i) chart.series.back().values.push_back(i == 4 ? kNaN : std::pow(2.3, i));
  }
  return chart;
}

TEST(RenderSvg, LinesAreReadable) { ExpectReadable(ThroughputChart()); }

TEST(RenderSvg, LinesThatEndTogetherAreReadable) {
  Chart chart = ThroughputChart();
  for (auto& series : chart.series) series.points.back().second = 5e9;
  ExpectReadable(chart);
  for (auto& series : chart.series) series.points.back().second = 0;
  ExpectReadable(chart);
}

TEST(RenderSvg, LinesThatEndApartHaveALegend) {
  Chart chart = ThroughputChart();
  EXPECT_EQ(CountOf(RenderSvg(chart), "<path class=\"qc-leader"), 5U);  // from each line to its name
  chart.series[0].points.pop_back();
  EXPECT_EQ(CountOf(RenderSvg(chart), "<path class=\"qc-leader"), 0U);
  ExpectReadable(chart);
}

TEST(RenderSvg, BarsAreReadable) { ExpectReadable(PeersChart()); }

TEST(RenderSvg, BarsAcrossZeroAreReadable) {
  Chart chart = PeersChart();
  for (size_t i = 0; i < 6; ++i) chart.series[1].values[i] = -1e4;
  ExpectReadable(chart);
}

TEST(RenderSvg, BarsOnALogarithmicAxisAreReadable) {
  Chart chart = PeersChart();
  chart.y.scale = Scale::kLog10;
  chart.series[0].values[0] = 0;
  ExpectReadable(chart);
}

TEST(RenderSvg, LongNamesAreShortenedAndKeptInTheTooltip) {
  Chart chart = PeersChart();
  chart.categories[0] = std::string(300, 'w');
  chart.series[0].name = std::string(300, 'n');
  chart.title = std::string(300, 'n') + " in words " + std::string(30, 'n');
  ExpectReadable(chart);
  EXPECT_NE(RenderSvg(chart).find("<title>" + chart.categories[0] + "</title>"), std::string::npos);
}

TEST(RenderSvg, EachMarkTellsItsExactValue) {
  const Chart bars{.kind = ChartKind::kBars,
                   .title = "Rates",
                   .y = {"rate", Scale::kLinear, Unit::kPerSecond},
                   .categories = {"tar"},
                   .series = {{.name = "random", .values = {12345}}}};
  EXPECT_NE(RenderSvg(bars).find("<title>random, tar: 12.3k/s (12345/s)</title>"), std::string::npos);
  const Chart lines{.title = "Times",
                    .x = {"block", Scale::kLog2, Unit::kBytes},
                    .y = {"time", Scale::kLinear, Unit::kSeconds},
                    .series = {{.name = "cold", .points = {{4096, 0.5}, {8192, 1}}}}};
  EXPECT_NE(RenderSvg(lines).find("<title>cold, 4 KiB: 500 ms (0.5 s)</title>"), std::string::npos);
  EXPECT_NE(RenderSvg(lines).find("<title>cold, 8 KiB: 1 s</title>"), std::string::npos);
}

TEST(RenderSvg, ALongerBarIsALargerValue) {
  const Chart chart{.kind = ChartKind::kBars,
                    .title = "Bars",
                    .categories = {"a", "b"},
                    .series = {{.name = "", .values = {50, 100}}}};
  const std::string svg = RenderSvg(chart);
  std::vector<double> widths;
  const std::regex bar(R"re(<rect class="qc-bar[^>]* width="([0-9.]+)")re");
  for (std::sregex_iterator match(svg.begin(), svg.end(), bar), none; match != none; ++match)
    widths.push_back(std::stod(match->str(1)));
  ASSERT_EQ(widths.size(), 2U);
  EXPECT_NEAR(widths[1], 2 * widths[0], 0.2);
}

TEST(RenderSvg, ALineIsBrokenWhereAValueIsMissing) {
  const Chart chart{.title = "Line",
                    .series = {{.name = "", .points = {{1, 1}, {2, 2}, {3, kNaN}, {4, 4}, {5, kInfinity}, {6, 5}}}}};
  const std::string svg = RenderSvg(chart);
  std::smatch line;
  ASSERT_TRUE(std::regex_search(svg, line, std::regex(R"re(<path class="qc-line qc-0" d="([^"]*)"/>)re")));
  EXPECT_EQ(CountOf(line.str(1), "M"), 3U);
  EXPECT_EQ(CountOf(svg, "class=\"qc-mark"), 4U);
  EXPECT_EQ(CountOf(svg, "nan") + CountOf(svg, "inf"), 0U);
}

TEST(RenderSvg, TicksOfBytesAreRoundInBytes) {
  const Chart chart{.kind = ChartKind::kBars,
                    .title = "Sizes",
                    .y = {"size", Scale::kLinear, Unit::kBytes},
                    .categories = {"pack"},
                    .series = {{.name = "", .values = {3.7 * (1 << 20)}}}};
  EXPECT_NE(RenderSvg(chart).find(">4 MiB<"), std::string::npos);
}

TEST(RenderSvg, SaysWhereThereIsNoData) {
  Chart chart{.kind = ChartKind::kLines, .title = "Nothing"};
  EXPECT_NE(RenderSvg(chart).find("No data"), std::string::npos);
  chart.series = {{.name = "empty", .points = {{1, kNaN}}}};
  EXPECT_NE(RenderSvg(chart).find("No data"), std::string::npos);
  chart = {.kind = ChartKind::kBars, .title = "Nothing", .categories = {"a"}, .series = {{.name = "", .values = {}}}};
  EXPECT_NE(RenderSvg(chart).find("No data"), std::string::npos);
}

TEST(RenderSvg, EscapesEveryText) {
  const std::string hostile = "</svg><script>\"&\xFF\x01";
  const Chart bars{.kind = ChartKind::kBars,
                   .title = hostile,
                   .note = hostile,
                   .y = {.label = hostile},
                   .categories = {hostile},
                   .series = {{.name = hostile, .values = {1}}, {.name = hostile, .values = {2}}}};
  Chart lines = bars;
  lines.kind = ChartKind::kLines;
  lines.x.label = hostile;
  for (auto& series : lines.series) series.points = {{1, 1}, {2, 2}};
  for (const auto& chart : {bars, lines}) {
    const std::string svg = RenderSvg(chart);
    EXPECT_TRUE(IsWellFormed(svg));
    EXPECT_EQ(CountOf(svg, "<script"), 0U);
    EXPECT_EQ(CountOf(svg, "\xFF") + CountOf(svg, "\x01"), 0U);
  }
}

TEST(RenderSvg, NeedsNothingElse) {
  const std::string svg = RenderSvg(PeersChart());
  EXPECT_EQ(CountOf(svg, "http"), 1U);  // its name space
  EXPECT_EQ(CountOf(svg, "href") + CountOf(svg, "url(") + CountOf(svg, " id="), 0U);
  EXPECT_NE(svg.find("prefers-color-scheme:dark"), std::string::npos);
}

}  // namespace
}  // namespace quire::bench
