// SPDX-License-Identifier: Apache-2.0
#include "tools/map/svg_picture.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "tools/bench/chart.h"
#include "tools/map/level_colours.h"
#include "tools/map/map_drawing.h"

namespace quire {
namespace {

// Beside the charts' style.
constexpr std::string_view kStyle = R"(.qm-nothing{fill:#e6e9ed}
@media screen and (prefers-color-scheme:dark){.qm-nothing{fill:#3a3f45}}
)";

std::string_view ClassOf(TextKind kind) {
  switch (kind) {
    case TextKind::kTitle:
      return "qc-ink qc-title";
    case TextKind::kPlain:
      return "qc-ink";
    case TextKind::kMuted:
      break;
  }
  return "qc-muted";
}

}  // namespace

std::string DrawSvg(const MapReport& report) {
  const MapDrawing drawing = LayOut(report);
  std::string body;
  const auto out = std::back_inserter(body);
  for (const DrawnBox& box : drawing.boxes) {
    const std::string title = bench::EscapeXml(box.title);
    const auto place =
        fmt::format("x=\"{:g}\" y=\"{:g}\" width=\"{:g}\" height=\"{:g}\"", box.x, box.y, box.width, box.height);
    // What is there in part lets through what stands for nothing.
    if (!box.level || box.share < 1)
      fmt::format_to(out, "<rect class=\"qm-nothing\" {}><title>{}</title></rect>\n", place, title);
    if (box.level)
      fmt::format_to(out, "<rect class=\"qc-bar {}\" {} fill-opacity=\"{:.2f}\"><title>{}</title></rect>\n",
                     kColourClasses[static_cast<size_t>(*box.level)], place, ShadeOf(box.share), title);
  }
  for (const DrawnText& text : drawing.texts)
    fmt::format_to(out, "<text class=\"{}\" x=\"{:g}\" y=\"{:g}\">{}</text>\n", ClassOf(text.kind), text.x,
                   text.baseline, bench::EscapeXml(text.text));
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"qc\" role=\"img\" aria-label=\"{0}\" viewBox=\"0 0 {1:g} "
      "{2:g}\" "
      "width=\"{1:g}\" height=\"{2:g}\">\n<style>{3}{4}</style>\n<rect class=\"qc-back\" width=\"{1:g}\" "
      "height=\"{2:g}\" rx=\"8\"/>\n{5}</svg>\n",
      bench::EscapeXml(report.source), drawing.width, drawing.height, bench::ChartStyle(), kStyle, body);
}

}  // namespace quire
