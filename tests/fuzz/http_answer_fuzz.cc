// SPDX-License-Identifier: Apache-2.0
// Goal: whatever lines a server sends, an answer that is taken for good says of itself what was asked for.
// The input is what libcurl hands over: lines of headers, of redirects and interim answers too.
#include <algorithm>
#include <string_view>

#include "cache/remote/http_answer.h"
#include "tests/fuzz/fuzz_target.h"

namespace quire {
namespace {

constexpr uint64_t kSizeBytes = 1'000'000;

void CheckRange(const HttpAnswer& answer) {
  const auto& range = answer.range();
  Require(range.has_value() == answer.state().has_value(), "the size comes with the range");
  if (!range) return;
  Require(range->first <= range->last && range->last < range->size_bytes, "a range lies in its object");
}

void CheckVerdict(const HttpAnswer& answer, const RangeRequest& request) {
  const HttpVerdict verdict = Judge(answer, request);
  Require((verdict.outcome == HttpOutcome::kGood) == verdict.reason.empty(), "what is not good says why");
  if (verdict.outcome != HttpOutcome::kGood) return;
  Require(answer.is_complete() && answer.status() == 206, "what is good is a whole answer of a part");
  Require(answer.range() && answer.range()->first == request.offset, "it begins where it was asked to");
  Require(answer.range()->last - answer.range()->first < request.bytes, "it is no longer than was asked for");
  if (request.state == nullptr) return;
  Require(answer.range()->size_bytes == request.state->size_bytes, "it is of an object as long");
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quire;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const ObjectState state{.size_bytes = kSizeBytes, .etag = "\"one\"", .last_modified = ""};
  HttpAnswer answer;
  while (!input.empty()) {
    const size_t line_bytes = std::min(input.find('\n'), input.size() - 1) + 1;
    answer.TakeLine(input.substr(0, line_bytes));
    input.remove_prefix(line_bytes);
  }
  CheckRange(answer);
  CheckVerdict(answer, {.offset = 0, .bytes = 8192});
  CheckVerdict(answer, {.offset = 500'000, .bytes = 1000, .state = &state});
  CheckVerdict(answer, {.offset = kSizeBytes - 100, .bytes = 1000, .state = &state});
  return 0;
}
