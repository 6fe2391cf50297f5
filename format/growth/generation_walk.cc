// SPDX-License-Identifier: Apache-2.0
#include "format/growth/generation_walk.h"

#include <cstddef>
#include <cstdint>

namespace quire {
namespace {

// One entry of a directory after the other.
class Entries {
 public:
  explicit Entries(const Listing& listing) : listing_(listing) {}

  // Goes to the first one, or to the next.
  Result<void> Read() {
    is_at_end_ = next_ == listing_.directory.child_count;
    if (is_at_end_) return {};
    const auto child = listing_.index.GetChild(listing_.directory, next_++);
    const auto node = child ? listing_.index.GetNode(*child) : std::unexpected(child.error());
    const auto name = node ? listing_.index.GetName(*node) : std::unexpected(node.error());
    if (!name) return std::unexpected(name.error());
    entry_ = {.number = *child, .node = *node, .name = *name};
    return {};
  }

  // Null behind the last one.
  [[nodiscard]] const ListedEntry* entry() const { return is_at_end_ ? nullptr : &entry_; }

 private:
  const Listing& listing_;
  uint64_t next_ = 0;
  bool is_at_end_ = false;
  ListedEntry entry_;
};

}  // namespace

Result<void> ForEachReplaced(const Index& before, const Index& now,
                             const std::function<Result<void>(NodeNumber number)>& visit) {
  constexpr size_t kReplacedBytes = kRecordBytes[static_cast<size_t>(Section::kReplaced)];
  for (size_t i = before.layers().size(); i < now.layers().size(); ++i) {
    const IndexLayer& layer = now.layers()[i];
    for (uint64_t record = 0; record < layer.superblock.records(Section::kReplaced); ++record) {
      const auto bytes = layer.blocks->Touch(layer.OffsetOf(Section::kReplaced, record), kReplacedBytes);
      if (!bytes) return std::unexpected(bytes.error());
      const NodeNumber number = DecodeReplacedNode(*bytes).number;
      if (number >= before.node_count()) continue;
      if (auto visited = visit(number); !visited) return visited;
    }
  }
  return {};
}

Result<void> CompareListings(const Listing& before, const Listing& now,
                             const std::function<Result<void>(const ListedEntry* was, const ListedEntry* is)>& visit) {
  Entries old_ones(before);
  Entries new_ones(now);
  auto read = old_ones.Read();
  if (read) read = new_ones.Read();
  while (read) {
    const ListedEntry* was = old_ones.entry();
    const ListedEntry* is = new_ones.entry();
    if (was == nullptr && is == nullptr) return {};
    if (was != nullptr && is != nullptr && was->name != is->name) (was->name < is->name ? is : was) = nullptr;
    if (auto visited = visit(was, is); !visited) return visited;
    if (was != nullptr) read = old_ones.Read();
    if (is != nullptr && read) read = new_ones.Read();
  }
  return read;
}

}  // namespace quire
