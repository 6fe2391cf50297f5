// SPDX-License-Identifier: Apache-2.0
// Goal: of what a server answers only the bytes that were asked for, of the state that is expected, are good; what may
// pass is told from what will not; and no header, however odd, does harm.
#include "cache/remote/http_answer.h"

#include <gtest/gtest.h>

#include <string>

namespace quire {
namespace {

constexpr const char* kGoodRange = "Content-Range: bytes 100-199/1000";

HttpAnswer Answer(std::initializer_list<std::string_view> lines) {
  HttpAnswer answer;
  for (const std::string_view line : lines) answer.TakeLine(std::string(line) + "\r\n");
  answer.TakeLine("\r\n");
  return answer;
}

class JudgeTest : public testing::Test {
 protected:
  HttpOutcome OutcomeOf(std::initializer_list<std::string_view> lines) {
    return Judge(Answer(lines), request_).outcome;
  }
  HttpOutcome OutcomeOfFirst(std::initializer_list<std::string_view> lines) {
    return Judge(Answer(lines), {.offset = 100, .bytes = 100}).outcome;
  }

  const ObjectState state_{.size_bytes = 1000, .etag = "\"one\"", .last_modified = "Mon, 30 Nov 2026 00:00:00 GMT"};
  const RangeRequest request_{.offset = 100, .bytes = 100, .state = &state_};
};

TEST_F(JudgeTest, TheRangeThatWasAskedForIsGood) {
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206 Partial Content", kGoodRange, "ETag: \"one\""}), HttpOutcome::kGood);
  EXPECT_EQ(OutcomeOf({"HTTP/2 206", "content-range: bytes 100-199/1000", "etag: \"one\""}), HttpOutcome::kGood);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", kGoodRange}), HttpOutcome::kGood) << "a server that names no state";
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", kGoodRange, "Content-Encoding: identity"}), HttpOutcome::kGood);
}

TEST_F(JudgeTest, ARangeThatEndsWithTheObjectIsShorter) {
  const RangeRequest last{.offset = 950, .bytes = 100, .state = &state_};
  EXPECT_EQ(Judge(Answer({"HTTP/1.1 206", "Content-Range: bytes 950-999/1000"}), last).outcome, HttpOutcome::kGood);
}

TEST_F(JudgeTest, AnswersOfRedirectsAreLeftBehind) {
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 302 Found", "ETag: \"other\"", "Content-Encoding: gzip", "HTTP/1.1 206", kGoodRange,
                       "ETag: \"one\""}),
            HttpOutcome::kGood);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", kGoodRange, "HTTP/1.1 404 Not Found"}), HttpOutcome::kFinal);
}

TEST_F(JudgeTest, OtherBytesAreNoneThatCanBeUsed) {
  for (const char* const range :
       {"Content-Range: bytes 101-200/1000", "Content-Range: bytes 100-198/1000", "Content-Range: bytes 0-999/1000",
        "Content-Range: bytes 100-199/*", "Content-Range: bytes */1000", "Content-Range: bytes 199-100/1000",
        "Content-Range: bytes 100-1000/1000", "Content-Range: items 100-199/1000", "Content-Range: bytes 100-199/1000x",
        "Content-Range: bytes -1-199/1000", "Content-Range:", "Content-Range: bytes 100-199/99999999999999999999999"})
    EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", range}), HttpOutcome::kFinal) << range;
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206"}), HttpOutcome::kFinal);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 200 OK", "ETag: \"one\""}), HttpOutcome::kFinal);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", kGoodRange, "Content-Encoding: gzip"}), HttpOutcome::kFinal);
}

