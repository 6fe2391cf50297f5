// SPDX-License-Identifier: Apache-2.0
// Turns samples into frames, or finds that it is not worth it. What it is asked for does not depend on what it was
// asked before, so that a pack is the same for any number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/pack/records.h"
#include "format/result.h"
#include "format/write/compression.h"
#include "format/write/duplicates.h"
#include "format/write/encoder_dictionaries.h"
#include "format/write/index_tables.h"
#include "format/write/page_layout.h"
#include "format/write/sample_source.h"

namespace quire {

// Samples that follow each other in the order of a pack, and what of them is compressed. All must outlive their use.
struct SamplesToCompress {
  IndexTables& tables;
  const Spool<NodeNumber>& samples;
  const std::map<NodeNumber, std::vector<DataRange>>& sparse;  // the data of those with holes
  const std::vector<Duplicate>& duplicates;                    // by node; these are left out
  const SampleSource& source;
};

// The volume that a packer puts compressed samples into.
inline constexpr uint16_t kFramedVolume = 1;

// Of a sample: what is compressed by itself.
struct Frame {
  Extent extent;       // but for its place
  CodedMember member;  // but for its place, and its stored offset is one in CompressedSamples::coded
};

// What became of some samples, or of a piece of a large one.
struct CompressedSamples {
  struct Sample {
    NodeNumber node = 0;
    uint64_t bytes = 0;
    size_t frames = 0;                      // 0: it is left as it is
    std::optional<std::string> fault = {};  // why it could not be read
  };
  std::vector<Sample> samples;
  std::vector<Frame> frames;  // of all of them
  std::vector<std::byte> coded;
  uint64_t vain_bytes = 0;  // that were compressed, and saved too little
};

// Thread-safe. Memory: 1 MiB a thread, what a level needs, and what is returned.
class FrameCompressor {
 public:
  // What is compressed at once: whole samples, or pieces of what has more. A multiple of kFrameBytes.
  static constexpr uint64_t kMostBytes = 1 << 20;

  // `gives_up`: set by anyone when nothing will be written any more; then samples are only opened.
  FrameCompressor(const SamplesToCompress& samples, const Compression& compression,
                  const EncoderDictionaries& dictionaries, const std::atomic<bool>& gives_up)
      : in_(samples), compression_(compression), dictionaries_(dictionaries), gives_up_(gives_up) {}

  // Whether a sample has more than is compressed at once, or holes.
  [[nodiscard]] bool IsLarge(NodeNumber node) const {
    return in_.tables.nodes[node].size_bytes > kMostBytes || in_.sparse.contains(node);
  }
  [[nodiscard]] bool IsDuplicate(NodeNumber node) const;
  // The data of a large sample.
  [[nodiscard]] std::vector<DataRange> RangesOf(NodeNumber node) const;

  // Whether a large sample is worth it, by some pieces of it. False where it cannot be read.
  [[nodiscard]] bool ProbeLarge(NodeNumber node) const;
  // Appends a sample to `into`. Errors are those that end the work. REQUIRES: it is not large, or is left as it is.
  Result<void> CompressWhole(NodeNumber node, CompressedSamples& into) const;
  // Appends a piece of a large sample. REQUIRES: it lies in a range of its data, and has at most kMostBytes.
  Result<void> CompressPiece(NodeNumber node, uint64_t offset, uint64_t bytes, CompressedSamples& into) const;

 private:
  Result<bool> Read(NodeNumber node, uint64_t offset, std::span<std::byte> into,
                    CompressedSamples::Sample& sample) const;
  void AppendFrames(NodeNumber node, std::span<const std::byte> raw, CompressedSamples& into) const;

  const SamplesToCompress& in_;
  const Compression& compression_;
  const EncoderDictionaries& dictionaries_;
  const std::atomic<bool>& gives_up_;
};

}  // namespace quire
