// SPDX-License-Identifier: Apache-2.0
// Items in the order in which they came, linked through themselves by a member `next`, so that queueing allocates
// nothing. The queue owns none of them. Not thread-safe.
#pragma once

#include <cstddef>
#include <utility>

namespace quire {

template <typename Item>
class LinkedQueue {
 public:
  LinkedQueue() = default;
  LinkedQueue(const LinkedQueue&) = delete;  // an item is in one queue
  LinkedQueue& operator=(const LinkedQueue&) = delete;
  ~LinkedQueue() = default;

  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] size_t size() const { return size_; }
  // Null when there is none.
  [[nodiscard]] Item* first() const { return first_; }

  void Push(Item& item) {
    item.next = nullptr;
    (empty() ? first_ : last_->next) = &item;
    last_ = &item;
    ++size_;
  }
  void PushFront(Item& item) {
    item.next = first_;
    if (empty()) last_ = &item;
    first_ = &item;
    ++size_;
  }
  // Moves all of `other` behind what is here.
  void Append(LinkedQueue& other) {
    if (other.empty()) return;
    (empty() ? first_ : last_->next) = other.first_;
    last_ = other.last_;
    size_ += std::exchange(other.size_, 0);
    other.first_ = nullptr;
  }

  // The first one; null when there is none.
  Item* Pop() {
    Item* const item = first_;
    if (item == nullptr) return nullptr;
    first_ = item->next;
    --size_;
    return item;
  }
  // All of them, linked by `next`; null when there is none.
  Item* TakeAll() {
    size_ = 0;
    return std::exchange(first_, nullptr);
  }
  // Takes out each item for which `is_wanted` is true, in order, and hands it to `take`, which may push it elsewhere.
  void TakeIf(const auto& is_wanted, const auto& take) {
    for (Item* item = TakeAll(); item != nullptr;) {
      Item& looked_at = *std::exchange(item, item->next);
      if (is_wanted(looked_at))
        take(looked_at);
      else
        Push(looked_at);
    }
  }

 private:
  Item* first_ = nullptr;
  Item* last_ = nullptr;  // of no meaning while empty
  size_t size_ = 0;
};

}  // namespace quire
