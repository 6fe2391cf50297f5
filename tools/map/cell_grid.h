// SPDX-License-Identifier: Apache-2.0
// Pages gathered into cells, so that a picture of a pack of any size fits into a terminal or onto a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tools/map/page_levels.h"

namespace quire {

// Some pages in a row.
struct Cell {
  uint64_t first_page = 0;  // among those of all volumes of the picture, one volume behind the other
  uint64_t page_count = 0;
  // The nearest level that has at least a quarter of what is there; nothing where nothing is there. So a page in memory
  // among a hundred that the tier has does not look as if all of them were in memory.
  std::optional<Level> level = {};
  double share = 0;  // of the bytes of its pages, that are at any level
};

struct CellGrid {
  uint64_t pages_per_cell = 1;  // of all cells but the last one
  size_t columns = 0;
  size_t rows = 0;
  std::vector<Cell> cells;  // row by row; those that the last row has no pages for are not there

  // Null behind the last one.
  [[nodiscard]] const Cell* At(size_t row, size_t column) const {
    const size_t index = row * columns + column;
    return column < columns && index < cells.size() ? &cells[index] : nullptr;
  }
};

// As many cells as there is room for, at most one a page. REQUIRES: most_columns and most_rows are above 0.
CellGrid MakeGrid(std::span<const VolumePages> volumes, size_t most_columns, size_t most_rows);

}  // namespace quire
