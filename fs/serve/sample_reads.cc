// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/sample_reads.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "fs/serve/transport.h"

namespace quire {

void SampleReads::Answer(fuse_req_t request, fuse_ino_t inode, NodeNumber number, const Node& node, uint64_t offset,
                         size_t bytes) {
  feed_.ReadBegun(number, node, offset, bytes);
  SampleBytes ready;
  if (samples_.TryRead(node, offset, bytes, ready)) {
    ReplySamples(request, ready);
    return feed_.ReadAnswered(node);
  }
  const auto handover = CameByUring(request) ? std::make_shared<ReadHandover>() : nullptr;
  ParkedRead& parked = parked_.Take();
  parked.reads = this;
  parked.request = request;
  parked.inode = inode;
  parked.node = node;
  parked.offset = offset;
  parked.bytes = bytes;
  parked.done = [](SampleRead& read, Result<SampleBytes> result) {
    auto& finished = static_cast<ParkedRead&>(read);
    finished.reads->Finish(finished, std::move(result));
  };
  parked.handover = handover;
  samples_.Start(parked);  // which may have answered it by now
  if (handover != nullptr) AwaitAndAnswer(request, inode, *handover);
}

void SampleReads::AwaitAndAnswer(fuse_req_t request, fuse_ino_t inode, ReadHandover& handover) {
  const auto result = handover.Await([this] { return fuse_session_exited(session_) != 0; });
  if (!result) {  // the mount ends, and will not wait for the disk
    fuse_reply_err(request, ENOTCONN);
    return;
  }
  AnswerWith(request, inode, *result);
}

void SampleReads::AnswerWith(fuse_req_t request, fuse_ino_t inode, const Result<SampleBytes>& result) {
  if (!result) return refusals_.Refuse(request, "read", inode, result.error());
  ReplySamples(request, *result);
}

void SampleReads::Finish(ParkedRead& parked, Result<SampleBytes> result) noexcept {
  if (const auto handover = std::move(parked.handover)) {
    handover->Give(std::move(result));
  } else {
    Guard(parked.request, [&] { AnswerWith(parked.request, parked.inode, result); });
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
