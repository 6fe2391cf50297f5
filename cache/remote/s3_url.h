// SPDX-License-Identifier: Apache-2.0
// s3://BUCKET/KEY, and where it lies: the URL by which a server of Amazon S3's protocol is asked for it. No I/O.
#pragma once

#include <string>
#include <string_view>

#include "format/result.h"

namespace quire {

struct S3Url {
  std::string bucket;
  std::string key;  // as it is: '%', '?' and blanks stand for themselves, as for Amazon's tools
};

// Letters of the scheme in either case.
bool IsS3Url(std::string_view text);

// kInvalid where the bucket's name is none (3 to 255 of A-Z a-z 0-9 . _ -) or the key is empty or longer than 1024
// bytes.
Result<S3Url> ParseS3Url(std::string_view text);

enum class S3Addressing : uint8_t {
  kAuto,     // by name at Amazon where the bucket's name is one of the DNS, else by path
  kVirtual,  // https://BUCKET.HOST/KEY
  kPath,     // https://HOST/BUCKET/KEY
};

struct S3Place {
  std::string endpoint;  // http(s)://HOST[:PORT][/PATH]; empty: Amazon's own, of the region
  std::string region;
  S3Addressing addressing = S3Addressing::kAuto;
};

// The URL of the object, whose path is encoded as signatures need it (each byte but letters, digits and "-._~/" as
// %XX): what is sent is then what is signed. kInvalid for an endpoint or a region that is none.
Result<std::string> HttpUrlOf(const S3Url& url, const S3Place& place);

}  // namespace quire
