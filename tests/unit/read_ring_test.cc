// SPDX-License-Identifier: Apache-2.0
// Goal: a ring of the cache reads, and can be made to do nothing else.
#include "cache/volume/read_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <functional>

#include "format/file.h"

namespace quire {
namespace {

class ReadRing : public testing::Test {
 protected:
  void SetUp() override {
    if (const int error = SetUpReadRing(4, ring_); error < 0) GTEST_SKIP() << "no io_uring here: " << error;
    is_set_up_ = true;
    if ((ring_.flags & IORING_SETUP_R_DISABLED) == 0) GTEST_SKIP() << "a kernel before 5.10";
  }
  void TearDown() override {
    if (is_set_up_) io_uring_queue_exit(&ring_);
  }

  // What the kernel answers.
  int Try(const std::function<void(io_uring_sqe*)>& prepare) {
    prepare(io_uring_get_sqe(&ring_));
    EXPECT_EQ(io_uring_submit_and_wait(&ring_, 1), 1);
    io_uring_cqe* done = nullptr;
    EXPECT_EQ(io_uring_wait_cqe(&ring_, &done), 0);
    const int result = done->res;
    io_uring_cqe_seen(&ring_, done);
    return result;
  }

  io_uring ring_ = {};
  bool is_set_up_ = false;
};

TEST_F(ReadRing, Reads) {
  const auto zeros = File::Open("/dev/zero", O_RDONLY);
  ASSERT_TRUE(zeros);
  std::array<char, 16> bytes = {};
  EXPECT_EQ(Try([&](io_uring_sqe* entry) { io_uring_prep_read(entry, zeros->fd(), bytes.data(), bytes.size(), 0); }),
            16);
}

TEST_F(ReadRing, DoesNothingElse) {
  const auto null = File::Open("/dev/null", O_RDWR);
  ASSERT_TRUE(null);
  using Prepare = std::function<void(io_uring_sqe*)>;
  const auto attempts = std::to_array<Prepare>({
      [](io_uring_sqe* entry) { io_uring_prep_openat(entry, AT_FDCWD, "/etc/passwd", O_RDONLY, 0); },
      [](io_uring_sqe* entry) { io_uring_prep_socket(entry, AF_INET, SOCK_STREAM, 0, 0); },
      [](io_uring_sqe* entry) { io_uring_prep_connect(entry, 0, nullptr, 0); },
      [&](io_uring_sqe* entry) { io_uring_prep_write(entry, null->fd(), "a", 1, 0); },
      [](io_uring_sqe* entry) { io_uring_prep_unlink(entry, "/no such file", 0); },
      [](io_uring_sqe* entry) { io_uring_prep_nop(entry); },
  });
  for (size_t i = 0; i < attempts.size(); ++i) EXPECT_EQ(Try(attempts[i]), -EACCES) << "attempt " << i;
}

TEST_F(ReadRing, TakesNoFurtherRestrictionsAndNoBuffers) {
  std::array<char, 16> bytes = {};
  const iovec buffer = {bytes.data(), bytes.size()};
  EXPECT_EQ(io_uring_register_buffers(&ring_, &buffer, 1), -EACCES);
}

}  // namespace
}  // namespace quire
