// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/s3_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <utility>

#include "format/escaping.h"

namespace quire {
namespace {

constexpr size_t kMostWordBytes = 64;

std::string WordOf(std::string_view text, std::string_view begin, std::string_view end) {
  const size_t at = text.find(begin);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + begin.size());
  const std::string_view word = text.substr(0, text.find(end));
  const bool is_word = word.size() <= kMostWordBytes && word.size() < text.size() &&
                       std::ranges::all_of(
                           word,
                           [](char byte) {
                             return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                                    (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
                           });
  return is_word ? std::string(word) : std::string();
}

// Of RFC 9110, 5.6.7, as servers must send it.
std::optional<std::chrono::system_clock::time_point> ParseDate(const std::string& text) {
  tm parts = {};
  const char* const rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::string TellSkew(const HttpAnswer& answer, std::chrono::system_clock::time_point now) {
  const auto server = ParseDate(answer.date());
  if (!server) return "the clock of this machine is not the server's: set it, as by NTP";
  const auto ahead = std::chrono::duration_cast<std::chrono::seconds>(now - *server);
  return fmt::format("the clock of this machine is {} s {} the server's: set it, as by NTP", std::abs(ahead.count()),
                     ahead.count() < 0 ? "behind" : "ahead of");
}

struct Explanation {
  std::string_view code;
  std::string_view reason;
};
constexpr auto kExplanations = std::to_array<Explanation>({
    {"NoSuchKey", "there is no such key in the bucket: look at it letter by letter, the case included"},
    {"NoSuchBucket", "there is no such bucket: look at its name, and at the endpoint"},
    {"SignatureDoesNotMatch", "the secret key is not the one of the access key, or a proxy changes requests"},
    {"InvalidAccessKeyId", "the server does not know the access key: give its own, or another endpoint"},
    {"ExpiredToken", "the session's keys have expired: get new ones"},
    {"InvalidToken", "the session's token is not one of its keys: get new ones"},
    {"TokenRefreshRequired", "the session's keys have expired: get new ones"},
    {"InvalidObjectState", "the object is archived: restore it first"},
    {"PermanentRedirect", "the bucket is at another endpoint"},
    {"TemporaryRedirect", "the bucket is at another endpoint for now: try again in some minutes"},
    {"AuthorizationHeaderMalformed", "the server does not take signatures of this region"},
    {"AuthorizationQueryParametersError", "the server does not take signatures of this region"},
    {"IllegalLocationConstraintException", "the bucket is at another endpoint"},
});

// The region is what is wrong where another one is named.
std::string TellRegion(std::string_view region, const S3Asker& asker) {
  return fmt::format(
      "the bucket is in the region {}, and was asked for in {}: set AWS_REGION={}, or region in ~/.aws/config", region,
      asker.region, region);
}

std::string TellDenied(const S3Asker& asker) {
  if (!asker.keys.empty()) return fmt::format("the server does not permit it to the keys of {}", asker.keys);
  if (asker.is_anonymous) return "the server does not permit it without keys";
  return "the server does not permit it without keys, and none were found in the environment, in ~/.aws, or by the "
         "service of a "
         "container or a machine";
}

}  // namespace

S3Fault ParseS3Fault(std::string_view text) {
  return {.code = WordOf(text, "<Code>", "</Code>"), .region = WordOf(text, "<Region>", "</Region>")};
}

bool IsFaultOfKeys(const S3Fault& fault) {
  static constexpr std::array<std::string_view, 5> kCodes = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired",
                                                             "InvalidAccessKeyId", "SignatureDoesNotMatch"};
  return std::ranges::find(kCodes, fault.code) != kCodes.end();
}

HttpVerdict ExplainS3(const HttpAnswer& answer, const S3Fault& fault, const S3Asker& asker,
                      std::chrono::system_clock::time_point now, HttpVerdict verdict) {
  if (!answer.is_complete() || answer.status() < 300) return verdict;
  // S3 answers so where the body of a request does not come, and where it is asked too much.
  if (fault.code == "RequestTimeout" || fault.code == "SlowDown") verdict.outcome = HttpOutcome::kTransient;
  if (verdict.outcome != HttpOutcome::kFinal) {
    if (!fault.code.empty()) verdict.reason += fmt::format(" ({})", fault.code);
    return verdict;
  }
  const std::string& region = answer.bucket_region().empty() ? fault.region : answer.bucket_region();
  const auto* const known = std::ranges::find(kExplanations, fault.code, &Explanation::code);
  std::string reason;
  if (!region.empty() && region != asker.region && fault.code != "AccessDenied")
    reason = TellRegion(EscapeName(region), asker);
  else if (fault.code == "AccessDenied" || (fault.code.empty() && answer.status() == 403))
    reason = TellDenied(asker);
  else if (fault.code == "RequestTimeTooSkewed")
    reason = TellSkew(answer, now);
  else if (known != kExplanations.end())
    reason = known->reason;
  else if (answer.status() < 400)
    reason = "the server leads to another address, where signed requests do not go: give that endpoint";
  else
    reason = verdict.reason;
  verdict.reason = reason;
  if (!fault.code.empty()) verdict.reason += fmt::format(" ({})", fault.code);
  return verdict;
}

}  // namespace quire
