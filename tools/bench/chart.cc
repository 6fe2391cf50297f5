// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "tools/progress.h"

namespace quire::bench {
namespace {

// Okabe and Ito's palette, which colour-blind readers can tell apart; lighter in the dark. The black and the yellow of
// the original are replaced: each is lost on one of the backgrounds. No CSS variables: not every viewer of SVG files
// knows them.
constexpr std::string_view kStyle = R"(
.qc{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.qc-title{font-size:15px;font-weight:600}
.qc-small{font-size:11px}
.qc-middle{text-anchor:middle}
.qc-end{text-anchor:end}
.qc-back{fill:#fff}
.qc-ink{fill:#1f2328}
.qc-muted{fill:#5b6570}
.qc-grid{stroke:#e6e9ed}
.qc-axis{stroke:#9aa4af}
.qc-0{color:#0072b2}
.qc-1{color:#d55e00}
.qc-2{color:#009e73}
.qc-3{color:#cc79a7}
.qc-4{color:#e69f00}
.qc-5{color:#56b4e9}
.qc-6{color:#7a52a8}
.qc-7{color:#7d7d7d}
.qc-line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.qc-leader{fill:none;stroke:currentColor}
.qc-mark{fill:currentColor;stroke:#fff}
.qc-bar{fill:currentColor}
.qc-hidden{opacity:0}
.qc-hidden:hover{opacity:1}
@media screen and (prefers-color-scheme:dark){
.qc-back{fill:#161b22}
.qc-ink{fill:#e6edf3}
.qc-muted{fill:#9aa5b1}
.qc-grid{stroke:#2b323b}
.qc-axis{stroke:#66707b}
.qc-0{color:#4aa3df}
.qc-1{color:#f0833a}
.qc-2{color:#2dbd92}
.qc-3{color:#e29cc3}
.qc-4{color:#f0b93a}
.qc-5{color:#a6daf7}
.qc-6{color:#b491e0}
.qc-7{color:#a3a3a3}
.qc-mark{stroke:#161b22}
}
)";
constexpr size_t kColours = 8;

// Marks of a line's points, around the origin: their shapes tell series apart where colours do not.
constexpr std::string_view kMarks[] = {
    "M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0z",
    "M-3,-3h6v6h-6z",
    "M0,-4.5L4.5,0L0,4.5L-4.5,0z",
    "M0,-4.2L4.2,3.2L-4.2,3.2z",
};

constexpr double kPadding = 16;
constexpr double kTitlePx = 15;
constexpr double kTextPx = 12;
constexpr double kSmallPx = 11;
constexpr double kLabelPitch = 15;        // of labels below each other
constexpr size_t kMostPointsMarked = 40;  // more marks would hide the line; they show under the pointer only

std::string_view FirstCharacter(std::string_view text) { return text.substr(0, std::max<size_t>(Utf8Length(text), 1)); }

// How wide a character is at most, in parts of the font's size. The reader's font is not known: these are widths of
// DejaVu Sans, which is wider than the other fonts of the style sheet.
double CharacterWidth(std::string_view character) {
  if (character.size() > 1) return 1;
  const char c = character.front();
  if (std::string_view("fijlrtI .,:;|!'()[]/-").contains(c)) return 0.42;
  if (std::string_view("mwMW%@").contains(c)) return 1;
  if ((c >= 'A' && c <= 'Z') || std::string_view("+<>=#~&").contains(c)) return 0.8;
  return 0.65;
}

double TextWidth(std::string_view text, double font_px) {
  double width = 0;
  while (!text.empty()) {
    const auto character = FirstCharacter(text);
    width += CharacterWidth(character) * font_px;
    text.remove_prefix(character.size());
  }
  return width;
}

// `text`, or as much of its start as fits with an ellipsis behind it.
std::string Shorten(std::string_view text, double font_px, double most_width) {
  if (TextWidth(text, font_px) <= most_width) return std::string(text);
  std::string start;
  for (auto next = FirstCharacter(text);
       !text.empty() && TextWidth(start + std::string(next) + "...", font_px) <= most_width;
       text.remove_prefix(next.size()), next = FirstCharacter(text))
    start += next;
  return start + "...";
}

// `text` broken between words into lines of at most `most_width`.
std::vector<std::string> Wrap(std::string_view text, double font_px, double most_width) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!lines.empty() && TextWidth(lines.back() + " " + word, font_px) <= most_width)
      lines.back() += " " + word;
    else
      lines.push_back(Shorten(word, font_px, most_width));
  }
  return lines;
}

// The value in full, in the unit's base.
std::string ExactValue(double value, Unit unit) {
  static constexpr const char* kBaseUnits[] = {"", " B", " B/s", "/s", " s", " %"};  // as enum Unit
  return fmt::format("{:.10g}{}", unit == Unit::kPercent ? value * 100 : value, kBaseUnits[static_cast<size_t>(unit)]);
}

std::string Tooltip(const std::string& series, const std::string& where, double value, Unit unit) {
  const std::string rounded = FormatValue(value, unit);
  const std::string exact = ExactValue(value, unit);
  return fmt::format("{}{}{}: {}{}", series, series.empty() ? "" : ", ", where, rounded,
                     rounded == exact ? "" : " (" + exact + ")");
}

// The smallest and the largest of the finite values added.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] bool empty() const { return low > high; }
};

// As FitScale, but bytes on a linear axis are round in KiB or MiB, not in thousands.
AxisScale FitAxis(const Axis& axis, const Range& range, size_t most_ticks) {
  if (axis.scale != Scale::kLinear || axis.unit != Unit::kBytes)
    return FitScale(axis.scale, range.low, range.high, most_ticks);
  double unit = 1;
  while (std::max(std::abs(range.low), std::abs(range.high)) / unit >= 1024) unit *= 1024;
  AxisScale fitted = FitScale(Scale::kLinear, range.low / unit, range.high / unit, most_ticks);
  fitted.low *= unit;
  fitted.high *= unit;
  for (double& tick : fitted.ticks) tick *= unit;
  return fitted;
}

double TickWidth(double tick, Unit unit) { return TextWidth(FormatValue(tick, unit), kSmallPx); }

double WidestTick(const AxisScale& scale, Unit unit) {
  double widest = 0;
  for (const double tick : scale.ticks) widest = std::max(widest, TickWidth(tick, unit));
  return widest;
}

bool TicksHaveRoom(const AxisScale& scale, Unit unit, double axis_width) {
  for (size_t i = 1; i < scale.ticks.size(); ++i) {
    const double apart = (scale.Place(scale.ticks[i]) - scale.Place(scale.ticks[i - 1])) * axis_width;
    if (apart < (TickWidth(scale.ticks[i], unit) + TickWidth(scale.ticks[i - 1], unit)) / 2 + 8) return false;
  }
  return true;
}

// The scale with the most ticks whose labels do not touch each other.
AxisScale FitHorizontalAxis(const Axis& axis, const Range& range, double axis_width) {
  size_t most_ticks = 12;
  AxisScale scale = FitAxis(axis, range, most_ticks);
  while (most_ticks > 3 && !TicksHaveRoom(scale, axis.unit, axis_width)) scale = FitAxis(axis, range, --most_ticks);
  return scale;
}

// An SVG that is drawn from the top down.
class Drawing {
 public:
  Drawing(const Chart& chart, double width) : chart_(chart), width_(width) {}

  std::string Render();

 private:
  void Text(double x, double baseline, std::string_view classes, std::string_view text, std::string_view tooltip = "");
  void Line(double x1, double y1, double x2, double y2, std::string_view classes);
  void Mark(double x, double y, size_t series, std::string_view more_classes, std::string_view tooltip);
  void Rectangle(double x, double y, double width, double height, size_t series, std::string_view tooltip);

  void DrawHeading();
  void DrawLegend();
  void DrawNoData();

  void DrawLines();
  [[nodiscard]] bool LabelsLineEnds() const;
  void DrawVerticalAxis(const AxisScale& scale);
  void DrawHorizontalAxis(const Axis& axis, const AxisScale& scale);
  void DrawSeries(size_t series, const AxisScale& x, const AxisScale& y);
  void DrawEndLabels(const AxisScale& x, const AxisScale& y);

  void DrawBars();
  void DrawGroup(size_t category, const AxisScale& scale, double bar_height);

  [[nodiscard]] double X(const AxisScale& scale, double value) const {
    return left_ + scale.Place(value) * (right_ - left_);
  }
  [[nodiscard]] double Y(const AxisScale& scale, double value) const {
    return bottom_ - scale.Place(value) * (bottom_ - top_);
  }

  const Chart& chart_;
  const double width_;
  double down_ = kPadding;  // what lies above is drawn
  double left_ = kPadding;  // the plot
  double right_ = 0;
  double top_ = 0;
  double bottom_ = 0;
  std::string body_;
};

void Drawing::Text(double x, double baseline, std::string_view classes, std::string_view text,
                   std::string_view tooltip) {
  const std::string title = tooltip.empty() ? "" : fmt::format("<title>{}</title>", EscapeXml(tooltip));
  body_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}{}</text>\n", classes, x, baseline, title,
                       EscapeXml(text));
}

void Drawing::Line(double x1, double y1, double x2, double y2, std::string_view classes) {
  body_ += fmt::format("<path class=\"{}\" d=\"M{:.1f},{:.1f}L{:.1f},{:.1f}\"/>\n", classes, x1, y1, x2, y2);
}

void Drawing::Mark(double x, double y, size_t series, std::string_view more_classes, std::string_view tooltip) {
  body_ += fmt::format(
      "<path class=\"qc-mark qc-{}{}\" transform=\"translate({:.1f},{:.1f})\" d=\"{}\"><title>{}</title></path>\n",
      series % kColours, more_classes, x, y, kMarks[series % std::size(kMarks)], EscapeXml(tooltip));
}

void Drawing::Rectangle(double x, double y, double width, double height, size_t series, std::string_view tooltip) {
  body_ += fmt::format(
      "<rect class=\"qc-bar qc-{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"1.5\">"
      "<title>{}</title></rect>\n",
      series % kColours, x, y, width, height, EscapeXml(tooltip));
}

void Drawing::DrawHeading() {
  for (const auto& line : Wrap(chart_.title, kTitlePx, width_ - 2 * kPadding)) {
    Text(kPadding, down_ + kTitlePx, "qc-ink qc-title", line);
    down_ += 20;
  }
  for (const auto& line : Wrap(chart_.note, kTextPx, width_ - 2 * kPadding)) {
    Text(kPadding, down_ + kTextPx + 2, "qc-muted", line);
    down_ += 17;
  }
  down_ += 8;
}

void Drawing::DrawLegend() {
  if (chart_.series.size() < 2) return;
  constexpr double kKeyWidth = 16;
  double x = kPadding;
  double middle = down_ + kLabelPitch / 2;
  for (size_t i = 0; i < chart_.series.size(); ++i) {
    const std::string name = Shorten(chart_.series[i].name, kTextPx, width_ - 2 * kPadding - kKeyWidth);
    const double item_width = kKeyWidth + TextWidth(name, kTextPx);
    if (x > kPadding && x + item_width > width_ - kPadding) {
      x = kPadding;
      middle += kLabelPitch + 3;
    }
    if (chart_.kind == ChartKind::kBars)
      Rectangle(x, middle - 5, 10, 10, i, chart_.series[i].name);
    else
      Mark(x + 5, middle, i, "", chart_.series[i].name);
    Text(x + kKeyWidth, middle + kTextPx * 0.35, "qc-ink", name, chart_.series[i].name);
    x += item_width + 14;
  }
  down_ = middle + kLabelPitch / 2 + 10;
}

void Drawing::DrawNoData() {
  Text(width_ / 2, down_ + 36, "qc-muted qc-middle", "No data");
  down_ += 56;
}

bool IsFinite(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

std::optional<std::pair<double, double>> LastPoint(const Series& series) {
  for (size_t i = series.points.size(); i-- > 0;)
    if (IsFinite(series.points[i])) return series.points[i];
  return std::nullopt;
}

// A name beside its line beats a legend, but needs a common end and a margin.
bool Drawing::LabelsLineEnds() const {
  if (chart_.series.size() < 2 || chart_.series.size() > kColours) return false;
  const auto first = LastPoint(chart_.series.front());
  return std::ranges::all_of(chart_.series, [&](const Series& series) {
    const auto last = LastPoint(series);
    return first && last && last->first == first->first && TextWidth(series.name, kTextPx) < width_ * 0.27;
  });
}

void Drawing::DrawVerticalAxis(const AxisScale& scale) {
  for (const double tick : scale.ticks) {
    const double y = Y(scale, tick);
    Line(left_, y, right_, y, "qc-grid");
    Text(left_ - 6, y + kSmallPx * 0.35, "qc-muted qc-small qc-end", FormatValue(tick, chart_.y.unit));
  }
}

void Drawing::DrawHorizontalAxis(const Axis& axis, const AxisScale& scale) {
  for (const double tick : scale.ticks) {
    const double x = X(scale, tick);
    Line(x, top_, x, bottom_, "qc-grid");
    Text(x, bottom_ + kSmallPx + 8, "qc-muted qc-small qc-middle", FormatValue(tick, axis.unit));
  }
  down_ = bottom_ + kSmallPx + 14;
  if (!axis.label.empty()) {
    Text((left_ + right_) / 2, down_ + kSmallPx, "qc-muted qc-small qc-middle",
         Shorten(axis.label, kSmallPx, right_ - left_), axis.label);
    down_ += kSmallPx + 5;
  }
}

void Drawing::DrawSeries(size_t series, const AxisScale& x, const AxisScale& y) {
  const auto& [name, points, values] = chart_.series[series];
  std::string path;
  bool pen_down = false;
  for (const auto& point : points) {
    if (IsFinite(point))
      path += fmt::format("{}{:.1f},{:.1f}", pen_down ? 'L' : 'M', X(x, point.first), Y(y, point.second));
    pen_down = IsFinite(point);
  }
  body_ += fmt::format("<path class=\"qc-line qc-{}\" d=\"{}\"/>\n", series % kColours, path);
  for (const auto& point : points)
    if (IsFinite(point))
      Mark(X(x, point.first), Y(y, point.second), series, points.size() > kMostPointsMarked ? " qc-hidden" : "",
           Tooltip(name, FormatValue(point.first, chart_.x.unit), point.second, chart_.y.unit));
}

// Moves `wanted` as little down, or up where there is no room, as it takes to have `pitch` between any two.
// REQUIRES: ascending, room for all above `most`.
void SpreadOut(std::vector<double>& wanted, double pitch, double most) {
  for (size_t i = 1; i < wanted.size(); ++i) wanted[i] = std::max(wanted[i], wanted[i - 1] + pitch);
  for (size_t i = wanted.size(); i-- > 0; most = wanted[i] - pitch) wanted[i] = std::min(wanted[i], most);
}

void Drawing::DrawEndLabels(const AxisScale& x, const AxisScale& y) {
  std::vector<std::pair<double, size_t>> ends;  // y, series; from the top down
  ends.reserve(chart_.series.size());
  for (size_t i = 0; i < chart_.series.size(); ++i) ends.emplace_back(Y(y, LastPoint(chart_.series[i])->second), i);
  std::ranges::sort(ends);
  std::vector<double> middles;
  middles.reserve(ends.size());
  for (const auto& [end, series] : ends) middles.push_back(end);
  SpreadOut(middles, kLabelPitch, bottom_);
  for (size_t i = 0; i < ends.size(); ++i) {
    const auto [end, series] = ends[i];
    const double from = X(x, LastPoint(chart_.series[series])->first) + 6;
    body_ += fmt::format("<path class=\"qc-leader qc-{}\" d=\"M{:.1f},{:.1f}L{:.1f},{:.1f}h4\"/>\n", series, from, end,
                         right_ + 14, middles[i]);
    Text(right_ + 22, middles[i] + kTextPx * 0.35, "qc-ink", chart_.series[series].name);
  }
}

void Drawing::DrawLines() {
  Range xs;
  Range ys;
  double widest_name = 0;
  for (const auto& series : chart_.series) {
    for (const auto& point : series.points) {
      if (!IsFinite(point)) continue;
      xs.Add(point.first);
      ys.Add(point.second);
    }
    widest_name = std::max(widest_name, TextWidth(series.name, kTextPx));
  }
  if (xs.empty()) return DrawNoData();
  const bool labels_ends = LabelsLineEnds();
  if (!labels_ends) DrawLegend();
  if (!chart_.y.label.empty()) {
    Text(kPadding, down_ + kSmallPx, "qc-muted qc-small", Shorten(chart_.y.label, kSmallPx, width_ - 2 * kPadding),
         chart_.y.label);
    down_ += kSmallPx + 5;
  }
  top_ = down_ + 6;
  bottom_ = top_ + std::clamp(width_ * 0.42, 180.0, 320.0);
  const AxisScale y = FitAxis(chart_.y, ys, 7);
  left_ = kPadding + std::max(WidestTick(y, chart_.y.unit), 24.0) + 6;
  right_ = width_ - kPadding - (labels_ends ? widest_name + 22 : 16);
  const AxisScale x = FitHorizontalAxis(chart_.x, xs, right_ - left_);
  DrawHorizontalAxis(chart_.x, x);
  DrawVerticalAxis(y);
  Line(left_, bottom_, right_, bottom_, "qc-axis");
  for (size_t i = 0; i < chart_.series.size(); ++i) DrawSeries(i, x, y);
  if (labels_ends) DrawEndLabels(x, y);
}

void Drawing::DrawGroup(size_t category, const AxisScale& scale, double bar_height) {
  const std::string& name = chart_.categories[category];
  const double group_height = static_cast<double>(chart_.series.size()) * (bar_height + 1);
  Text(left_ - 8, down_ + group_height / 2 + kTextPx * 0.35, "qc-ink qc-end",
       Shorten(name, kTextPx, left_ - 8 - kPadding), name);
  for (size_t i = 0; i < chart_.series.size(); ++i, down_ += bar_height + 1) {
    const auto& series = chart_.series[i];
    const double value = category < series.values.size() ? series.values[category] : std::nan("");
    const double label_baseline = down_ + bar_height / 2 + kSmallPx * 0.36;
    const double zero = X(scale, 0);
    if (!std::isfinite(value)) {
      Text(zero + 5, label_baseline, "qc-muted qc-small", "n/a", Tooltip(series.name, name, value, chart_.y.unit));
      continue;
    }
    const double from = std::min(zero, X(scale, value));
    const double to = std::max({zero, X(scale, value), from + 1});  // what is there can be seen
    Rectangle(from, down_, to - from, bar_height, i, Tooltip(series.name, name, value, chart_.y.unit));
    Text(to + 5, label_baseline, "qc-ink qc-small", FormatValue(value, chart_.y.unit));
  }
}

void Drawing::DrawBars() {
  Range range;
  double widest_category = 0;
  double widest_value = TextWidth("n/a", kSmallPx);
  for (const auto& series : chart_.series) {
    for (const double value : series.values) {
      range.Add(value);
      widest_value = std::max(widest_value, TextWidth(FormatValue(value, chart_.y.unit), kSmallPx));
    }
  }
  for (const auto& name : chart_.categories) widest_category = std::max(widest_category, TextWidth(name, kTextPx));
  if (range.empty() || chart_.categories.empty()) return DrawNoData();
  DrawLegend();
  left_ = kPadding + std::min(widest_category, width_ * 0.36) + 8;
  right_ = width_ - kPadding - widest_value - 5;
  const double bar_height = chart_.series.size() == 1 ? 16 : 12;
  const double gap = chart_.series.size() == 1 ? 7 : 12;
  const auto groups = static_cast<double>(chart_.categories.size());
  top_ = down_;
  bottom_ = top_ + groups * (static_cast<double>(chart_.series.size()) * (bar_height + 1) + gap) + gap / 2;
  const AxisScale scale = FitHorizontalAxis(chart_.y, range, right_ - left_);
  DrawHorizontalAxis(chart_.y, scale);
  const double below = std::exchange(down_, top_ + gap * 0.75);
  for (size_t i = 0; i < chart_.categories.size(); ++i, down_ += gap) DrawGroup(i, scale, bar_height);
  Line(X(scale, 0), top_, X(scale, 0), bottom_, "qc-axis");
  down_ = below;
}

std::string Drawing::Render() {
  DrawHeading();
  if (chart_.kind == ChartKind::kBars)
    DrawBars();
  else
    DrawLines();
  const double height = std::ceil(down_ + kPadding);
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"qc\" role=\"img\" aria-label=\"{0}\" viewBox=\"0 0 {1} {2}\" "
      "width=\"{1}\" height=\"{2}\">\n<style>{3}</style>\n<rect class=\"qc-back\" width=\"{1}\" height=\"{2}\" "
      "rx=\"8\"/>\n{4}</svg>\n",
      EscapeXml(chart_.title), width_, height, kStyle, body_);
}

// Whether XML 1.0 can carry the character, which is well-formed UTF-8.
bool IsXmlCharacter(std::string_view character) {
  if (character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF") return false;  // U+FFFE and U+FFFF
  const auto lead = static_cast<unsigned char>(character.front());
  return lead >= 0x20 || lead == '\t' || lead == '\n' || lead == '\r';
}

}  // namespace

std::string EscapeXml(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const auto character = FirstCharacter(text);
    if (Utf8Length(text) == 0 || !IsXmlCharacter(character))
      escaped += "\xEF\xBF\xBD";  // U+FFFD
    else if (character == "&")
      escaped += "&amp;";
    else if (character == "<")
      escaped += "&lt;";
    else if (character == ">")
      escaped += "&gt;";
    else if (character == "\"")
      escaped += "&quot;";
    else if (character == "'")
      escaped += "&#39;";
    else
      escaped += character;
    text.remove_prefix(character.size());
  }
  return escaped;
}

std::string_view ChartStyle() { return kStyle; }

std::string RenderSvg(const Chart& chart, int width) {
  assert(width >= 320);
  return Drawing(chart, width).Render();
}

}  // namespace quire::bench
