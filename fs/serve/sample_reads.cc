// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/sample_reads.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <utility>

#include "cache/steady_clock.h"
#include "fs/serve/transport.h"

namespace quire {
namespace {

TraceLevel LevelOf(const ReadPiece& piece) {
  if (piece.is_hole()) return TraceLevel::kHole;
  switch (piece.served_by) {
    case Counter::kJoined:
      return TraceLevel::kJoined;
    case Counter::kFillMisses:
      return TraceLevel::kPage;
    case Counter::kBypasses:
      return TraceLevel::kExtent;
    default:
      return TraceLevel::kHit;
  }
}

TraceSource SourceOf(const ReadPiece& piece) {
  if (piece.brought_by == ReadStage::kTier) return TraceSource::kTier;
  if (piece.brought_by == ReadStage::kPeers) return TraceSource::kPeers;
  return piece.brought_by ? TraceSource::kVolume : TraceSource::kNone;
}

TraceRecord RecordOf(NodeNumber number, const ReadPiece& piece, uint32_t process) {
  return {.node = number,
          .offset = piece.offset,
          .place = piece.place,
          .bytes = static_cast<uint32_t>(piece.bytes),
          .extent_bytes = piece.extent_bytes,
          .process = process,
          .level = LevelOf(piece),
          .source = SourceOf(piece)};
}

WatchedRead WatchedOf(NodeNumber number, const Node& node, uint64_t offset, size_t bytes, uint32_t process) {
  const uint64_t left_bytes = node.size_bytes - std::min(node.size_bytes, offset);
  return {.node = number,
          .process = process,
          .bytes = static_cast<uint32_t>(std::min<uint64_t>({left_bytes, bytes, std::numeric_limits<int32_t>::max()})),
          .is_first = offset == 0};
}

}  // namespace

void SampleReads::Answer(fuse_req_t request, fuse_ino_t inode, NodeNumber number, const Node& node, uint64_t offset,
                         size_t bytes) {
  const bool is_recorded = trace_.is_on();
  const bool is_watched = watch_.is_on();
  const bool is_timed = is_recorded || is_watched;
  const uint64_t began_ns = is_timed ? NowNs() : 0;
  const auto process = is_timed ? static_cast<uint32_t>(fuse_req_ctx(request)->pid) : 0;
  feed_.ReadBegun(number, node, offset, bytes);
  SampleBytes ready;
  if (samples_.TryRead(node, offset, bytes, ready)) {
    ReplySamples(request, ready);
    if (is_recorded) [[unlikely]]
      RecordHits(number, node, offset, bytes, began_ns, process);
    if (is_watched) [[unlikely]]
      watch_.CountRead(WatchedOf(number, node, offset, bytes, process), began_ns, NowNs());
    return feed_.ReadAnswered(node);
  }
  // The clock is read for what waits alone.
  WaitedRead waited = {.inode = inode, .offset = offset, .bytes = bytes, .began_ns = NowNs(), .times = {}};
  if (is_watched) waited.watched = WatchedOf(number, node, offset, bytes, process);
  const auto handover = CameByUring(request) ? std::make_shared<ReadHandover>() : nullptr;
  ParkedRead& parked = parked_.Take();
  parked.reads = this;
  parked.request = request;
  parked.inode = inode;
  parked.waits_since_ns = waited.began_ns;
  parked.number = number;
  parked.began_ns = is_recorded ? began_ns : 0;
  parked.process = process;
  parked.is_watched = is_watched;
  parked.piece_came = is_recorded ? RecordPiece : nullptr;
  parked.node = node;
  parked.offset = offset;
  parked.bytes = bytes;
  parked.done = [](SampleRead& read, Result<SampleBytes> result) {
    auto& finished = static_cast<ParkedRead&>(read);
    finished.reads->Finish(finished, std::move(result));
  };
  parked.handover = handover;
  samples_.Start(parked);  // which may have answered it by now
  if (handover != nullptr) AwaitAndAnswer(request, waited, *handover);
}

void SampleReads::RecordHits(NodeNumber number, const Node& node, uint64_t offset, size_t bytes, uint64_t began_ns,
                             uint32_t process) const {
  samples_.ForEachPiece(node, offset, bytes,
                        [&](const ReadPiece& piece) { trace_.Add(RecordOf(number, piece, process), began_ns); });
}

void SampleReads::RecordPiece(SampleRead& read, const ReadPiece& piece) {
  const auto& parked = static_cast<ParkedRead&>(read);
  parked.reads->trace_.Add(RecordOf(parked.number, piece, parked.process), parked.began_ns);
}

void SampleReads::AwaitAndAnswer(fuse_req_t request, WaitedRead& read, ReadHandover& handover) {
  const auto result = handover.Await([this] { return fuse_session_exited(session_) != 0; });
  if (!result) {  // the mount ends, and will not wait for the disk
    fuse_reply_err(request, ENOTCONN);
    return;
  }
  read.times = handover.times;
  AnswerWaited(request, read, *result);
}

void SampleReads::AnswerWaited(fuse_req_t request, WaitedRead& read, const Result<SampleBytes>& result) {
  const uint64_t came_ns = NowNs();
  AnswerWith(request, read.inode, result);
  read.ended_ns = NowNs();
  read.times.Add(ReadStage::kReply, read.ended_ns - came_ns);
  waits_.Count(read);
  if (read.watched) watch_.CountRead(*read.watched, read.began_ns, read.ended_ns);
}

void SampleReads::AnswerWith(fuse_req_t request, fuse_ino_t inode, const Result<SampleBytes>& result) {
  if (!result) return refusals_.Refuse(request, "read", inode, result.error());
  ReplySamples(request, *result);
}

void SampleReads::Finish(ParkedRead& parked, Result<SampleBytes> result) noexcept {
  if (!result && parked.began_ns != 0) [[unlikely]]
    trace_.Add({.node = parked.number,
                .offset = parked.at,
                .bytes = static_cast<uint32_t>(parked.end - parked.at),
                .process = parked.process,
                .level = TraceLevel::kFailed},
               parked.began_ns);
  if (const auto handover = std::move(parked.handover)) {
    handover->times = parked.times;
    handover->Give(std::move(result));
  } else {
    WaitedRead read = {.inode = parked.inode,
                       .offset = parked.offset,
                       .bytes = parked.bytes,
                       .began_ns = parked.waits_since_ns,
                       .times = parked.times};
    if (parked.is_watched)
      read.watched = WatchedOf(parked.number, parked.node, parked.offset, parked.bytes, parked.process);
    Guard(parked.request, [&] { AnswerWaited(parked.request, read, result); });
  }
  result = SampleBytes();  // lets go of its pages: Drain promises that nobody holds any
  parked_.Return(parked);
}

void SampleReads::Drain() {
  samples_.Cancel();
  parked_.WaitUntilNone();
  samples_.Drain();
}

}  // namespace quire
