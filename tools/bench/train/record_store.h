// SPDX-License-Identifier: Apache-2.0
// Samples that are records of a few large files, one behind the other, as in TFRecords or the shards of a WebDataset.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/sample_store.h"

namespace quire::bench {

class RecordStore final : public SampleStore {
 public:
  // The files below `root` are taken as records of `record_bytes`; what is left at the end of one is not read.
  // REQUIRES: record_bytes > 0.
  RecordStore(std::string root, uint64_t record_bytes) : root_(std::move(root)), record_bytes_(record_bytes) {}

  Result<void> List() override;
  [[nodiscard]] uint64_t sample_count() const override { return begins_.back(); }
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return CountUp(sample_count()); }
  // Its readers keep the file open that they read last.
  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override;

  // The first sample of each file that holds any, and their number behind that. As of the last List.
  [[nodiscard]] std::span<const uint64_t> shard_begins() const { return begins_; }

 private:
  const std::string root_;
  const uint64_t record_bytes_;
  std::vector<std::string> paths_;  // of the shards, below the root
  std::vector<uint64_t> begins_ = {0};
};

}  // namespace quire::bench
