// SPDX-License-Identifier: Apache-2.0
// How requests come from the kernel and answers go back: by read(2) and writev(2) on /dev/fuse, or through io_uring
// (FUSE-over-io_uring), which needs a libfuse that was built with it, a kernel that knows it, and its switch on.
//
// What io_uring costs, with libfuse 3.18: each core has a queue, and a thread that takes requests from it and must
// answer them itself. libfuse's own replies from other threads race with that thread for the ring's submission queue
// (issue 1443 of libfuse), and memory of requests that are still unanswered when the session ends is freed. So a read
// that is not in memory keeps the queue of its core waiting: fs/serve/read_handover.h.
#pragma once

#include <cstdint>
#include <string>

#include "format/result.h"
#include "fs/libfuse.h"
#include "fs/options/mount_options.h"

namespace quire {

// kUnknown: the one that Quire was built against is older than the feature. kLeftOut: the one in use was built without.
enum class LibfuseUring : uint8_t { kUnknown, kLeftOut, kReady };
// kUnknown: the kernel is older than the feature. kOff: its switch is. kRefused: no ring can be set up, as in
// containers that filter system calls.
enum class KernelUring : uint8_t { kUnknown, kOff, kRefused, kReady };

struct TransportOffer {
  LibfuseUring libfuse = LibfuseUring::kUnknown;
  KernelUring kernel = KernelUring::kUnknown;
};

// Asks libfuse and the kernel. The kernel's answer is reliable once /dev/fuse was opened, which loads its module.
TransportOffer ProbeTransports();

struct TransportChoice {
  bool uring = false;
  std::string reason;

  [[nodiscard]] std::string Describe() const;  // for people: "/dev/fuse (as asked)"
};

// `mean_sample_bytes`: stored bytes a sample of the pack. kSystem where io_uring is asked for and cannot be had; the
// message names cause and remedy.
Result<TransportChoice> ChooseTransport(Transport asked, const TransportOffer& offer, uint64_t mean_sample_bytes);

// For the init operation: makes libfuse keep to the choice. Returns the transport that requests will come by, which is
// /dev/fuse as well where the kernel does not offer io_uring to this connection.
TransportChoice SettleTransport(TransportChoice choice, fuse_conn_info& connection);

// Whether the request must be answered by the thread that it came to.
bool CameByUring(fuse_req_t request);

// While it lives, pthread_cancel does not end this thread. libfuse cancels the threads of its rings when a session ends
// (those of /dev/fuse only where they wait), and unwinding through code that may not throw would end the program.
class CancellationBlock {
 public:
  explicit CancellationBlock(fuse_req_t request);  // does nothing for requests of /dev/fuse
  CancellationBlock(const CancellationBlock&) = delete;
  CancellationBlock& operator=(const CancellationBlock&) = delete;
  ~CancellationBlock();

 private:
  bool is_on_ = false;
  int before_ = 0;
};

}  // namespace quire
