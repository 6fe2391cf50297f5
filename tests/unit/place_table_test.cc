// SPDX-License-Identifier: Apache-2.0
// Goal: the table finds the last place that was set of each node, and none that was erased, however full it is.
#include "fs/feed/place_table.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>
#include <vector>

namespace quire {
namespace {

TEST(PlaceTable, IsLikeAMapInAnyOrderOfEvents) {
  // Few nodes meet each other again and again; the numbers next to each other, and those of a large pack.
  for (const uint64_t stride : {uint64_t{1}, uint64_t{1} << 22, uint64_t{0x0ABC'5679}}) {
    SCOPED_TRACE(stride);
    std::mt19937_64 random(stride);
    PlaceTable table;
    std::unordered_map<NodeNumber, uint64_t> model;
    for (uint64_t place = 0; place < 20'000; ++place) {
      const NodeNumber node = random() % 5000 * stride;
      ASSERT_LT(node, kMaxRecords);
      if (random() % 3 == 0 && model.contains(node)) {
        table.Erase(node, model[node] + 1);  // another place of it: nothing
        table.Erase(node, model[node]);
        model.erase(node);
      } else {
        table.Set(node, place);
        model[node] = place;
      }
      ASSERT_EQ(table.count(), model.size());
      const NodeNumber other = random() % 5000 * stride;
      const auto found = table.FindLowPlace(other);
      ASSERT_EQ(found.has_value(), model.contains(other));
      if (found) {
        ASSERT_EQ(*found, model[other] & PlaceTable::kPlaceMask);
      }
    }
  }
}

TEST(PlaceTable, WorksWhenItIsAsFullAsItMayBe) {
  PlaceTable table;
  std::mt19937_64 random(1);
  std::vector<NodeNumber> nodes;
  for (uint64_t i = 0; i < PlaceTable::kMaxEntries; ++i) nodes.push_back(i * 8191 + random() % 8191);
  const uint64_t far = (uint64_t{1} << 40) - 100'000;  // the low bits turn over
  for (uint64_t i = 0; i < nodes.size(); ++i) table.Set(nodes[i], far + i);
  for (uint64_t i = 0; i < nodes.size(); ++i)
    ASSERT_EQ(table.FindLowPlace(nodes[i]), (far + i) & PlaceTable::kPlaceMask);
  for (uint64_t i = 0; i < nodes.size(); i += 2) table.Erase(nodes[i], far + i);
  for (uint64_t i = 0; i < nodes.size(); ++i) ASSERT_EQ(table.FindLowPlace(nodes[i]).has_value(), i % 2 == 1) << i;
}

}  // namespace
}  // namespace quire
