// SPDX-License-Identifier: Apache-2.0
// Draws one chart, for the documents that show measurements: reads it as JSON on standard input, writes an SVG.
//     draw_chart [WIDTH] <chart.json >chart.svg
// {"kind": "lines" or "bars", "title", "note", "x": {"label", "scale", "unit"}, "y": as x, "categories": [...],
//  "series": [{"name", "points": [[x, y], ...], "values": [number or null, ...]}]}: fields as in tools/bench/chart.h.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "format/result.h"
#include "tools/bench/chart.h"

namespace quire::bench {
namespace {

using Json = nlohmann::json;

// The field, or `fallback` where it is not there. Throws where it is of another type.
std::string Text(const Json& object, const char* field, const char* fallback = "") {
  return object.value(field, std::string(fallback));
}

template <typename Enum>
Enum Choice(const std::string& name, std::initializer_list<std::pair<const char*, Enum>> choices) {
  for (const auto& [known, value] : choices)
    if (name == known) return value;
  throw std::invalid_argument("unknown kind, scale or unit '" + name + "'");
}

Axis ParseAxis(const Json& chart, const char* field) {
  if (!chart.contains(field)) return {};
  const Json& axis = chart.at(field);
  return {.label = Text(axis, "label"),
          .scale = Choice<Scale>(Text(axis, "scale", "linear"),
                                 {{"linear", Scale::kLinear}, {"log2", Scale::kLog2}, {"log10", Scale::kLog10}}),
          .unit = Choice<Unit>(Text(axis, "unit", "number"), {{"number", Unit::kNumber},
                                                              {"bytes", Unit::kBytes},
                                                              {"bytes_per_second", Unit::kBytesPerSecond},
                                                              {"per_second", Unit::kPerSecond},
                                                              {"seconds", Unit::kSeconds},
                                                              {"percent", Unit::kPercent}})};
}

double NumberOrNull(const Json& value) { return value.is_null() ? std::nan("") : value.get<double>(); }

Series ParseSeries(const Json& json) {
  Series series{.name = Text(json, "name")};
  for (const auto& point : json.value("points", Json::array()))
    series.points.emplace_back(point.at(0).get<double>(), NumberOrNull(point.at(1)));
  for (const auto& value : json.value("values", Json::array())) series.values.push_back(NumberOrNull(value));
  return series;
}

Chart ParseChart(const Json& json) {
  Chart chart{.kind = Choice<ChartKind>(json.at("kind").get<std::string>(),
                                        {{"lines", ChartKind::kLines}, {"bars", ChartKind::kBars}}),
              .title = json.at("title").get<std::string>(),
              .note = Text(json, "note"),
              .x = ParseAxis(json, "x"),
              .y = ParseAxis(json, "y"),
              .categories = json.value("categories", std::vector<std::string>())};
  for (const auto& series : json.at("series")) {
    chart.series.push_back(ParseSeries(series));
    if (chart.kind == ChartKind::kBars && chart.series.back().values.size() != chart.categories.size())
      throw std::invalid_argument("series '" + chart.series.back().name + "' needs one value for each category");
  }
  return chart;
}

}  // namespace
}  // namespace quire::bench

int main(int argc, char** argv) try {
  int width = 720;
  const bool has_width = argc == 2;
  if (argc > 2 || (has_width && (std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), width).ec != std::errc() ||
                                 width < 320))) {
    fmt::print(stderr, "usage: draw_chart [WIDTH, at least 320]\n");
    return 1;
  }
  const auto chart = quire::bench::ParseChart(nlohmann::json::parse(std::cin));
  fmt::print("{}", quire::bench::RenderSvg(chart, width));
  return std::fflush(stdout) == 0 ? 0 : 1;
} catch (const std::exception& error) {  // those of the JSON library, mostly
  fmt::print(stderr, "draw_chart: {}\n", error.what());
  return 1;
}
