// SPDX-License-Identifier: Apache-2.0
// A trace as a whole, and what policies can be tried on of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/policy/cost_model.h"
#include "fs/trace/trace_format.h"
#include "tools/sim/read_sequence.h"

namespace quire::lab {

struct LoadedTrace {
  TraceHeader header;
  std::vector<TraceRecord> records;  // by time
  uint64_t lost = 0;
  // What the mount believed that reads cost, when the recording ended or began: cost_model.h.
  std::optional<double> ns_per_byte;
  std::optional<double> ns_per_request;
  // What the mount counted meanwhile, as the records count: pieces of reads.
  struct MountCounts {
    uint64_t hits = 0;
    uint64_t joined = 0;
    uint64_t fill_misses = 0;
    uint64_t bypasses = 0;
    uint64_t volume_bytes = 0;
    bool is_cold = false;  // nothing had been read before
    [[nodiscard]] uint64_t reads() const { return hits + joined + fill_misses + bypasses; }
  };
  std::optional<MountCounts> counts;
  // Why it is not read to its end; empty where it is.
  std::string damage;
};

// Reads a trace as far as it is whole. An error where nothing of it can be used; kNotFound, too, where it is no file.
Result<LoadedTrace> LoadTrace(const std::string& path);
// The same of bytes that are there. An error where there is no header.
Result<LoadedTrace> DecodeTrace(std::span<const std::byte> bytes);

// A model that believes in these prices, for admission.
CostModel ModelOf(double ns_per_byte, double ns_per_request);

// The pieces that an extent gave, in the order of their times.
ReadSequence SequenceOf(const LoadedTrace& trace);

}  // namespace quire::lab
