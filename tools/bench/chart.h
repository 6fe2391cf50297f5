// SPDX-License-Identifier: Apache-2.0
// Charts as SVG text: lines over a numeric axis, or groups of bars. Pure functions, any thread.
// Colours and fonts come from CSS classes; the style sheet travels inside the SVG, follows the reader's light or dark
// scheme (prefers-color-scheme), and needs nothing from the network. Every class starts with "qc", and there are no
// ids, so that many charts can stand on one page.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/bench/axis.h"

namespace quire::bench {

struct Axis {
  std::string label;
  Scale scale = Scale::kLinear;
  Unit unit = Unit::kNumber;  // how ticks and values are written: kBytes 65536 -> "64 KiB", kSeconds 0.0012 -> "1.2 ms"
};

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points = {};  // of a line chart: x ascending, y
  std::vector<double> values = {};                     // of a bar chart: one for each category; NaN where there is none
};

enum class ChartKind : uint8_t { kLines, kBars };

struct Chart {
  ChartKind kind = ChartKind::kLines;
  std::string title;                         // what to see, in a few words
  std::string note = {};                     // one line below the title: what was measured
  Axis x = {};                               // unused by bars
  Axis y = {};                               // the value; bars lie, so theirs runs to the right
  std::vector<std::string> categories = {};  // of a bar chart
  std::vector<Series> series = {};  // best up to 8: then colours repeat. A single one is not named: the title says it
};

// `text` for use in XML text and attributes; bytes that XML cannot carry become U+FFFD.
std::string EscapeXml(std::string_view text);

// The style sheet, for other pictures that are to look like charts.
std::string_view ChartStyle();

// One <svg> element, complete in itself; `width` in CSS pixels, the height follows. Each mark has a <title> with its
// exact value. A chart without data says so. REQUIRES: width >= 320.
std::string RenderSvg(const Chart& chart, int width = 720);

}  // namespace quire::bench
