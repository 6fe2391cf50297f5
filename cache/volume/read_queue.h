// Reads in the order in which they came, linked through the reads themselves, so that queueing allocates nothing. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <utility>

#include "cache/volume/volume_source.h"

namespace quire {

class ReadQueue {
 public:
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] size_t size() const { return size_; }

  void Push(VolumeRead& read) {
    read.next = nullptr;
    (empty() ? first_ : last_->next) = &read;
    last_ = &read;
    ++size_;
  }

  // Moves all of `other` behind what is here.
  void Append(ReadQueue& other) {
    if (other.empty()) return;
    (empty() ? first_ : last_->next) = other.first_;
    last_ = other.last_;
    size_ += other.size_;
    other = {};
  }

  // All of them, linked by `next`; null when there is none.
  VolumeRead* TakeAll() {
    VolumeRead* const first = empty() ? nullptr : first_;
    *this = {};
    return first;
  }

  // REQUIRES: not empty.
  VolumeRead& Pop() {
    --size_;
    return *std::exchange(first_, first_->next);
  }

 private:
  VolumeRead* first_ = nullptr;
  VolumeRead* last_ = nullptr;  // of no meaning while empty
  size_t size_ = 0;
};

}  // namespace quire
