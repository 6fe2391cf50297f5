// SPDX-License-Identifier: Apache-2.0
#include "tools/map/cell_grid.h"

#include <algorithm>
#include <cassert>

#include "format/rounding.h"

namespace quire {
namespace {

constexpr uint64_t kLeastPart = 4;  // of what is there, that a level has which gives the cell its colour

// What is in the pages of a cell: each folio counts for the level that is nearest. What of a page is where is not told:
// a level farther away is taken to have what nearer ones have, and more if it has more.
class CellSum {
 public:
  void Add(const VolumePages& volume, uint64_t page) {
    uint16_t covered = 0;
    for (const Level level : kAllLevels) {
      const uint16_t there = std::min(volume.At(level).FoliosOf(page), volume.WholeFolios(page));
      if (there <= covered) continue;
      nearest_[static_cast<size_t>(level)] += there - covered;
      covered = there;
    }
    covered_ += covered;
    whole_ += volume.WholeFolios(page);
  }

  void Fill(Cell& cell) const {
    if (covered_ == 0) return;
    cell.share = static_cast<double>(covered_) / static_cast<double>(whole_);
    for (const Level level : kAllLevels) {
      if (nearest_[static_cast<size_t>(level)] * kLeastPart < covered_) continue;
      cell.level = level;
      return;
    }
  }

 private:
  std::array<uint64_t, kLevels> nearest_ = {};
  uint64_t covered_ = 0;
  uint64_t whole_ = 0;
};
static_assert(kLeastPart >= kLevels, "one of the levels has that part");

}  // namespace

CellGrid MakeGrid(std::span<const VolumePages> volumes, size_t most_columns, size_t most_rows) {
  assert(most_columns > 0 && most_rows > 0);
  uint64_t pages = 0;
  for (const VolumePages& volume : volumes) pages += volume.page_count();
  CellGrid grid;
  if (pages == 0) return grid;
  grid.pages_per_cell = CeilDiv(pages, uint64_t{most_columns} * most_rows);
  const uint64_t cells = CeilDiv(pages, grid.pages_per_cell);
  grid.columns = static_cast<size_t>(std::min<uint64_t>(cells, most_columns));
  grid.rows = static_cast<size_t>(CeilDiv(cells, grid.columns));
  grid.cells.reserve(cells);
  Cell cell;
  CellSum sum;
  const auto end_cell = [&] {
    sum.Fill(cell);
    grid.cells.push_back(cell);
    cell = {.first_page = cell.first_page + cell.page_count};
    sum = {};
  };
  for (const VolumePages& volume : volumes) {
    for (uint64_t page = 0; page < volume.page_count(); ++page) {
      sum.Add(volume, page);
      if (++cell.page_count == grid.pages_per_cell) end_cell();
    }
  }
  if (cell.page_count > 0) end_cell();
  return grid;
}

}  // namespace quire
