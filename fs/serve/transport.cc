// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/transport.h"

#include <liburing.h>
#include <pthread.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <string_view>
#include <utility>

namespace quire {
namespace {

constexpr const char* kKernelSwitch = "/sys/module/fuse/parameters/enable_uring";

// A round trip costs less through io_uring, but it copies each answer once more and lets no two threads serve a core.
// Epochs of files that the kernel had to ask for and the cache had, two readers on two cores, Linux 6.18, libfuse
// 3.18.3, medians of 5 to 7 rounds, files/s by /dev/fuse and by io_uring: 3 KB 57,000 and 90,000; 8 KB 68,000 and
// 87,000; 16 KB 45,000 and 38,000; 64 KB 24,000 and 17,000.
constexpr uint64_t kMaxMeanSampleBytes = 8 << 10;

LibfuseUring ProbeLibfuse() {
#ifdef FUSE_CAP_OVER_IO_URING
  // Debian's libfuse 3.18 knows the option and the capability, and has none of the code behind them: then it goes on by
  // /dev/fuse and says so only in passing. This function is the one that tells, of any request that did not come by
  // io_uring, which a request of zeros is: EINVAL, or ENOTSUP where the code is missing.
  alignas(std::max_align_t) std::array<std::byte, 4096> zeros = {};
  char* payload = nullptr;
  size_t bytes = 0;
  const int answer = fuse_req_get_payload(reinterpret_cast<fuse_req_t>(zeros.data()), &payload, &bytes, nullptr);
  return answer == -ENOTSUP ? LibfuseUring::kLeftOut : LibfuseUring::kReady;
#else
  return LibfuseUring::kUnknown;
#endif
}

KernelUring ProbeKernel() {
  std::ifstream file(kKernelSwitch);
  char state = 0;
  if (!(file >> state)) return KernelUring::kUnknown;
  if (state != 'Y' && state != '1') return KernelUring::kOff;
  // As libfuse sets its own up.
  io_uring ring = {};
  if (io_uring_queue_init(1, &ring, IORING_SETUP_SQE128) != 0) return KernelUring::kRefused;
  io_uring_queue_exit(&ring);
  return KernelUring::kReady;
}

// What is in the way and what helps; "" where nothing is.
std::string FindObstacle(const TransportOffer& offer) {
  switch (offer.libfuse) {
    case LibfuseUring::kUnknown:
      return "this quire was built against a libfuse without it; build it against libfuse 3.18 or later";
    case LibfuseUring::kLeftOut:
      return "the libfuse in use was built without it; it needs one built with -Denable-io-uring=true, liburing and "
             "libnuma";
    case LibfuseUring::kReady:
      break;
  }
  switch (offer.kernel) {
    case KernelUring::kUnknown:
      return fmt::format("there is no {}; it needs Linux 6.14 or later", kKernelSwitch);
    case KernelUring::kOff:
      return fmt::format("the kernel's switch is off; run 'echo Y > {}' as root", kKernelSwitch);
    case KernelUring::kRefused:
      return "no ring can be set up; look at the sysctl kernel.io_uring_disabled, and in a container at its filter of "
             "system calls";
    case KernelUring::kReady:
      break;
  }
  return "";
}

}  // namespace

TransportOffer ProbeTransports() { return {.libfuse = ProbeLibfuse(), .kernel = ProbeKernel()}; }

std::string TransportChoice::Describe() const {
  return fmt::format("{} ({})", uring ? "io_uring" : "/dev/fuse", reason);
}

Result<TransportChoice> ChooseTransport(Transport asked, const TransportOffer& offer, uint64_t mean_sample_bytes) {
  if (asked == Transport::kDev) return TransportChoice{.uring = false, .reason = "as asked"};
  const std::string obstacle = FindObstacle(offer);
  if (asked == Transport::kUring) {
    if (!obstacle.empty()) return MakeError(ErrorCode::kSystem, "option 'transport=uring': {}", obstacle);
    return TransportChoice{.uring = true, .reason = "as asked"};
  }
  if (!obstacle.empty()) return TransportChoice{.uring = false, .reason = "no io_uring: " + obstacle};
  const bool is_small = mean_sample_bytes <= kMaxMeanSampleBytes;
  return TransportChoice{.uring = is_small,
                         .reason = fmt::format("samples of {} bytes on average, io_uring pays up to {}",
                                               mean_sample_bytes, kMaxMeanSampleBytes)};
}

TransportChoice SettleTransport(TransportChoice choice, fuse_conn_info& connection) {
#ifdef FUSE_CAP_OVER_IO_URING
  const bool is_offered = (connection.capable & FUSE_CAP_OVER_IO_URING) != 0;
  // The environment of the daemon can switch it on in libfuse as well.
  if (!choice.uring) connection.want &= ~FUSE_CAP_OVER_IO_URING;
#else
  static_cast<void>(connection);
  const bool is_offered = false;
#endif
  if (choice.uring && !is_offered) choice = {.uring = false, .reason = "the kernel does not offer io_uring after all"};
  return choice;
}

bool CameByUring([[maybe_unused]] fuse_req_t request) {
#ifdef FUSE_CAP_OVER_IO_URING
  return fuse_req_is_uring(request);
#else
  return false;
#endif
}

CancellationBlock::CancellationBlock(fuse_req_t request) : is_on_(CameByUring(request)) {
  if (is_on_) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_);
}

CancellationBlock::~CancellationBlock() {
  if (is_on_) pthread_setcancelstate(before_, nullptr);
}

}  // namespace quire
