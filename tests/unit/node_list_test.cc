// SPDX-License-Identifier: Apache-2.0
// Goal: a list of nodes gives back what was appended, whatever was dropped in front and however wide its nodes are, and
// holds no more memory than its nodes and a chunk need.
#include "fs/feed/node_list.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace quire {
namespace {

constexpr uint64_t kChunkBytes = 256 << 10;

TEST(NodeList, IsLikeAQueueInAnyOrderOfEvents) {
  for (const uint64_t nodes : {uint64_t{1000}, uint64_t{0xFFFF'FFFF}, uint64_t{0x1'0000'0000}, kMaxRecords}) {
    SCOPED_TRACE(nodes);
    std::mt19937_64 random(nodes);
    NodeList list(nodes);
    std::deque<NodeNumber> model;
    for (int round = 0; round < 200; ++round) {
      for (uint64_t i = random() % 5000; i > 0; --i) {
        const NodeNumber node = random() % 8 == 0 ? nodes - 1 : random() % nodes;
        list.Append(node);
        model.push_back(node);
      }
      const uint64_t dropped = random() % 8 == 0 ? model.size() : random() % (std::min<size_t>(model.size(), 6000) + 1);
      list.DropFirst(dropped);
      model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(dropped));
      ASSERT_EQ(list.size(), model.size());
      for (int look = 0; look < 100 && !model.empty(); ++look) {
        const uint64_t index = random() % model.size();
        ASSERT_EQ(list[index], model[index]) << index;
      }
      ASSERT_LE(list.memory_bytes(), (nodes <= 0xFFFF'FFFF ? 4 : 8) * list.size() + kChunkBytes);
    }
  }
}

TEST(NodeList, ANodeTakesFourBytesWhereThatIsEnough) {
  NodeList narrow(0xFFFF'FFFF);
  NodeList wide(0x1'0000'0000);
  for (NodeNumber node = 0; node < 100'000; ++node) {
    narrow.Append(node);
    wide.Append(node);
  }
  EXPECT_EQ(narrow.memory_bytes(), 400'000U);
  EXPECT_EQ(wide.memory_bytes(), 800'000U);
  narrow.DropFirst(100'000);
  EXPECT_EQ(narrow.memory_bytes(), 0U);
}

}  // namespace
}  // namespace quire
