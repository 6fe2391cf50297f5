// SPDX-License-Identifier: Apache-2.0
#include "fs/trace/trace_format.h"

#include <algorithm>
#include <cassert>
#include <string_view>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/geometry.h"

namespace quire {
namespace {

constexpr std::string_view kMagic = "QUIRETRC";
constexpr uint16_t kMajor = 2;
constexpr uint16_t kLeastMajor = 1;  // whose records tell no source
constexpr uint16_t kMinor = 0;

// Of the header.
constexpr size_t kMajorAt = 8;
constexpr size_t kMinorAt = 10;
constexpr size_t kHeaderBytesAt = 12;
constexpr size_t kBeganAt = 16;
constexpr size_t kPageBytesAt = 24;
constexpr size_t kPagesAt = 32;
constexpr size_t kPackBytesAt = 40;
constexpr size_t kGenerationAt = 48;
constexpr size_t kRootSumAt = 56;
constexpr size_t kSamplesAt = 64;
constexpr size_t kStoredBytesAt = 72;
constexpr size_t kPageSlotsAt = 80;
constexpr size_t kSlabsAt = 84;
constexpr size_t kPolicyAt = 88;
constexpr size_t kAdmissionAt = 89;
constexpr size_t kPushAt = 90;
constexpr size_t kFlagsAt = 91;
constexpr size_t kPathBytesAt = 92;
constexpr size_t kPathAt = 96;
constexpr size_t kSumBytes = 8;
constexpr uint8_t kReadaheadFlag = 1;
constexpr uint8_t kReadersKeepFlag = 2;

// Of all volumes of a pack together, 65536 of 2^27 pages each; less one, so that their bytes are a number of 64 bits.
constexpr uint64_t kMostPages = (uint64_t{1} << 43) - 1;
constexpr size_t kMostPathBytes = 4096;
constexpr uint32_t kMostSlots = 1 << 20;  // arena.h

template <typename Choice, size_t kCount>
Result<Choice> DecodeChoice(std::span<const std::byte> bytes, size_t at, const ChoiceNames<Choice, kCount>& names,
                            const char* what) {
  const auto number = LoadUint<1>(bytes, at);
  if (number >= names.size()) return Corrupt("trace: header: {} {} is none", what, number);
  return static_cast<Choice>(number);
}

size_t BeginChunk(TraceChunk kind, size_t payload_bytes, std::vector<std::byte>& bytes) {
  assert(payload_bytes <= kMostTraceChunkBytes);
  const size_t at = bytes.size();
  bytes.resize(at + kTraceChunkHeadBytes + payload_bytes);
  const std::span<std::byte> chunk = std::span(bytes).subspan(at);
  StoreUint<4>(chunk, 0, static_cast<uint32_t>(kind));
  StoreUint<4>(chunk, 4, payload_bytes);
  return at + kTraceChunkHeadBytes;
}

// Of a chunk: kind, length and payload.
uint64_t SumOf(std::span<const std::byte> head, std::span<const std::byte> payload) {
  return Xxh3(payload) ^ (LoadUint<8>(head, 0) * 0x9e3779b97f4a7c15);  // so that the head cannot be exchanged
}

void EndChunk(size_t payload_at, std::vector<std::byte>& bytes) {
  const auto head = std::span(bytes).subspan(payload_at - kTraceChunkHeadBytes, kTraceChunkHeadBytes);
  StoreUint<8>(head, 8, SumOf(head, std::span(bytes).subspan(payload_at)));
}

void EncodeRecord(const TraceRecord& record, std::span<std::byte> bytes) {
  StoreUint<8>(bytes, 0, record.time_ns);
  StoreUint<8>(bytes, 8, record.node);
  StoreUint<8>(bytes, 16, record.offset);
  StoreUint<8>(bytes, 24, record.place);
  StoreUint<4>(bytes, 32, record.bytes);
  StoreUint<4>(bytes, 36, record.extent_bytes);
  StoreUint<4>(bytes, 40, record.latency_ns);
  StoreUint<4>(bytes, 44, record.process);
  StoreUint<4>(bytes, 48, static_cast<uint8_t>(record.level));
  StoreUint<4>(bytes, 52, static_cast<uint8_t>(record.source));
}

Result<TraceRecord> DecodeRecord(std::span<const std::byte> bytes) {
  TraceRecord record = {.time_ns = LoadUint<8>(bytes, 0),
                        .node = LoadUint<8>(bytes, 8),
                        .offset = LoadUint<8>(bytes, 16),
                        .place = LoadUint<8>(bytes, 24),
                        .bytes = static_cast<uint32_t>(LoadUint<4>(bytes, 32)),
                        .extent_bytes = static_cast<uint32_t>(LoadUint<4>(bytes, 36)),
                        .latency_ns = static_cast<uint32_t>(LoadUint<4>(bytes, 40)),
                        .process = static_cast<uint32_t>(LoadUint<4>(bytes, 44))};
  const uint64_t level = LoadUint<4>(bytes, 48);
  if (level >= kTraceLevels) return Corrupt("trace: a record of level {}", level);
  record.level = static_cast<TraceLevel>(level);
  const uint64_t source = LoadUint<4>(bytes, 52);
  if (source >= kTraceSources) return Corrupt("trace: a record of source {}", source);
  record.source = static_cast<TraceSource>(source);
  if (record.place / kPageBytes >= kMostPages)
    return Corrupt("trace: a record at {}, where no pack has a page", record.place);
  if (record.place % kPageBytes + record.extent_bytes > kPageBytes)
    return Corrupt("trace: a record of an extent of {} bytes at {}, which ends in another page", record.extent_bytes,
                   record.place);
  if (record.node > kMaxRecords) return Corrupt("trace: a record of node {}", record.node);
  return record;
}

}  // namespace

std::vector<std::byte> EncodeTraceHeader(const TraceHeader& header) {
  const std::string_view path = std::string_view(header.pack_path).substr(0, kMostPathBytes);
  std::vector<std::byte> bytes(kPathAt + path.size() + kSumBytes);
  std::ranges::copy(AsBytes(kMagic), bytes.begin());
  StoreUint<2>(bytes, kMajorAt, kMajor);
  StoreUint<2>(bytes, kMinorAt, kMinor);
  StoreUint<4>(bytes, kHeaderBytesAt, bytes.size());
  StoreUint<8>(bytes, kBeganAt, header.began_ns);
  StoreUint<8>(bytes, kPageBytesAt, header.page_bytes);
  StoreUint<8>(bytes, kPagesAt, header.pages);
  StoreUint<8>(bytes, kPackBytesAt, header.pack_bytes);
  StoreUint<8>(bytes, kGenerationAt, header.generation);
  StoreUint<8>(bytes, kRootSumAt, header.root_sum);
  StoreUint<8>(bytes, kSamplesAt, header.samples);
  StoreUint<8>(bytes, kStoredBytesAt, header.stored_bytes);
  StoreUint<4>(bytes, kPageSlotsAt, header.page_slots);
  StoreUint<4>(bytes, kSlabsAt, header.slabs);
  StoreUint<1>(bytes, kPolicyAt, static_cast<uint8_t>(header.policy));
  StoreUint<1>(bytes, kAdmissionAt, static_cast<uint8_t>(header.admission));
  StoreUint<1>(bytes, kPushAt, static_cast<uint8_t>(header.push));
  StoreUint<1>(bytes, kFlagsAt, (header.readahead ? kReadaheadFlag : 0) | (header.readers_keep ? kReadersKeepFlag : 0));
  StoreUint<4>(bytes, kPathBytesAt, path.size());
  std::ranges::copy(AsBytes(path), bytes.begin() + kPathAt);
  const size_t sum_at = bytes.size() - kSumBytes;
  StoreUint<8>(bytes, sum_at, Xxh3(std::span(bytes).first(sum_at)));
  return bytes;
}

void AppendTraceRecords(std::span<const TraceRecord> records, std::vector<std::byte>& bytes) {
  assert(records.size() <= kMostChunkRecords);
  const size_t at = BeginChunk(TraceChunk::kRecords, records.size() * kTraceRecordBytes, bytes);
  for (size_t i = 0; i < records.size(); ++i)
    EncodeRecord(records[i], std::span(bytes).subspan(at + i * kTraceRecordBytes, kTraceRecordBytes));
  EndChunk(at, bytes);
}

void AppendTraceLost(uint64_t records, std::vector<std::byte>& bytes) {
  const size_t at = BeginChunk(TraceChunk::kLost, 8, bytes);
  StoreUint<8>(std::span(bytes).subspan(at), 0, records);
  EndChunk(at, bytes);
}

void AppendTraceStats(TraceChunk kind, std::string_view stats, std::vector<std::byte>& bytes) {
  const size_t at = BeginChunk(kind, stats.size(), bytes);
  std::ranges::copy(AsBytes(stats), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  EndChunk(at, bytes);
}

Result<size_t> CountWholeTraceBytes(std::span<const std::byte> bytes, bool& has_header) {
  size_t whole = 0;
  while (true) {
    const auto rest = bytes.subspan(whole);
    if (rest.size() < kTraceChunkHeadBytes) return whole;
    const size_t next_bytes =
        has_header ? kTraceChunkHeadBytes + LoadUint<4>(rest, 4) : LoadUint<4>(rest, kHeaderBytesAt);
    const size_t most_bytes = has_header ? kTraceChunkHeadBytes + kMostTraceChunkBytes : kMostTraceHeaderBytes;
    if (next_bytes < kTraceChunkHeadBytes || next_bytes > most_bytes)
      return Corrupt("trace: a part of {} bytes", next_bytes);
    if (rest.size() < next_bytes) return whole;
    whole += next_bytes;
    has_header = true;
  }
}

Result<void> TraceDecoder::Feed(std::span<const std::byte> bytes) {
  rest_.insert(rest_.end(), bytes.begin(), bytes.end());
  size_t taken = 0;
  Result<void> fed;
  while (true) {
    const auto rest = std::span(std::as_const(rest_)).subspan(taken);
    const auto used = has_header_ ? TakeChunk(rest) : TakeHeader(rest);
    if (!used) fed = std::unexpected(used.error());
    if (!used || *used == 0) break;
    taken += *used;
  }
  rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(taken));
  return fed;
}

// The bytes that were used; 0 where more must come.
Result<size_t> TraceDecoder::TakeHeader(std::span<const std::byte> bytes) {
  const size_t magic_bytes = std::min(bytes.size(), kMagic.size());
  if (AsText(bytes.first(magic_bytes)) != kMagic.substr(0, magic_bytes)) return Corrupt("this is no trace of Quire");
  if (bytes.size() < kPathAt) return size_t{0};
  if (const auto major = LoadUint<2>(bytes, kMajorAt); major < kLeastMajor || major > kMajor)
    return Unsupported("trace: format {}, this release reads {} to {}", major, kLeastMajor, kMajor);
  const auto header_bytes = LoadUint<4>(bytes, kHeaderBytesAt);
  if (header_bytes < kPathAt + kSumBytes || header_bytes > kMostTraceHeaderBytes)
    return Corrupt("trace: header of {} bytes", header_bytes);
  if (bytes.size() < header_bytes) return size_t{0};
  const auto header = bytes.first(header_bytes);
  const size_t sum_at = header_bytes - kSumBytes;
  if (LoadUint<8>(header, sum_at) != Xxh3(header.first(sum_at))) return Corrupt("trace: header: checksum mismatch");
  const auto path_bytes = LoadUint<4>(header, kPathBytesAt);
  if (path_bytes > kMostPathBytes || path_bytes > sum_at - kPathAt)
    return Corrupt("trace: header: a path of {} bytes", path_bytes);
  const auto policy = DecodeChoice(header, kPolicyAt, kPolicyNames, "policy");
  if (!policy) return std::unexpected(policy.error());
  const auto admission = DecodeChoice(header, kAdmissionAt, kAdmissionNames, "admission");
  if (!admission) return std::unexpected(admission.error());
  const auto push = DecodeChoice(header, kPushAt, kPushNames, "push");
  if (!push) return std::unexpected(push.error());
  const auto flags = LoadUint<1>(header, kFlagsAt);
  header_ = {.minor = static_cast<uint16_t>(LoadUint<2>(header, kMinorAt)),
             .began_ns = LoadUint<8>(header, kBeganAt),
             .page_bytes = LoadUint<8>(header, kPageBytesAt),
             .pages = LoadUint<8>(header, kPagesAt),
             .pack_bytes = LoadUint<8>(header, kPackBytesAt),
             .generation = LoadUint<8>(header, kGenerationAt),
             .root_sum = LoadUint<8>(header, kRootSumAt),
             .samples = LoadUint<8>(header, kSamplesAt),
             .stored_bytes = LoadUint<8>(header, kStoredBytesAt),
             .page_slots = static_cast<uint32_t>(LoadUint<4>(header, kPageSlotsAt)),
             .slabs = static_cast<uint32_t>(LoadUint<4>(header, kSlabsAt)),
             .policy = *policy,
             .admission = *admission,
             .push = *push,
             .readahead = (flags & kReadaheadFlag) != 0,
             .readers_keep = (flags & kReadersKeepFlag) != 0,
             .pack_path = std::string(AsText(header.subspan(kPathAt, path_bytes)))};
  if (header_.page_bytes != kPageBytes)
    return Unsupported("trace: pages of {} bytes, this release has {}", header_.page_bytes, kPageBytes);
  if (header_.pages > kMostPages) return Corrupt("trace: header: {} pages", header_.pages);
  if (header_.page_slots > kMostSlots || header_.slabs > kMostSlots)
    return Corrupt("trace: header: {} slots and {} slabs", header_.page_slots, header_.slabs);
  has_header_ = true;
  return header_bytes;
}

Result<size_t> TraceDecoder::TakeChunk(std::span<const std::byte> bytes) {
  if (bytes.size() < kTraceChunkHeadBytes) return size_t{0};
  const auto kind = static_cast<uint32_t>(LoadUint<4>(bytes, 0));
  const auto payload_bytes = LoadUint<4>(bytes, 4);
  if (payload_bytes > kMostTraceChunkBytes) return Corrupt("trace: chunk {}: {} bytes", chunks_, payload_bytes);
  if (bytes.size() < kTraceChunkHeadBytes + payload_bytes) return size_t{0};
  const auto head = bytes.first(kTraceChunkHeadBytes);
  const auto payload = bytes.subspan(kTraceChunkHeadBytes, payload_bytes);
  if (LoadUint<8>(head, 8) != SumOf(head, payload)) return Corrupt("trace: chunk {}: checksum mismatch", chunks_);
  if (auto taken = TakePayload(kind, payload); !taken) return Propagate(std::move(taken));
  ++chunks_;
  return kTraceChunkHeadBytes + payload_bytes;
}

Result<void> TraceDecoder::TakePayload(uint32_t kind, std::span<const std::byte> payload) {
  switch (static_cast<TraceChunk>(kind)) {
    case TraceChunk::kRecords: {
      if (payload.size() % kTraceRecordBytes != 0)
        return Corrupt("trace: chunk {}: {} bytes are no whole records", chunks_, payload.size());
      for (; !payload.empty(); payload = payload.subspan(kTraceRecordBytes)) {
        const auto record = DecodeRecord(payload.first(kTraceRecordBytes));
        if (!record) return std::unexpected(record.error());
        header_.pages = std::max(header_.pages, record->place / kPageBytes + 1);  // it may have grown meanwhile
        records_.push_back(*record);
      }
      return {};
    }
    case TraceChunk::kLost: {
      if (payload.size() != 8) return Corrupt("trace: chunk {}: lost records in {} bytes", chunks_, payload.size());
      const uint64_t more = LoadUint<8>(payload, 0);
      lost_ += std::min(more, ~uint64_t{0} - lost_);
      return {};
    }
    case TraceChunk::kStatsBegin:
      stats_at_begin_ = AsText(payload);
      return {};
    case TraceChunk::kStatsEnd:
      stats_at_end_ = AsText(payload);
      return {};
  }
  return {};  // of a later minor version
}

}  // namespace quire
