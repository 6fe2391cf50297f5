// SPDX-License-Identifier: Apache-2.0
// Goal: keys are renewed before they expire, and when a server takes them no longer that it took before; and no request
// waits for that.
#include "cache/remote/s3_signer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <semaphore>
#include <string>
#include <thread>

namespace quire {
namespace {

using std::chrono::system_clock;

// Tells keys "1", "2" ... of a life of `life`.
class Keys {
 public:
  explicit Keys(std::optional<system_clock::duration> life) : life_(life) {}

  S3Signer::Options Options() {
    return {.region = "here",
            .find_keys = [this]() -> Result<std::optional<AwsCredentials>> {
              if (is_held_) may_tell_.acquire();
              const int number = ++told_;
              if (is_out_) return SystemError(EIO, "out");
              AwsCredentials keys;
              keys.access_key = std::to_string(number);
              keys.secret_key = "s";
              keys.session_token = "t";
              if (life_) keys.expiration = system_clock::now() + *life_;
              keys.can_change = true;
              return keys;
            },
            .is_stopped = std::make_shared<std::atomic<bool>>(false)};
  }
  void Hold() { is_held_ = true; }
  void LetGo() {
    is_held_ = false;
    may_tell_.release();
  }
  [[nodiscard]] int told() const { return told_; }

  std::atomic<bool> is_out_ = false;

 private:
  const std::optional<system_clock::duration> life_;
  std::atomic<bool> is_held_ = false;
  std::binary_semaphore may_tell_{0};
  std::atomic<int> told_ = 0;
};

HttpAnswer Answer(int status) {
  HttpAnswer answer;
  answer.TakeLine(fmt::format("HTTP/1.1 {} x", status));
  answer.TakeLine("");
  return answer;
}

HttpOutcome OutcomeOf(S3Signer& signer, const std::string& code) {
  const HttpVerdict final{.outcome = HttpOutcome::kFinal, .reason = "no"};
  return signer.Explain(Answer(403), "<Code>" + code + "</Code>", final).outcome;
}

// What comes of the signer's own thread.
bool Comes(auto condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return condition();
}

TEST(S3Signer, SignsForTheRegionWithTheToken) {
  Keys keys(std::nullopt);
  const auto signer = S3Signer::Create(keys.Options());
  ASSERT_TRUE(signer);
  const RequestSignature signature = (*signer)->Sign();
  EXPECT_EQ(signature.scheme, "aws:amz:here:s3");
  EXPECT_EQ(signature.user, "1");
  EXPECT_EQ(signature.password, "s");
  EXPECT_EQ(signature.header_lines,
            (std::vector<std::string>{"x-amz-content-sha256: UNSIGNED-PAYLOAD", "x-amz-security-token: t"}));
}

TEST(S3Signer, SignsNothingWithoutKeys) {
  const auto anonymous = S3Signer::Create({.region = "here", .find_keys = {}, .is_stopped = {}});
  ASSERT_TRUE(anonymous);
  EXPECT_EQ((*anonymous)->Sign().scheme, "");
  EXPECT_TRUE((*anonymous)->Sign().header_lines.empty());
}

TEST(S3Signer, RenewsBeforeTheEndAndNobodyWaits) {
  Keys keys(std::chrono::minutes(4));  // longer than this test takes to see their second half
  auto options = keys.Options();
  const auto find = options.find_keys;
  bool is_first = true;
  options.find_keys = [&]() {
    auto found = find();
    if (std::exchange(is_first, false)) (*found)->expiration = system_clock::now() - std::chrono::seconds(1);
    return found;
  };
  const auto signer = S3Signer::Create(std::move(options));
  ASSERT_TRUE(signer);
  keys.Hold();
  EXPECT_EQ((*signer)->Sign().user, "1") << "the service keeps silent";
  keys.LetGo();
  EXPECT_TRUE(Comes([&] { return (*signer)->Sign().user == "2"; }));
  EXPECT_EQ((*signer)->Sign().user, "2") << "these are good for minutes";
  EXPECT_EQ(keys.told(), 2);
}

TEST(S3Signer, LooksAgainForKeysThatAreTakenNoLonger) {
  Keys keys(std::nullopt);
  const auto signer = S3Signer::Create(keys.Options());
  ASSERT_TRUE(signer);
  EXPECT_EQ(OutcomeOf(**signer, "ExpiredToken"), HttpOutcome::kFinal) << "they never were";
  EXPECT_EQ(keys.told(), 1);
  EXPECT_EQ((*signer)->Explain(Answer(206), "", {}).outcome, HttpOutcome::kGood);
  EXPECT_EQ(OutcomeOf(**signer, "AccessDenied"), HttpOutcome::kFinal) << "other keys do not help";
  keys.is_out_ = true;
  EXPECT_EQ(OutcomeOf(**signer, "InvalidAccessKeyId"), HttpOutcome::kTransient);
  EXPECT_TRUE(Comes([&] { return keys.told() == 2; }));
  keys.is_out_ = false;
  EXPECT_TRUE(Comes([&] { return (*signer)->Sign().user == "3"; })) << "it goes on asking";
}

}  // namespace
}  // namespace quire
