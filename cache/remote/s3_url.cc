// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/s3_url.h"

#include <algorithm>

#include "format/escaping.h"

namespace quire {
namespace {

constexpr std::string_view kScheme = "s3://";
constexpr size_t kLeastBucketBytes = 3;
constexpr size_t kMostBucketBytes = 255;  // of old buckets; new ones have at most 63
constexpr size_t kMostLabelBytes = 63;    // of a name of the DNS (RFC 1035, 2.3.4)
constexpr size_t kMostKeyBytes = 1024;

bool IsDigit(char byte) { return byte >= '0' && byte <= '9'; }
bool IsSmallLetter(char byte) { return byte >= 'a' && byte <= 'z'; }
bool IsLetterOrDigit(char byte) { return IsDigit(byte) || IsSmallLetter(byte) || (byte >= 'A' && byte <= 'Z'); }

// Whether a certificate of *.HOST is good for it, and a server's name can begin with it.
bool IsHostLabel(std::string_view bucket) {
  return bucket.size() <= kMostLabelBytes && bucket.front() != '-' && bucket.back() != '-' &&
         std::ranges::all_of(bucket, [](char byte) { return IsDigit(byte) || IsSmallLetter(byte) || byte == '-'; });
}

std::string EncodePath(std::string_view path) {
  static constexpr std::string_view kUnreserved = "-._~/";  // RFC 3986, 2.3, and the separator
  std::string encoded;
  for (const char byte : path) {
    if (IsLetterOrDigit(byte) || kUnreserved.contains(byte))
      encoded += byte;
    else
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(byte));
  }
  return encoded;
}

}  // namespace

bool IsS3Url(std::string_view text) {
  return text.size() >= kScheme.size() && (text.front() | 0x20) == 's' &&
         text.substr(1, kScheme.size() - 1) == kScheme.substr(1);
}

Result<S3Url> ParseS3Url(std::string_view text) {
  const std::string_view path = text.substr(kScheme.size());
  const size_t slash = path.find('/');
  S3Url url{.bucket = std::string(path.substr(0, slash)), .key = {}};
  const bool is_name = std::ranges::all_of(
      url.bucket, [](char byte) { return IsLetterOrDigit(byte) || byte == '.' || byte == '_' || byte == '-'; });
  if (!is_name || url.bucket.size() < kLeastBucketBytes || url.bucket.size() > kMostBucketBytes)
    return Invalid("'{}': '{}' is no name of a bucket, which has {} to {} letters, digits, dots and '-'",
                   EscapeName(text), EscapeName(url.bucket), kLeastBucketBytes, kMostBucketBytes);
  if (slash != std::string_view::npos) url.key = path.substr(slash + 1);
  if (url.key.empty() || url.key.size() > kMostKeyBytes)
    return Invalid("'{}': give s3://BUCKET/KEY, with a key of 1 to {} bytes", EscapeName(text), kMostKeyBytes);
  return url;
}

Result<std::string> HttpUrlOf(const S3Url& url, const S3Place& place) {
  const bool is_region = !place.region.empty() && std::ranges::all_of(place.region, [](char byte) {
    return IsLetterOrDigit(byte) || byte == '-' || byte == '_';
  });
  if (!is_region)
    return Invalid("region '{}': a region has letters, digits and '-', such as eu-west-1", EscapeName(place.region));
  const bool is_amazon = place.endpoint.empty();
  const bool is_china = place.region.starts_with("cn-");
  const std::string endpoint =
      is_amazon ? fmt::format("https://s3.{}.{}", place.region, is_china ? "amazonaws.com.cn" : "amazonaws.com")
                : place.endpoint.substr(0, place.endpoint.find_last_not_of('/') + 1);
  const size_t scheme_end = endpoint.find("://");
  const bool is_web =
      scheme_end != std::string::npos && (endpoint.starts_with("http:") || endpoint.starts_with("https:"));
  if (!is_web || endpoint.find_first_of("?#@") != std::string::npos)
    return Invalid(
        "endpoint of S3: it is no http://HOST[:PORT][/PATH] or https://... without a user and a query; see "
        "AWS_ENDPOINT_URL and endpoint_url");
  const bool is_virtual = place.addressing == S3Addressing::kVirtual ||
                          (place.addressing == S3Addressing::kAuto && is_amazon && IsHostLabel(url.bucket));
  const std::string key = EncodePath(url.key);
  if (!is_virtual) return fmt::format("{}/{}/{}", endpoint, url.bucket, key);
  const size_t host = scheme_end + 3;
  return fmt::format("{}{}.{}/{}", endpoint.substr(0, host), url.bucket, endpoint.substr(host), key);
}

}  // namespace quire
