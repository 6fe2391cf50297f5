// SPDX-License-Identifier: Apache-2.0
// The bytes of a trace: what a mount's `.quire/trace` gives and `quire trace start` writes. fs/TRACES.md is the
// authority on every byte: where the two differ, this file is wrong.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cache/cache_options.h"
#include "format/result.h"

namespace quire {

// What answered a piece of a read. As the cache counts it: cache_stats.h.
enum class TraceLevel : uint8_t {
  kHit = 0,     // it was in memory
  kJoined = 1,  // it waited for what another read had begun
  kPage = 2,    // its page was read
  kExtent = 3,  // its extent was read alone
  kHole = 4,    // nothing is stored there
  kFailed = 5,  // it could not be read
};
inline constexpr uint8_t kTraceLevels = 6;
inline constexpr std::array<const char*, kTraceLevels> kTraceLevelNames = {"hit",    "joined", "page",
                                                                           "extent", "hole",   "failed"};

// Where the bytes came from that a piece waited for.
enum class TraceSource : uint8_t {
  kNone = 0,    // it waited for none, or the trace is of version 1
  kVolume = 1,  // what is mounted: a disk or a network
  kTier = 2,
  kPeers = 3,  // a neighbour's tier
};
inline constexpr uint8_t kTraceSources = 4;
inline constexpr std::array<const char*, kTraceSources> kTraceSourceNames = {"none", "volume", "tier", "peers"};

// A piece of a read: what one extent, or one hole, gave to one request.
struct TraceRecord {
  uint64_t time_ns = 0;       // when the request came, since the recording began
  uint64_t node = 0;          // of the pack
  uint64_t offset = 0;        // of the piece's first byte, in the sample
  uint64_t place = 0;         // of the extent's first byte, in the volumes of the pack as one row of pages; 0 of a hole
  uint32_t bytes = 0;         // of the piece
  uint32_t extent_bytes = 0;  // 0 of a hole
  uint32_t latency_ns = 0;    // from the request's coming to the piece being there; 2^32 - 1: as much or more
  uint32_t process = 0;       // the thread that asked, as the daemon sees it; 0 where it cannot
  TraceLevel level = TraceLevel::kHit;
  TraceSource source = TraceSource::kNone;
  bool operator==(const TraceRecord&) const = default;
};

struct TraceHeader {
  uint16_t minor = 0;
  uint64_t began_ns = 0;  // since 1970
  uint64_t page_bytes = 0;
  uint64_t pages = 0;  // of all volumes, as far as records or the header tell
  // Which pack: pack.path may have changed since.
  uint64_t pack_bytes = 0;
  uint64_t generation = 0;
  uint64_t root_sum = 0;
  uint64_t samples = 0;
  uint64_t stored_bytes = 0;
  // How it was mounted.
  uint32_t page_slots = 0;  // at most
  uint32_t slabs = 0;
  PolicyKind policy = PolicyKind::kAuto;
  AdmissionMode admission = AdmissionMode::kAuto;
  PushMode push = PushMode::kAuto;
  bool readahead = true;
  bool readers_keep = true;
  std::string pack_path;
  bool operator==(const TraceHeader&) const = default;
};

enum class TraceChunk : uint32_t {
  kRecords = 0x53444352,     // "RCDS"
  kLost = 0x54534f4c,        // "LOST": how many records there was no room for since the last chunk of this kind
  kStatsBegin = 0x42545453,  // "STTB": `.quire/stats` when the recording began
  kStatsEnd = 0x45545453,    // "STTE": and when it ended
};

inline constexpr size_t kTraceRecordBytes = 56;
inline constexpr size_t kTraceChunkHeadBytes = 16;
inline constexpr size_t kMostTraceHeaderBytes = 8192;
inline constexpr size_t kMostTraceChunkBytes = 1 << 20;
// As many records as a chunk may have, so that what a cut takes away is little.
inline constexpr size_t kMostChunkRecords = 1024;

std::vector<std::byte> EncodeTraceHeader(const TraceHeader& header);
// Appends to `bytes`. REQUIRES: at most kMostChunkRecords, times that fit.
void AppendTraceRecords(std::span<const TraceRecord> records, std::vector<std::byte>& bytes);
void AppendTraceLost(uint64_t records, std::vector<std::byte>& bytes);
// REQUIRES: at most kMostTraceChunkBytes.
void AppendTraceStats(TraceChunk kind, std::string_view stats, std::vector<std::byte>& bytes);

// How many of `bytes`, the next of a trace, are whole: a header first, unless `has_header`, which is set then, and
// chunks. For who copies a trace as it comes; nothing is checked but lengths, which are errors where they cannot be.
Result<size_t> CountWholeTraceBytes(std::span<const std::byte> bytes, bool& has_header);

// What takes a trace in, piece by piece. Untrusted bytes: nothing that does not fit its sum or its bounds comes out.
class TraceDecoder {
 public:
  // Takes what comes next of the trace. An error, which is final, is kCorrupt or kUnsupported and names what is wrong;
  // what came before it has been taken in.
  Result<void> Feed(std::span<const std::byte> bytes);

  [[nodiscard]] bool has_header() const { return has_header_; }
  [[nodiscard]] const TraceHeader& header() const { return header_; }  // REQUIRES: has_header()
  // What came since the last call. They are in the order of their answers, not of their times.
  std::vector<TraceRecord> TakeRecords() { return std::exchange(records_, {}); }
  [[nodiscard]] uint64_t lost() const { return lost_; }
  [[nodiscard]] const std::string& stats_at_begin() const { return stats_at_begin_; }
  [[nodiscard]] const std::string& stats_at_end() const { return stats_at_end_; }
  // Bytes at the end that are no whole header or chunk: the trace was cut off.
  [[nodiscard]] size_t rest_bytes() const { return rest_.size(); }

 private:
  Result<size_t> TakeHeader(std::span<const std::byte> bytes);
  Result<size_t> TakeChunk(std::span<const std::byte> bytes);
  Result<void> TakePayload(uint32_t kind, std::span<const std::byte> payload);

  TraceHeader header_;
  bool has_header_ = false;
  uint64_t chunks_ = 0;
  std::vector<TraceRecord> records_;
  uint64_t lost_ = 0;
  std::string stats_at_begin_;
  std::string stats_at_end_;
  std::vector<std::byte> rest_;
};

}  // namespace quire
