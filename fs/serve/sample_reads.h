// SPDX-License-Identifier: Apache-2.0
// Reads of samples. One whose bytes are in memory is answered at once. Another one parks, and a thread of the volume
// source answers it once they are there; where it came by io_uring its own thread waits and answers (transport.h). No
// lock is held while answering, and what an answer was made of is let go of as soon as it is written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cache/sample_reader.h"
#include "format/pack/index.h"
#include "fs/feed/kernel_feed.h"
#include "fs/libfuse.h"
#include "fs/serve/parked_reads.h"
#include "fs/serve/read_waits.h"
#include "fs/serve/replies.h"
#include "fs/trace/read_trace.h"
#include "fs/trace/read_watch.h"

namespace quire {

class SampleReads {
 public:
  // All must outlive it.
  SampleReads(SampleReader& samples, KernelFeed& feed, ReadTrace& trace, ReadWatch& watch, Refusals& refusals,
              ReadWaits& waits)
      : samples_(samples), feed_(feed), trace_(trace), watch_(watch), refusals_(refusals), waits_(waits) {}

  // Where the requests come from: once it has ended, nobody waits for bytes any more. REQUIRES: no read has come yet;
  // `session` lives until Drain.
  void Attach(fuse_session* session) { session_ = session; }

  // Answers the request with bytes [offset, offset + bytes) of `node`, a sample, whose number is `number`.
  void Answer(fuse_req_t request, fuse_ino_t inode, NodeNumber number, const Node& node, uint64_t offset, size_t bytes);

  [[nodiscard]] size_t parked() const { return parked_.count(); }

  // Returns once every parked read was answered and the reader is at rest. REQUIRES: no request comes any more, and
  // fuse_session_destroy, which frees what parked requests are made of, comes later.
  void Drain();

 private:
  // Waits for the bytes of a read that came by io_uring, and answers it.
  void AwaitAndAnswer(fuse_req_t request, WaitedRead& read, ReadHandover& handover);
  // Answers a read that waited, and counts where its time went.
  void AnswerWaited(fuse_req_t request, WaitedRead& read, const Result<SampleBytes>& result);
  void AnswerWith(fuse_req_t request, fuse_ino_t inode, const Result<SampleBytes>& result);
  // Records what was answered at once, or what has come of a read that waits.
  void RecordHits(NodeNumber number, const Node& node, uint64_t offset, size_t bytes, uint64_t began_ns,
                  uint32_t process) const;
  static void RecordPiece(SampleRead& read, const ReadPiece& piece);
  // Answers the read, or hands its bytes to the thread that must, and gives its memory back.
  void Finish(ParkedRead& parked, Result<SampleBytes> result) noexcept;

  SampleReader& samples_;
  KernelFeed& feed_;
  ReadTrace& trace_;
  ReadWatch& watch_;
  Refusals& refusals_;
  ReadWaits& waits_;
  fuse_session* session_ = nullptr;
  ParkedReads parked_;
};

}  // namespace quire
