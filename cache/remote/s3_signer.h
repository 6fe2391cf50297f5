// SPDX-License-Identifier: Apache-2.0
// Signs requests for objects of S3 by keys that it gets anew when they expire, and says what the server's faults mean.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cache/background_thread.h"
#include "cache/remote/aws_credentials.h"
#include "cache/remote/request_signer.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

class S3Signer final : public RequestSigner {
 public:
  using FindKeys = std::function<Result<std::optional<AwsCredentials>>()>;
  struct Options {
    std::string region;
    bool requester_pays = false;
    // Looks for keys; empty: the requests are nobody's. Called by Create, and later by a thread of the signer's. Where
    // it waits, it returns soon after `*is_stopped` is set.
    FindKeys find_keys;
    std::shared_ptr<std::atomic<bool>> is_stopped;
  };
  // Errors as of `find_keys`. What the signer's thread may do is what the calling one may.
  static Result<std::unique_ptr<S3Signer>> Create(Options options);
  ~S3Signer() override;

  RequestSignature Sign() override;
  // Keys that the server took before and takes no longer are looked for anew, and the request is to be repeated.
  HttpVerdict Explain(const HttpAnswer& answer, std::string_view text, HttpVerdict verdict) override;

 private:
  using Clock = std::chrono::system_clock;  // the time of expirations

  explicit S3Signer(Options options) : options_(std::move(options)) {}
  void Use(std::optional<AwsCredentials> keys) QUIRE_EXCLUDES(mutex_);
  void Work(const std::stop_token& stop);
  [[nodiscard]] bool LookAgain();  // whether it found keys

  const Options options_;
  Mutex mutex_;
  std::optional<AwsCredentials> keys_ QUIRE_GUARDED_BY(mutex_);
  std::optional<Clock::time_point> renew_at_ QUIRE_GUARDED_BY(mutex_);
  std::atomic<bool> was_good_ = false;  // the server took what was signed, or what nobody signed
  bool is_failing_ = false;             // of the thread: the log knows
  BackgroundThread renewer_;            // last: it uses all above
};

}  // namespace quire
