// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/read_ring.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace quire {
namespace {

// From the best down; kernels older than 6.1, 5.19 and 5.10 know not all of them and answer EINVAL. A ring that is set
// up disabled takes restrictions; where io_uring_register(2) is refused, as by a filter of system calls, it cannot be
// enabled.
constexpr std::array kSetupFlags = {
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN,
    IORING_SETUP_R_DISABLED,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_COOP_TASKRUN,
    0U,
};

io_uring_restriction Allow(uint16_t kind, uint8_t value) {
  io_uring_restriction restriction = {};
  restriction.opcode = kind;
  restriction.sqe_op = value;  // in a union with the others, all of one byte
  return restriction;
}

// liburing 2.3 (Debian 12) declares calls for this, and its shared library has none.
int Register(const io_uring& ring, unsigned operation, void* argument, size_t count) {
  const long result = syscall(SYS_io_uring_register, ring.ring_fd, operation, argument, count);
  return result < 0 ? -errno : 0;
}

int Restrict(io_uring& ring) {
  std::array allowed = {
      Allow(IORING_RESTRICTION_SQE_OP, IORING_OP_READ),
      Allow(IORING_RESTRICTION_SQE_OP, IORING_OP_TIMEOUT),
      Allow(IORING_RESTRICTION_SQE_FLAGS_ALLOWED, IOSQE_FIXED_FILE),
      Allow(IORING_RESTRICTION_REGISTER_OP, IORING_REGISTER_FILES),
      Allow(IORING_RESTRICTION_REGISTER_OP, IORING_UNREGISTER_FILES),
  };
  if (const int error = Register(ring, IORING_REGISTER_RESTRICTIONS, allowed.data(), allowed.size()); error < 0)
    return error;
  return Register(ring, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

}  // namespace

int SetUpReadRing(unsigned entries, io_uring& ring) {
  for (const unsigned flags : kSetupFlags) {
    const int error = io_uring_queue_init(entries, &ring, flags);
    if (error == -EINVAL) continue;
    if (error < 0 || (flags & IORING_SETUP_R_DISABLED) == 0) return error;
    if (Restrict(ring) == 0) return 0;
    io_uring_queue_exit(&ring);
  }
  return -EINVAL;
}

}  // namespace quire
