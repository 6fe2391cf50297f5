// SPDX-License-Identifier: Apache-2.0
// Goal: whatever extents, segments and volumes say, the runs of a sample cover it without a gap, and lie in the pack.
#include <algorithm>

#include "format/pack/coded_members.h"
#include "format/pack/dictionaries.h"
#include "format/pack/sample_content.h"
#include "tests/fuzz/fuzz_target.h"

namespace quire {
namespace {

void CheckExtent(const Index& index, const Extent& extent) {
  const auto volume = index.GetVolume(extent.volume);
  Require(volume.has_value(), "an extent has a volume");
  Require(extent.length_bytes >= 1 && extent.length_bytes <= kPageBytes, "an extent has 1 byte to a page");
  Require(extent.offset >= volume->data_begin && extent.offset + extent.length_bytes <= volume->data_end,
          "an extent lies in its volume");
  Require(extent.offset / kPageBytes == (extent.offset + extent.length_bytes - 1) / kPageBytes,
          "an extent lies in one page");
  Require(extent.volume != 0 || extent.offset + extent.length_bytes <= index.superblock().index_offset,
          "an extent of the pack lies before the index");
  Require(extent.node < index.node_count(), "an extent's node is one of the index");
}

void UseRunAt(const Index& index, const Node& node, uint64_t at, uint64_t& next) {
  const auto run = FindRun(index, node, at);
  next = node.size_bytes;
  if (!run) return;
  Require(run->file_offset == at, "a run begins where it was asked for");
  Require(run->length_bytes > 0 && run->length_bytes <= node.size_bytes - at, "a run ends in its sample");
  next = at + run->length_bytes;
  if (!run->extent) return;
  const auto extent = index.GetExtent(*run->extent);
  Require(extent && run->extent_offset < extent->length_bytes &&
              run->length_bytes <= extent->length_bytes - run->extent_offset,
          "a run ends in its extent");
  const auto offset = FindFileOffset(index, node, *run->extent);
  Require(!offset || !*offset || **offset < node.size_bytes, "an extent begins in its sample");
}

void UseSample(const Index& index, const Node& node) {
  uint64_t at = 0;
  for (uint64_t step = 0; step < kMostSteps && at < node.size_bytes; ++step) UseRunAt(index, node, at, at);
  if (node.size_bytes > 0)
    for (const uint64_t last : {node.size_bytes - 1, node.size_bytes / 2}) UseRunAt(index, node, last, at);

  uint64_t steps = 0;
  uint64_t end = 0;
  const auto segments = ForEachSegment(index, node, [&](uint64_t number, const Segment& segment) {
    Require(number < index.segment_count(), "a segment is one of the index");
    Require(segment.length_bytes > 0 && segment.file_offset >= end, "segments stand behind each other");
    end = segment.file_offset + segment.length_bytes;
    Require(end <= node.size_bytes, "segments end in their sample");
    return ++steps < kMostSteps;
  });
  const auto stored_bytes = GetStoredBytes(index, node);
  Require(!segments || !stored_bytes || *stored_bytes <= node.size_bytes, "no more is stored than a sample has");
}

void Use(const Index& index) {
  for (ExtentNumber number = 0; number < std::min(index.extent_count(), kMostEntries); ++number) {
    const auto extent = index.GetExtent(number);
    if (!extent) continue;
    CheckExtent(index, *extent);
    const auto found = index.FindExtentFrom(extent->volume, extent->offset);
    Require(!found || *found <= index.extent_count(), "a search ends in the index");
    const auto owner = index.GetNode(extent->node);
    if (owner && owner->is_sample()) static_cast<void>(FindFileOffset(index, *owner, number));
  }
  for (const uint64_t absent : {index.extent_count(), kMaxRecords, UINT64_MAX})
    Require(!index.GetExtent(absent), "an extent that is not there is not found");
  const CodedMembers members(index);
  for (uint64_t number = 0; number < std::min(members.count(), kMostEntries); ++number) {
    const auto member = members.Get(number);
    if (!member) continue;
    const auto volume = index.GetVolume(member->volume);
    Require(volume && volume->kind == VolumeKind::kDecoded, "a coded member is of a decoded volume");
    Require(member->size_bytes <= volume->data_end - member->offset, "a coded member lies in its volume");
    if (!volume->is_framed()) continue;
    Require(member->offset / kFrameBytes == (member->offset + member->size_bytes - 1) / kFrameBytes,
            "a frame crosses no boundary");
    Require(member->stored_bytes <= member->size_bytes, "a frame is no larger than its sample");
    Require(member->dictionary < index.dictionary_count(), "a frame's dictionary is one of the index");
  }
  for (uint64_t number = 1; number < index.dictionary_count(); ++number) {
    const auto dictionary = ReadDictionary(index, number);
    Require(!dictionary || dictionary->size() <= kMaxDictionaryBytes, "a dictionary has at most so many bytes");
  }
  for (uint64_t number = 0; number < std::min(index.volume_count(), kMostSteps); ++number)
    static_cast<void>(index.GetVolume(static_cast<uint16_t>(number)));
  for (NodeNumber number = 0; number < std::min(index.node_count(), kMostEntries); ++number) {
    const auto node = index.GetNode(number);
    if (node && node->is_sample()) UseSample(index, *node);
  }
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto pack = quire::OpenInput({reinterpret_cast<const std::byte*>(data), size});
  if (pack) quire::Use(*pack->index);
  return 0;
}
