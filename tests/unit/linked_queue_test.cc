// SPDX-License-Identifier: Apache-2.0
#include "cache/linked_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace quire {
namespace {

struct Item {
  int number = 0;
  Item* next = nullptr;
};
using Queue = LinkedQueue<Item>;

std::vector<int> Drain(Queue& queue) {
  std::vector<int> numbers;
  while (const Item* const item = queue.Pop()) numbers.push_back(item->number);
  return numbers;
}

class LinkedQueueTest : public testing::Test {
 protected:
  std::array<Item, 6> items_ = {{{0}, {1}, {2}, {3}, {4}, {5}}};
};

TEST_F(LinkedQueueTest, GivesItemsInTheOrderInWhichTheyCame) {
  Queue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.Pop(), nullptr);
  queue.Push(items_[1]);
  queue.Push(items_[2]);
  queue.PushFront(items_[0]);
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.first(), items_.data());
  EXPECT_EQ(Drain(queue), (std::vector{0, 1, 2}));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0U);
}

TEST_F(LinkedQueueTest, IsUsableAgainOnceItWasEmpty) {
  Queue queue;
  queue.PushFront(items_[0]);
  queue.Push(items_[1]);
  EXPECT_EQ(Drain(queue), (std::vector{0, 1}));
  queue.Push(items_[2]);
  queue.Push(items_[3]);
  EXPECT_EQ(Drain(queue), (std::vector{2, 3}));
}

TEST_F(LinkedQueueTest, MovesAllOfAnotherBehindItsOwn) {
  Queue queue;
  Queue other;
  queue.Append(other);
  EXPECT_TRUE(queue.empty());
  other.Push(items_[0]);
  queue.Append(other);
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(other.size(), 0U);
  other.Push(items_[1]);
  other.Push(items_[2]);
  queue.Append(other);
  queue.Push(items_[3]);
  EXPECT_EQ(queue.size(), 4U);
  EXPECT_EQ(Drain(queue), (std::vector{0, 1, 2, 3}));
}

TEST_F(LinkedQueueTest, TakesOutWhatIsWantedAndKeepsTheOthersInOrder) {
  Queue queue;
  for (Item& item : items_) queue.Push(item);
  Queue taken;
  queue.TakeIf([](const Item& item) { return item.number % 2 == 1; }, [&taken](Item& item) { taken.Push(item); });
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(Drain(taken), (std::vector{1, 3, 5}));
  queue.Push(items_[1]);
  EXPECT_EQ(Drain(queue), (std::vector{0, 2, 4, 1}));
}

TEST_F(LinkedQueueTest, GivesAllAtOnceLinkedByNext) {
  Queue queue;
  EXPECT_EQ(queue.TakeAll(), nullptr);
  queue.Push(items_[4]);
  queue.Push(items_[5]);
  const Item* const first = queue.TakeAll();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(first, &items_[4]);
  EXPECT_EQ(first->next, &items_[5]);
  EXPECT_EQ(items_[5].next, nullptr);
}

}  // namespace
}  // namespace quire
