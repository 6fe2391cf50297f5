// SPDX-License-Identifier: Apache-2.0
// Checks the index of a pack against itself: that it is a tree, that each entry is sound, that counts and owners are
// what they say. The part of `quire verify` behind the sums.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/pack/bad_extents.h"
#include "format/pack/fault_sequence.h"
#include "format/pack/index.h"
#include "format/pack/lazy_bits.h"
#include "format/result.h"
#include "format/worker_pool.h"

namespace quire {

class TreeVerifier {
 public:
  // All must outlive it. `is_index_whole`: no block of the index is damaged; else what is missing is not called a lie.
  TreeVerifier(const Index& index, const BadExtents& bad_extents, bool is_index_whole,
               const std::atomic<bool>* interrupted, FaultSequence& faults);

  // Errors are only those that end the work: kInterrupted, within a second whatever the index says.
  Result<void> Run(WorkerPool& pool);

  [[nodiscard]] uint64_t entries() const { return entries_; }

 private:
  void CheckRoot();
  Result<void> CountNodes();
  void CountNode(const Node& node);
  Result<void> WalkTree();
  Result<void> CheckDirectories();
  void MeasurePath(uint64_t number, const Directory& directory);
  Result<void> CheckChildren(uint64_t number);
  Result<void> CheckEntry(NodeNumber number, const Node& node, std::string_view name, std::string_view before);
  Result<Attributes> CheckAttributes(const Node& node) const;
  Result<void> CheckLinks(NodeNumber number, const Attributes& attributes) const;
  Result<void> CheckSample(NodeNumber number, const Node& node);
  void CheckCounts();
  Result<void> CheckOwners();

  // Loops as long as the index call it now and then.
  [[nodiscard]] Result<void> CheckInterrupted() const;
  [[nodiscard]] std::string PathOf(NodeNumber number) const;
  void Report(Fault::Kind kind, std::string path, std::string message);

  const Index& index_;
  const BadExtents& bad_extents_;
  const bool is_index_whole_;
  const std::atomic<bool>* const interrupted_;
  FaultSequence& faults_;

  std::vector<uint64_t> listed_;  // of several layers: the records of the directories of this generation
  uint64_t directories_ = 0;      // of several layers
  uint64_t samples_ = 0;
  uint64_t symlinks_ = 0;
  uint64_t hard_links_ = 0;
  uint64_t sample_bytes_ = 0;
  std::unordered_map<NodeNumber, uint32_t> further_names_;  // of those that hard links name
  // By directory: how long its path is, and where that is unknown or too long kPathTooLong.
  std::vector<uint16_t> path_bytes_;
  static constexpr uint16_t kPathTooLong = UINT16_MAX;
  std::atomic<uint64_t> entries_ = 0;
  LazyBits used_extents_;   // some sample has it
  LazyBits owned_extents_;  // and the one that it names
  LazyBits used_segments_;
};

}  // namespace quire
