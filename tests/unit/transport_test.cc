// SPDX-License-Identifier: Apache-2.0
// Goal: io_uring carries requests only where it can and pays, and whoever asks for it hears what is in the way.
#include "fs/serve/transport.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace quire {
namespace {

constexpr TransportOffer kEverything = {LibfuseUring::kReady, KernelUring::kReady};
constexpr uint64_t kSmallBytes = 3000;
constexpr uint64_t kLargeBytes = 10 << 20;

TransportChoice Chosen(Transport asked, const TransportOffer& offer, uint64_t mean_sample_bytes) {
  auto choice = ChooseTransport(asked, offer, mean_sample_bytes);
  EXPECT_TRUE(choice.has_value()) << choice.error().message;
  return std::move(choice).value_or(TransportChoice());
}

// Every way to lack something, with what its message must say.
std::vector<std::pair<TransportOffer, std::string>> Lacking() {
  return {
      {{LibfuseUring::kUnknown, KernelUring::kReady}, "libfuse 3.18"},
      {{LibfuseUring::kLeftOut, KernelUring::kReady}, "-Denable-io-uring=true"},
      {{LibfuseUring::kReady, KernelUring::kUnknown}, "Linux 6.14"},
      {{LibfuseUring::kReady, KernelUring::kOff}, "echo Y > /sys/module/fuse/parameters/enable_uring"},
      {{LibfuseUring::kReady, KernelUring::kRefused}, "kernel.io_uring_disabled"},
  };
}

TEST(Transport, DevIsTakenWhateverThereIs) {
  EXPECT_FALSE(Chosen(Transport::kDev, kEverything, kSmallBytes).uring);
  for (const auto& [offer, remedy] : Lacking()) EXPECT_FALSE(Chosen(Transport::kDev, offer, kSmallBytes).uring);
}

TEST(Transport, UringIsTakenWhateverTheSamples) {
  EXPECT_TRUE(Chosen(Transport::kUring, kEverything, kSmallBytes).uring);
  EXPECT_TRUE(Chosen(Transport::kUring, kEverything, kLargeBytes).uring);
}

TEST(Transport, UringThatCannotBeHadIsAnErrorWithItsRemedy) {
  for (const auto& [offer, remedy] : Lacking()) {
    const auto refused = ChooseTransport(Transport::kUring, offer, kSmallBytes);
    ASSERT_FALSE(refused.has_value()) << remedy;
    EXPECT_EQ(refused.error().code, ErrorCode::kSystem);
    EXPECT_TRUE(refused.error().message.starts_with("option 'transport=uring': ")) << refused.error().message;
    EXPECT_TRUE(refused.error().message.contains(remedy)) << refused.error().message;
  }
}

TEST(Transport, AutoTakesUringForSmallSamplesOnly) {
  EXPECT_TRUE(Chosen(Transport::kAuto, kEverything, 0).uring);
  EXPECT_TRUE(Chosen(Transport::kAuto, kEverything, kSmallBytes).uring);
  EXPECT_FALSE(Chosen(Transport::kAuto, kEverything, kLargeBytes).uring);
}

TEST(Transport, AutoSaysWhyItDoesWithoutUring) {
  for (const auto& [offer, remedy] : Lacking()) {
    const TransportChoice choice = Chosen(Transport::kAuto, offer, kSmallBytes);
    EXPECT_FALSE(choice.uring);
    EXPECT_TRUE(choice.Describe().starts_with("/dev/fuse (no io_uring: ")) << choice.Describe();
    EXPECT_TRUE(choice.Describe().contains(remedy)) << choice.Describe();
  }
}

TEST(Transport, ProbesAgreeWithTheChoice) {
  EXPECT_EQ(ChooseTransport(Transport::kUring, ProbeTransports(), kSmallBytes).has_value(),
            Chosen(Transport::kAuto, ProbeTransports(), kSmallBytes).uring);
}

}  // namespace
}  // namespace quire
