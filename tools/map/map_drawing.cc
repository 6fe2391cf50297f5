// SPDX-License-Identifier: Apache-2.0
#include "tools/map/map_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "format/escaping.h"
#include "tools/map/cell_grid.h"
#include "tools/map/level_colours.h"

namespace quire {
namespace {

constexpr double kPageWidth = 720;
constexpr double kPadding = 16;
constexpr double kRoom = kPageWidth - 2 * kPadding;
constexpr double kTitlePitch = 24;
constexpr double kLinePitch = 18;
constexpr double kSwatch = 12;
constexpr double kMostPictureHeight = 336;
// The side of a cell: the largest of these with which each page has a cell of its own, else the smallest.
constexpr std::array<double, 5> kCellSides = {24, 16, 12, 8, 6};
// Cells of this size and more have gaps between them; smaller ones that look alike become one box.
constexpr double kLeastSideWithGaps = 12;
constexpr double kGap = 1;
constexpr double kShades = 8;  // more are not told apart

size_t CellsIn(double length, double side) { return static_cast<size_t>(length / side); }

class Layout {
 public:
  explicit Layout(const MapReport& report) : report_(report) {}

  MapDrawing LayOut() {
    Write(TextKind::kTitle, EscapeName(report_.source));
    if (report_.mount_point) Write(TextKind::kMuted, "mounted at " + EscapeName(*report_.mount_point));
    Write(TextKind::kPlain, SummaryLine(report_));
    for (const MapPart& part : PartsOf(report_)) Place(part);
    PlaceLegend();
    Write(TextKind::kMuted, "The fuller the colour of a cell, the more of its pages is there.");
    for (const std::string& note : NotesOf(report_)) Write(TextKind::kMuted, note);
    drawing_.width = kPageWidth;
    drawing_.height = std::ceil(down_ + kPadding);
    return std::move(drawing_);
  }

 private:
  static double ChooseSide(std::span<const VolumePages> volumes) {
    uint64_t pages = 0;
    for (const VolumePages& volume : volumes) pages += volume.page_count();
    for (const double side : kCellSides)
      if (CellsIn(kRoom, side) * CellsIn(kMostPictureHeight, side) >= pages) return side;
    return kCellSides.back();
  }

  void Place(const MapPart& part) {
    const double side = ChooseSide(part.volumes);
    const CellGrid grid = MakeGrid(part.volumes, CellsIn(kRoom, side), CellsIn(kMostPictureHeight, side));
    down_ += 8;
    if (!part.title.empty()) Write(TextKind::kPlain, EscapeName(part.title));
    Write(TextKind::kMuted, DescribeCell(grid.pages_per_cell));
    down_ += 6;
    for (size_t row = 0; row < grid.rows; ++row) PlaceRow(grid, row, side);
    down_ += static_cast<double>(grid.rows) * side + 10;
  }

  static double RoundShare(double share) { return std::ceil(share * kShades) / kShades; }

  void PlaceRow(const CellGrid& grid, size_t row, double side) {
    const bool has_gaps = side >= kLeastSideWithGaps;
    for (size_t column = 0; column < grid.columns;) {
      const Cell* const first = grid.At(row, column);
      if (first == nullptr) return;
      size_t end = column + 1;
      uint64_t pages = first->page_count;
      for (; !has_gaps && end < grid.columns; ++end) {
        const Cell* const next = grid.At(row, end);
        const bool is_like =
            next != nullptr && next->level == first->level && RoundShare(next->share) == RoundShare(first->share);
        if (!is_like) break;
        pages += next->page_count;
      }
      const double gap = has_gaps ? kGap : 0;
      drawing_.boxes.push_back({.x = kPadding + static_cast<double>(column) * side,
                                .y = down_ + static_cast<double>(row) * side,
                                .width = static_cast<double>(end - column) * side - gap,
                                .height = side - gap,
                                .level = first->level,
                                .share = RoundShare(first->share),
                                .title = TitleOf(*first, pages)});
      column = end;
    }
  }

  static std::string TitleOf(const Cell& first, uint64_t pages) {
    std::string title = pages == 1 ? fmt::format("page {}", first.first_page)
                                   : fmt::format("pages {} to {}", first.first_page, first.first_page + pages - 1);
    if (!first.level) return title + ": nowhere";
    return title +
           fmt::format(": {}, {:.0f} %", kLevelNames[static_cast<size_t>(*first.level)], RoundShare(first.share) * 100);
  }

  void PlaceLegend() {
    for (const Level level : kAllLevels) {
      const auto described = DescribeLevel(report_, level);
      if (!described) continue;
      drawing_.boxes.push_back({.x = kPadding,
                                .y = down_ + 3,
                                .width = kSwatch,
                                .height = kSwatch,
                                .level = level,
                                .share = 1,
                                .title = std::string(kLevelNames[static_cast<size_t>(level)])});
      Write(TextKind::kPlain, fmt::format("{}: {}", kLevelNames[static_cast<size_t>(level)], *described), kSwatch + 8);
    }
  }

  // A paragraph, broken between words.
  void Write(TextKind kind, std::string_view words, double indent = 0) {
    const double character = kind == TextKind::kTitle ? kCharacterWidth * 4 / 3 : kCharacterWidth;
    const auto most = static_cast<size_t>((kRoom - indent) / character);
    const double pitch = kind == TextKind::kTitle ? kTitlePitch : kLinePitch;
    while (!words.empty()) {
      size_t end = words.size();
      if (end > most) {
        end = words.rfind(' ', most);
        if (end == std::string_view::npos || end == 0) end = most;
        while (end > 1 && (static_cast<unsigned char>(words[end]) & 0xC0U) == 0x80U) --end;  // not within a character
      }
      drawing_.texts.push_back({.x = kPadding + indent,
                                .baseline = down_ + pitch - 5,
                                .kind = kind,
                                .text = std::string(words.substr(0, end))});
      down_ += pitch;
      words.remove_prefix(end);
      if (words.starts_with(' ')) words.remove_prefix(1);
    }
  }

  const MapReport& report_;
  MapDrawing drawing_;
  double down_ = kPadding - 4;  // what lies above is laid out
};

}  // namespace

MapDrawing LayOut(const MapReport& report) { return Layout(report).LayOut(); }

}  // namespace quire
