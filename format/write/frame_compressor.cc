// SPDX-License-Identifier: Apache-2.0
#include "format/write/frame_compressor.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "format/checksum.h"
#include "format/open_files.h"
#include "format/pack/geometry.h"
#include "format/per_thread.h"
#include "format/rounding.h"
#include "format/write/frame_encoder.h"

namespace quire {
namespace {

static_assert(FrameCompressor::kMostBytes % kFrameBytes == 0);

// Samples of less are compressed without asking: that costs no more than a probe.
constexpr uint64_t kProbedFromBytes = 32 << 10;
// Of samples of so much only the probe is read before it is known whether the rest is of use here.
constexpr uint64_t kProbeReadFromBytes = 128 << 10;
// A probe: from the middle, where headers and previews are not; of large samples so much in all, from four places.
constexpr uint64_t kProbeBytes = 16 << 10;
constexpr uint64_t kPlacesOfLarge = 4;
constexpr int kProbeLevel = 1;
constexpr uint64_t kMostBytesForDictionary = 128 << 10;

// Samples of at most so much are compressed together, up to so many bytes: of 200,000 JSON texts of 1.4 KB 64 KiB come
// to 44 % of what they come to one by one, and frames four times as long to 42 %; a reader of one of them waits until
// all of its frame is decoded.
constexpr uint64_t kMostGatheredBytes = 16 << 10;
constexpr uint64_t kTogetherBytes = 64 << 10;
// The page cache reads by pieces of 16 KiB: with so much a frame is filled up with zeros, so that it shares none of
// them with another one (decoded_places.h).
constexpr uint64_t kFilledUpFromBytes = 48 << 10;
// What is shorter says too little of itself to be probed.
constexpr uint64_t kGatheredUnprobedBytes = 512;

// The most bytes that save enough in place of `raw_bytes`.
constexpr uint64_t MostCoded(uint64_t raw_bytes) { return raw_bytes - (raw_bytes * kLeastSavedPercent + 99) / 100; }

// By zstd's lowest level: what that finds nothing in, higher levels find little in.
bool IsWorthIt(std::span<const std::byte> probe) {
  std::array<std::byte, kProbeBytes> into;
  return EncodeFrame(probe, std::span(into).first(MostCoded(probe.size())), kProbeLevel, nullptr).has_value();
}

// Memory of this thread.
std::span<std::byte> RawBuffer() {
  static PerThread<FixedBuffer<FrameCompressor::kMostBytes>> buffers;
  return buffers.Get().span();
}

}  // namespace

bool FrameCompressor::IsDuplicate(NodeNumber node) const {
  return std::ranges::binary_search(in_.duplicates, node, {}, &Duplicate::node);
}

std::vector<DataRange> FrameCompressor::RangesOf(NodeNumber node) const {
  if (const auto sparse = in_.sparse.find(node); sparse != in_.sparse.end()) return sparse->second;
  return {{.offset = 0, .length_bytes = in_.tables.nodes[node].size_bytes}};
}

bool FrameCompressor::ProbeLarge(NodeNumber node) const {
  const auto ranges = RangesOf(node);
  uint64_t data_bytes = 0;
  for (const DataRange& range : ranges) data_bytes += range.length_bytes;
  std::array<std::byte, kProbeBytes> probe;
  size_t filled = 0;
  for (uint64_t place = 0; place < kPlacesOfLarge; ++place) {
    // In the middle of each quarter of the data.
    uint64_t at = data_bytes / (2 * kPlacesOfLarge) * (2 * place + 1);
    const auto range = std::ranges::find_if(ranges, [&at](const DataRange& candidate) {
      if (at < candidate.length_bytes) return true;
      at -= candidate.length_bytes;
      return false;
    });
    if (range == ranges.end()) continue;
    const auto piece =
        std::span(probe).subspan(filled, std::min(kProbeBytes / kPlacesOfLarge, range->length_bytes - at));
    if (!in_.source.Read(node, range->offset + at, piece)) return false;
    filled += piece.size();
  }
  return filled > 0 && IsWorthIt(std::span(probe).first(filled));
}

// False where there is nothing to go on with: what cannot be read is a fault of the sample.
Result<bool> FrameCompressor::Read(NodeNumber node, uint64_t offset, std::span<std::byte> into,
                                   CompressedSamples::Sample& sample) const {
  const bool opens_only = gives_up_;
  const auto read = in_.source.Read(node, offset, opens_only ? into.first(0) : into);
  if (read) return !opens_only;
  if (IsOutOfFiles(read.error())) {
    Error error = read.error();
    error.message = fmt::format("{}: {}", in_.tables.PathOf(node), error.message);
    return std::unexpected(std::move(error));
  }
  sample.fault = read.error().message;
  return false;
}

Result<void> FrameCompressor::CompressWhole(NodeNumber node, CompressedSamples& into) const {
  const uint64_t bytes = in_.tables.nodes[node].size_bytes;
  into.samples.push_back({.node = node, .bytes = bytes});
  CompressedSamples::Sample& sample = into.samples.back();
  if (bytes == 0 || (IsLarge(node) && !gives_up_)) return {};
  if (IsLarge(node)) {
    const auto opened = Read(node, 0, {}, sample);
    return opened ? Result<void>() : std::unexpected(opened.error());
  }
  const auto raw = RawBuffer().first(bytes);
  const uint64_t probe_offset = bytes / 2 - std::min(bytes, kProbeBytes) / 2;
  if (bytes <= kMostGatheredBytes && !compression_.is_each_alone) return Gather(node, into);
  if (bytes >= kProbeReadFromBytes) {
    const auto probe = raw.first(kProbeBytes);
    const auto read = Read(node, probe_offset, probe, sample);
    if (!read) return std::unexpected(read.error());
    if (!*read || !IsWorthIt(probe)) return {};
  }
  const auto read = Read(node, 0, raw, sample);
  if (!read) return std::unexpected(read.error());
  if (!*read) return {};
  if (bytes >= kProbedFromBytes && bytes < kProbeReadFromBytes && !IsWorthIt(raw.subspan(probe_offset, kProbeBytes)))
    return {};
  const size_t frames_before = into.frames.size();
  const size_t extents_before = into.extents.size();
  const size_t coded_before = into.coded.size();
  AppendFrames(raw, into);
  if (into.coded.size() - coded_before <= MostCoded(bytes)) return {};
  into.samples.back().extents = 0;
  into.frames.resize(frames_before);
  into.extents.resize(extents_before);
  into.coded.resize(coded_before);
  into.vain_bytes += bytes;
  return {};
}

// Puts the last sample of `into`, a small one, to those that wait.
Result<void> FrameCompressor::Gather(NodeNumber node, CompressedSamples& into) const {
  const uint64_t bytes = into.samples.back().bytes;
  uint64_t begin = AlignUp(into.waiting_bytes.size(), kExtentAlign);
  if (begin + bytes > kTogetherBytes) {
    CompressWaiting(into);
    begin = 0;
  }
  const size_t end_before = into.waiting_bytes.size();
  into.waiting_bytes.resize(begin + bytes);
  const auto raw = std::span(into.waiting_bytes).subspan(begin);
  const auto read = Read(node, 0, raw, into.samples.back());
  if (!read) return std::unexpected(read.error());
  if (*read && (bytes < kGatheredUnprobedBytes || IsWorthIt(raw)))
    into.waiting.push_back(into.samples.size() - 1);
  else
    into.waiting_bytes.resize(end_before);
  return {};
}

void FrameCompressor::CompressWaiting(CompressedSamples& into) const {
  if (into.waiting.empty()) return;
  uint64_t sample_bytes = 0;
  for (const size_t number : into.waiting) sample_bytes += into.samples[number].bytes;
  if (into.waiting_bytes.size() >= kFilledUpFromBytes) into.waiting_bytes.resize(kTogetherBytes);
  const std::span<const std::byte> raw = into.waiting_bytes;
  const size_t before = into.coded.size();
  into.coded.resize(before + sample_bytes);
  const auto bytes =
      EncodeFrame(raw, std::span(into.coded).subspan(before, MostCoded(sample_bytes)), compression_.level, nullptr);
  into.coded.resize(before + bytes.value_or(0));
  if (bytes) {
    uint64_t at = 0;
    for (const size_t number : into.waiting) {
      CompressedSamples::Sample& sample = into.samples[number];
      sample.extents = 1;
      into.extents.push_back({.extent = {.offset = at,
                                         .volume = kFramedVolume,
                                         .length_bytes = static_cast<uint32_t>(sample.bytes),
                                         .node = sample.node,
                                         .sum = Xxh3(raw.subspan(at, sample.bytes))},
                              .frame = into.frames.size(),
                              .sample = number});
      at = AlignUp(at + sample.bytes, kExtentAlign);
    }
    into.frames.push_back({.volume = kFramedVolume,
                           .codec = Codec::kZstd,
                           .size_bytes = raw.size(),
                           .stored_offset = before,
                           .stored_bytes = *bytes,
                           .sum = Xxh3(std::span<const std::byte>(into.coded).subspan(before))});
  } else {
    into.vain_bytes += sample_bytes;
  }
  into.waiting.clear();
  into.waiting_bytes.clear();
}

Result<void> FrameCompressor::CompressPiece(NodeNumber node, uint64_t offset, uint64_t bytes,
                                            CompressedSamples& into) const {
  into.samples.push_back({.node = node, .bytes = bytes});
  const auto raw = RawBuffer().first(bytes);
  const auto read = Read(node, offset, raw, into.samples.back());
  if (!read) return std::unexpected(read.error());
  if (!*read) return {};
  AppendFrames(raw, into);
  return {};
}

void FrameCompressor::AppendFrames(std::span<const std::byte> raw, CompressedSamples& into) const {
  CompressedSamples::Sample& sample = into.samples.back();
  // What is longer has enough of its own to refer to.
  const auto choice = raw.size() <= kMostBytesForDictionary
                          ? dictionaries_.Find(in_.tables.NameOf(in_.tables.nodes[sample.node]), raw)
                          : EncoderDictionaries::Choice();
  for (uint64_t at = 0; at < raw.size(); at += kFrameBytes) {
    const auto piece = raw.subspan(at, std::min<uint64_t>(kFrameBytes, raw.size() - at));
    const size_t before = into.coded.size();
    into.coded.resize(before + piece.size());
    const auto room = std::span(into.coded).subspan(before);
    // A frame that saves too little lies as it is.
    const auto bytes = EncodeFrame(piece, room.first(MostCoded(piece.size())), compression_.level, choice.dictionary);
    if (bytes)
      into.coded.resize(before + *bytes);
    else
      std::ranges::copy(piece, room.begin());
    const auto stored = std::span<const std::byte>(into.coded).subspan(before);
    into.extents.push_back({.extent = {.volume = kFramedVolume,
                                       .length_bytes = static_cast<uint32_t>(piece.size()),
                                       .node = sample.node,
                                       .sum = Xxh3(piece)},
                            .frame = into.frames.size(),
                            .sample = into.samples.size() - 1});
    into.frames.push_back({.volume = kFramedVolume,
                           .codec = bytes ? Codec::kZstd : Codec::kStored,
                           .dictionary = bytes ? choice.number : uint8_t{0},
                           .size_bytes = piece.size(),
                           .stored_offset = before,
                           .stored_bytes = stored.size(),
                           .sum = Xxh3(stored)});
    ++sample.extents;
  }
}

}  // namespace quire
