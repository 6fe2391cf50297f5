// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/slot_drawing.h"

#include <fmt/format.h>

#include <algorithm>

namespace quire::lab {
namespace {

constexpr size_t kMarginBytes = 8;  // "slot 12 "

std::string NameOfPage(const ReadSequence& sequence, uint32_t page) {
  return sequence.is_reference_string() ? sequence.names[page] : fmt::format("{}", page);
}

}  // namespace

std::string DrawSlots(const ReadSequence& sequence, const LabOptions& options, size_t width) {
  const size_t reads = std::min(sequence.reads.size(), kMostDrawnReads);
  // rows[0]: what is read; then one for each slot; then hits.
  std::vector<std::vector<std::string>> rows(options.slots + 2);
  const auto cache = MakeLabCache(sequence, options);
  const uint32_t slots = std::min(options.slots, std::max<uint32_t>(sequence.page_numbers, 1));
  std::vector<std::optional<uint32_t>> before(options.slots);
  for (size_t index = 0; index < reads; ++index) {
    rows[0].push_back(NameOfPage(sequence, sequence.reads[index].page));
    const bool is_hit = cache->Read(index);
    for (uint32_t slot = 0; slot < options.slots; ++slot) {
      const auto page = slot < slots ? cache->PageIn(slot) : std::nullopt;
      const bool is_new = page && page != before[slot];
      rows[slot + 1].push_back(page ? (is_new ? ">" : "") + NameOfPage(sequence, *page) : "");
      before[slot] = page;
    }
    rows.back().emplace_back(is_hit ? "+" : "");
  }
  size_t cell = 0;
  for (const auto& row : rows)
    for (const std::string& text : row) cell = std::max(cell, text.size());
  cell += 1;
  const size_t columns = std::max<size_t>((width - std::min(width, kMarginBytes)) / cell, 1);
  std::string drawing;
  for (size_t first = 0; first < reads; first += columns) {
    for (size_t row = 0; row < rows.size(); ++row) {
      const std::string name = row == 0 ? "read" : row + 1 == rows.size() ? "hit" : fmt::format("slot {}", row);
      std::string line = fmt::format("{:<{}}", name, kMarginBytes);
      for (size_t column = first; column < std::min(reads, first + columns); ++column)
        line += fmt::format("{:>{}}", rows[row][column], cell);
      line.erase(line.find_last_not_of(' ') + 1);
      drawing += line + "\n";
    }
    if (first + columns < reads) drawing += "\n";
  }
  if (reads < sequence.reads.size()) drawing += fmt::format("... and {} reads more\n", sequence.reads.size() - reads);
  return drawing;
}

}  // namespace quire::lab