TEST_F(JudgeTest, AnotherStateIsNoticed) {
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", kGoodRange, "ETag: \"two\""}), HttpOutcome::kChanged);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", kGoodRange, "ETag: W/\"one\""}), HttpOutcome::kChanged);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", "Content-Range: bytes 100-199/1001", "ETag: \"one\""}), HttpOutcome::kChanged);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 412 Precondition Failed"}), HttpOutcome::kChanged);
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 416 Range Not Satisfiable"}), HttpOutcome::kChanged);
  // Copies of one object on several servers have different times, and one tag.
  EXPECT_EQ(OutcomeOf({"HTTP/1.1 206", kGoodRange, "ETag: \"one\"", "Last-Modified: Tue, 01 Dec 2026 00:00:00 GMT"}),
            HttpOutcome::kGood);
}

TEST_F(JudgeTest, WithoutAStrongTagTheTimeIsCompared) {
  const ObjectState weak{.size_bytes = 1000, .etag = "W/\"one\"", .last_modified = state_.last_modified};
  EXPECT_FALSE(weak.has_strong_etag());
  const RangeRequest request{.offset = 100, .bytes = 100, .state = &weak};
  const auto outcome = [&](std::string_view time) {
    return Judge(Answer({"HTTP/1.1 206", kGoodRange, std::string("Last-Modified: ").append(time)}), request).outcome;
  };
  EXPECT_EQ(outcome(state_.last_modified), HttpOutcome::kGood);
  EXPECT_EQ(outcome("Tue, 01 Dec 2026 00:00:00 GMT"), HttpOutcome::kChanged);
}

TEST_F(JudgeTest, WhatMayPassIsToldFromWhatWillNot) {
  for (const char* const status : {"408", "425", "429", "500", "502", "503", "504", "599"})
    EXPECT_EQ(OutcomeOf({std::string("HTTP/1.1 ") + status}), HttpOutcome::kTransient) << status;
  for (const char* const status :
       {"401", "403", "404", "407", "410", "400", "501", "505", "204", "304", "100", "0", ""})
    EXPECT_EQ(OutcomeOf({std::string("HTTP/1.1 ") + status}), HttpOutcome::kFinal) << status;
  for (const char* const status : {"412", "416"})
    EXPECT_EQ(OutcomeOfFirst({std::string("HTTP/1.1 ") + status}), HttpOutcome::kFinal) << status;
}

TEST(HttpAnswerTest, TellsHowLongToWait) {
  EXPECT_EQ(Answer({"HTTP/1.1 429", "Retry-After: 7"}).retry_after(), std::chrono::seconds(7));
  for (const char* const value : {"Fri, 31 Dec 1999 23:59:59 GMT", "-1", "1x", "", "99999999999"})
    EXPECT_FALSE(Answer({"HTTP/1.1 429", std::string("Retry-After: ") + value}).retry_after()) << value;
}

// A server that ends within them would serve the next time.
TEST_F(JudgeTest, HeadersThatEndEarlySayNothing) {
  HttpAnswer answer;
  for (const std::string_view line : {"HTTP/1.1 206 P\r\n", "ETag: \"two\"\r\n", "Content-Ra"}) {
    EXPECT_EQ(Judge(answer, request_).outcome, HttpOutcome::kTransient) << line;
    answer.TakeLine(line);
  }
  EXPECT_EQ(Judge(answer, request_).outcome, HttpOutcome::kTransient);
  answer.TakeLine("\r\n");
  EXPECT_EQ(Judge(answer, request_).outcome, HttpOutcome::kFinal);
}

TEST(HttpAnswerTest, OddLinesDoNoHarm) {
  HttpAnswer answer;
  for (const std::string_view line : {"", ":", "\r\n", "no colon", "HTTP/", "HTTP/1.1", "HTTP/1.1 ", ": value"})
    answer.TakeLine(line);
  answer.TakeLine(std::string("ETag: \"") + std::string(100'000, 'x') + "\"");
  answer.TakeLine(std::string_view("ETag\0: \"x\"", 10));
  EXPECT_EQ(answer.status(), 0);
  EXPECT_FALSE(answer.state());
  EXPECT_NE(Judge(answer, {.offset = 0, .bytes = 1}).outcome, HttpOutcome::kGood);
}

}  // namespace
}  // namespace quire
