// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/http_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "format/escaping.h"

namespace quire {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
// Texts of a server that are kept or told; a longer one is none that can be compared or read.
constexpr size_t kMostTextBytes = 1024;

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

bool IsName(std::string_view name, std::string_view lower_case) {
  return std::ranges::equal(name, lower_case, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

template <typename Number>
std::optional<Number> TakeNumber(std::string_view& text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.begin()));
  return number;
}

bool TakeText(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

// "bytes 0-499/1234" (RFC 9110, 14.4). One that does not tell the size of all is of no use.
std::optional<HttpAnswer::Range> ParseContentRange(std::string_view text) {
  if (!TakeText(text, "bytes ")) return std::nullopt;
  const auto first = TakeNumber<uint64_t>(text);
  if (!first || !TakeText(text, "-")) return std::nullopt;
  const auto last = TakeNumber<uint64_t>(text);
  if (!last || !TakeText(text, "/")) return std::nullopt;
  const auto size_bytes = TakeNumber<uint64_t>(text);
  if (!size_bytes || !text.empty() || *first > *last || *last >= *size_bytes) return std::nullopt;
  return HttpAnswer::Range{.first = *first, .last = *last, .size_bytes = *size_bytes};
}

HttpVerdict Final(std::string reason) { return {.outcome = HttpOutcome::kFinal, .reason = std::move(reason)}; }
HttpVerdict Transient(std::string reason) { return {.outcome = HttpOutcome::kTransient, .reason = std::move(reason)}; }
HttpVerdict Changed(std::string reason) { return {.outcome = HttpOutcome::kChanged, .reason = std::move(reason)}; }

HttpVerdict JudgeStatus(int status, const RangeRequest& request) {
  switch (status) {
    case 206:
      return {};
    case 200:
      return Final("the server sends the whole object in place of a range: it does not serve ranges (status 200)");
    case 401:
      return Final("the server wants a user and a password (status 401): see ~/.netrc");
    case 403:
      return Final("the server does not permit it (status 403)");
    case 404:
    case 410:
      return Final(fmt::format("the server has no such object (status {})", status));
    case 407:
      return Final("the proxy wants a user and a password (status 407)");
    case 412:
      return request.state == nullptr ? Final("the server refuses it (status 412)")
                                      : Changed("the object has changed since it was opened (status 412)");
    case 416:
      return request.state == nullptr ? Final("the object is shorter than a pack (status 416)")
                                      : Changed("the object has become shorter since it was opened (status 416)");
    case 408:  // Request Timeout
    case 425:  // Too Early
    case 429:  // Too Many Requests
      return Transient(fmt::format("the server asks for patience (status {})", status));
    default:
      if (status >= 500 && status != 501 && status != 505)
        return Transient(fmt::format("the server has a fault (status {})", status));
      return Final(fmt::format("the server answers with status {}", status));
  }
}

}  // namespace

void HttpAnswer::TakeLine(std::string_view line) {
  line = Trim(line);
  if (line.empty()) is_complete_ = true;
  if (line.starts_with("HTTP/")) {
    *this = {};
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return;
    line.remove_prefix(blank + 1);
    status_ = TakeNumber<int>(line).value_or(0);
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = Trim(line.substr(colon + 1));
  if (value.size() > kMostTextBytes) return;
  if (IsName(name, "content-range")) range_ = ParseContentRange(value);
  if (IsName(name, "etag")) etag_ = value;
  if (IsName(name, "last-modified")) last_modified_ = value;
  if (IsName(name, "content-encoding")) encoding_ = value;
  if (IsName(name, "date")) date_ = value;
  if (IsName(name, "x-amz-bucket-region")) bucket_region_ = value;
  if (IsName(name, "retry-after"))
    if (const auto seconds = TakeNumber<uint32_t>(value); seconds && value.empty())
      retry_after_ = std::chrono::seconds(*seconds);
}

std::optional<ObjectState> HttpAnswer::state() const {
  if (!range_) return std::nullopt;
  return ObjectState{.size_bytes = range_->size_bytes, .etag = etag_, .last_modified = last_modified_};
}

HttpVerdict Judge(const HttpAnswer& answer, const RangeRequest& request) {
  if (!answer.is_complete()) return Transient("the connection ended within the headers of the answer");
  if (auto verdict = JudgeStatus(answer.status(), request); verdict.outcome != HttpOutcome::kGood) return verdict;
  if (!answer.encoding().empty() && answer.encoding() != "identity")
    return Final(fmt::format("what comes is encoded as '{}', by a proxy perhaps", EscapeName(answer.encoding())));
  if (!answer.range()) return Final("the server does not tell which range it sends (Content-Range)");
  const ObjectState state = *answer.state();
  if (const ObjectState* const expected = request.state) {
    if (state.size_bytes != expected->size_bytes)
      return Changed(fmt::format("the object has {} bytes, and had {} when it was opened", state.size_bytes,
                                 expected->size_bytes));
    // A part of a farm of servers may tell one and not the other; what is told must agree.
    if (!state.etag.empty() && !expected->etag.empty() && state.etag != expected->etag)
      return Changed("the object has another ETag than when it was opened");
    if (!state.last_modified.empty() && !expected->last_modified.empty() &&
        state.last_modified != expected->last_modified && !expected->has_strong_etag())
      return Changed("the object has another time (Last-Modified) than when it was opened");
  }
  const uint64_t end = std::min(request.offset + request.bytes, state.size_bytes);
  if (answer.range()->first != request.offset || answer.range()->last + 1 != end)
    return Final(fmt::format("the server sends bytes {} to {} in place of {} to {}", answer.range()->first,
                             answer.range()->last, request.offset, end - 1));
  return {};
}

}  // namespace quire
