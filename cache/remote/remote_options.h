// SPDX-License-Identifier: Apache-2.0
// How objects far away are asked for, as plain values.
#pragma once

#include <atomic>
#include <climits>
#include <string>

namespace quire {

struct RemoteOptions {
  std::string ca_file;          // certificates that are trusted, in place of the system's; empty: those
  std::string header_file;      // lines "Name: value" that are sent along with each request; empty: none
  std::string profile;          // of s3://: the one of ~/.aws; empty: that of AWS_PROFILE, or "default"
  bool is_anonymous = false;    // of s3://: requests are not signed
  bool requester_pays = false;  // of s3://: not the bucket's owner
  unsigned retry_s = 60;        // how long a request that fails is repeated
  static constexpr unsigned kRetryForEver = UINT_MAX;

  const std::atomic<bool>* interrupted = nullptr;  // once it is set, what waits for a server ends with an error

  bool operator==(const RemoteOptions&) const = default;
};

}  // namespace quire
