// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/node_list.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

namespace quire {

NodeList::NodeList(uint64_t nodes)
    : node_bytes_(nodes <= std::numeric_limits<uint32_t>::max() ? sizeof(uint32_t) : sizeof(uint64_t)),
      chunk_nodes_(kChunkBytes / node_bytes_) {}

std::byte* NodeList::EntryAt(uint64_t at) const {
  return &(*chunks_[at / chunk_nodes_])[at % chunk_nodes_ * node_bytes_];
}

NodeNumber NodeList::operator[](uint64_t index) const {
  assert(index < size_);
  const std::byte* const entry = EntryAt(skipped_ + index);
  if (node_bytes_ == sizeof(uint64_t)) {
    uint64_t node = 0;
    std::memcpy(&node, entry, sizeof(node));
    return node;
  }
  uint32_t node = 0;
  std::memcpy(&node, entry, sizeof(node));
  return node;
}

void NodeList::Append(NodeNumber node) {
  const uint64_t at = skipped_ + size_;
  if (at == chunks_.size() * chunk_nodes_) chunks_.push_back(std::make_unique<Chunk>(kChunkBytes));
  if (node_bytes_ == sizeof(uint64_t)) {
    std::memcpy(EntryAt(at), &node, sizeof(node));
  } else {
    assert(node <= std::numeric_limits<uint32_t>::max());
    const auto narrow = static_cast<uint32_t>(node);
    std::memcpy(EntryAt(at), &narrow, sizeof(narrow));
  }
  ++size_;
}

void NodeList::DropFirst(uint64_t count) {
  assert(count <= size_);
  skipped_ += count;
  size_ -= count;
  for (; !chunks_.empty() && (size_ == 0 || skipped_ >= chunk_nodes_); chunks_.pop_front())
    skipped_ -= std::min(skipped_, chunk_nodes_);
  if (size_ == 0) skipped_ = 0;
}

}  // namespace quire
