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

// What became of some samples, or of a piece of a large one.
struct CompressedSamples {
  struct Sample {
    NodeNumber node = 0;
    uint64_t bytes = 0;
    size_t extents = 0;                     // 0: it is left as it is
    std::optional<std::string> fault = {};  // why it could not be read
  };
  struct FramedExtent {
    Extent extent;      // its offset is one in the frame
    size_t frame = 0;   // number in `frames`
    size_t sample = 0;  // number in `samples`
  };
  std::vector<Sample> samples;        // in the order in which they came
  std::vector<FramedExtent> extents;  // in the order of the frames; those of one sample stand together
  std::vector<CodedMember> frames;    // but for their places; stored offsets are those in `coded`
  std::vector<std::byte> coded;
  uint64_t vain_bytes = 0;  // that were compressed, and saved too little

  // Of small samples that wait until they are enough for a frame: numbers in `samples`, and their bytes.
  std::vector<size_t> waiting;
  std::vector<std::byte> waiting_bytes;
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
  // Appends a sample to `into`, where it may have to wait for others. Errors are those that end the work. REQUIRES: it
  // is not large, or is left as it is.
  Result<void> CompressWhole(NodeNumber node, CompressedSamples& into) const;
  // Compresses what waits.
  void CompressWaiting(CompressedSamples& into) const;
  // Appends a piece of a large sample. REQUIRES: it lies in a range of its data, and has at most kMostBytes.
  Result<void> CompressPiece(NodeNumber node, uint64_t offset, uint64_t bytes, CompressedSamples& into) const;

 private:
  Result<bool> Read(NodeNumber node, uint64_t offset, std::span<std::byte> into,
                    CompressedSamples::Sample& sample) const;
  Result<void> Gather(NodeNumber node, CompressedSamples& into) const;
  // Of the last sample of `into`.
  void AppendFrames(std::span<const std::byte> raw, CompressedSamples& into) const;

  const SamplesToCompress& in_;
  const Compression& compression_;
  const EncoderDictionaries& dictionaries_;
  const std::atomic<bool>& gives_up_;
};

}  // namespace quire
