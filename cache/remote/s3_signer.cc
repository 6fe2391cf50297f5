// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/s3_signer.h"

#include <algorithm>
#include <utility>

#include "cache/log.h"
#include "cache/remote/s3_answer.h"

namespace quire {
namespace {

// Amazon's services have new keys five minutes before the old ones expire. Keys of a shorter life are renewed in the
// middle of it.
constexpr std::chrono::minutes kAhead(5);
constexpr std::chrono::seconds kFirstPause(1);  // between two looks
constexpr std::chrono::seconds kLongestPause(60);

}  // namespace

Result<std::unique_ptr<S3Signer>> S3Signer::Create(Options options) {
  std::unique_ptr<S3Signer> signer(new S3Signer(std::move(options)));
  if (!signer->options_.find_keys) return signer;
  auto keys = signer->options_.find_keys();
  if (!keys) return Propagate(std::move(keys));
  const bool can_change = *keys && (*keys)->can_change;
  signer->Use(*std::move(keys));
  if (!can_change) return signer;
  S3Signer* const own = signer.get();
  auto started = own->renewer_.Start("quire-s3", [own](const std::stop_token& stop) { own->Work(stop); });
  if (!started) return Propagate(std::move(started));
  return signer;
}

S3Signer::~S3Signer() {
  if (options_.is_stopped) *options_.is_stopped = true;
  renewer_.Stop();
}

void S3Signer::Use(std::optional<AwsCredentials> keys) {
  const MutexLock lock(mutex_);
  keys_ = std::move(keys);
  renew_at_.reset();
  if (!keys_ || !keys_->expiration) return;
  const auto life = *keys_->expiration - Clock::now();
  renew_at_ = *keys_->expiration - std::min<Clock::duration>(kAhead, life / 2);
}

RequestSignature S3Signer::Sign() {
  RequestSignature signature;
  const MutexLock lock(mutex_);
  if (!keys_) return signature;
  if (renew_at_ && Clock::now() >= *renew_at_) renewer_.Wake();
  signature.scheme = fmt::format("aws:amz:{}:s3", options_.region);
  signature.user = keys_->access_key;
  signature.password = keys_->secret_key;
  // Ceph's gateway takes no signature of libcurl's without it; there is no body to sign.
  signature.header_lines.emplace_back("x-amz-content-sha256: UNSIGNED-PAYLOAD");
  if (!keys_->session_token.empty()) signature.header_lines.push_back("x-amz-security-token: " + keys_->session_token);
  if (options_.requester_pays) signature.header_lines.emplace_back("x-amz-request-payer: requester");
  return signature;
}

HttpVerdict S3Signer::Explain(const HttpAnswer& answer, std::string_view text, HttpVerdict verdict) {
  if (verdict.outcome == HttpOutcome::kGood) {
    was_good_ = true;
    return verdict;
  }
  const S3Fault fault = ParseS3Fault(text);
  S3Asker asker{.region = options_.region, .keys = {}, .is_anonymous = !options_.find_keys};
  {
    const MutexLock lock(mutex_);
    if (keys_) asker.keys = keys_->origin;
  }
  verdict = ExplainS3(answer, fault, asker, Clock::now(), std::move(verdict));
  if (verdict.outcome == HttpOutcome::kFinal && IsFaultOfKeys(fault) && was_good_ && renewer_.is_running()) {
    renewer_.Wake();
    verdict.outcome = HttpOutcome::kTransient;
  }
  return verdict;
}

void S3Signer::Work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!renewer_.Sleep(stop)) continue;
    auto pause = kFirstPause;
    while (!stop.stop_requested() && !LookAgain()) {
      renewer_.Pause(stop, pause);
      pause = std::min(2 * pause, kLongestPause);
    }
    // Requests that were signed by the old keys may still fail, and wake it: that is one look a second.
    renewer_.Pause(stop, kFirstPause);
  }
}

bool S3Signer::LookAgain() {
  auto keys = options_.find_keys();
  if (!keys || !*keys) {
    const std::string reason = keys ? "there are none any more" : keys.error().message;
    if (!std::exchange(is_failing_, true)) Log(LogLevel::kWarning, "keys for S3 cannot be renewed: {}", reason);
    return false;
  }
  if (std::exchange(is_failing_, false)) Log(LogLevel::kInfo, "keys for S3 can be renewed again");
  Use(*std::move(keys));
  return true;
}

}  // namespace quire
