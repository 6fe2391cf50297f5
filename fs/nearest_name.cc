// SPDX-License-Identifier: Apache-2.0
#include "fs/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace quire {
namespace {

// The optimal string alignment distance: Levenshtein's, where two neighbours that changed places are one mistake.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> last_but_one(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    std::swap(last_but_one, last);
    std::swap(last, row);
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min({last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1});
      if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
        row[j + 1] = std::min(row[j + 1], last_but_one[j - 1] + 1);
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string_view> FindNearestName(std::string_view word, std::span<const std::string_view> names) {
  std::optional<std::string_view> nearest;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view name : names) {
    const size_t distance = EditDistance(word, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  return nearest;
}

}  // namespace quire
