// SPDX-License-Identifier: Apache-2.0
// Goal: a server's fault is told by its code, with a remedy; what may pass stays what it is; and no text of a server's
// own gets into a message.
#include "cache/remote/s3_answer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace quire {
namespace {

std::string ErrorOf(const std::string& code) {
  return "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>words</Message></Error>";
}

HttpVerdict Explain(int status, const std::string& text, const S3Asker& asker, const std::string& header = "X: y",
                    std::chrono::system_clock::time_point now = {}) {
  HttpAnswer answer;
  for (const std::string& line : {fmt::format("HTTP/1.1 {} x", status), header, std::string()}) answer.TakeLine(line);
  return ExplainS3(answer, ParseS3Fault(text), asker, now, Judge(answer, {.offset = 0, .bytes = 1}));
}

const S3Asker kAsker{.region = "us-east-1", .keys = "profile 'p'"};

TEST(S3Answer, CodesHaveRemedies) {
  EXPECT_TRUE(Explain(404, ErrorOf("NoSuchKey"), kAsker).reason.contains("(NoSuchKey)"));
  EXPECT_TRUE(Explain(403, ErrorOf("AccessDenied"), kAsker).reason.contains("keys of profile 'p'"));
  EXPECT_TRUE(Explain(403, "", kAsker).reason.contains("keys of profile 'p'"));
  EXPECT_TRUE(Explain(403, "", {.region = "x", .keys = ""}).reason.contains("none were found"));
  EXPECT_FALSE(Explain(403, "", {.region = "x", .keys = "", .is_anonymous = true}).reason.contains("none were found"));
  EXPECT_TRUE(Explain(403, ErrorOf("Unheard-of"), kAsker).reason.contains("(Unheard-of)"));
}

TEST(S3Answer, AnotherRegionIsNamed) {
  for (const int status : {301, 307, 400, 403})
    EXPECT_TRUE(Explain(status, "", kAsker, "x-amz-bucket-region: eu-west-1").reason.contains("AWS_REGION=eu-west-1"));
  EXPECT_TRUE(Explain(400, "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>", kAsker)
                  .reason.contains("AWS_REGION=eu-west-1"));
  EXPECT_FALSE(Explain(404, ErrorOf("NoSuchKey"), kAsker, "x-amz-bucket-region: us-east-1").reason.contains("region"));
  EXPECT_FALSE(Explain(403, ErrorOf("x"), kAsker, "x-amz-bucket-region: \x1b[31m").reason.contains('\x1b'));
}

TEST(S3Answer, WhatMayPassIsRepeated) {
  EXPECT_EQ(Explain(503, ErrorOf("SlowDown"), kAsker).outcome, HttpOutcome::kTransient);
  EXPECT_EQ(Explain(400, ErrorOf("RequestTimeout"), kAsker).outcome, HttpOutcome::kTransient);
  EXPECT_EQ(Explain(500, "", kAsker).outcome, HttpOutcome::kTransient);
  for (const char* const code : {"AccessDenied", "ExpiredToken", "NoSuchKey"})
    EXPECT_EQ(Explain(400, ErrorOf(code), kAsker).outcome, HttpOutcome::kFinal) << code;
}

TEST(S3Answer, ClocksAreCompared) {
  const auto now = std::chrono::system_clock::from_time_t(1'000'000);  // Mon, 12 Jan 1970 13:46:40
  const auto told = Explain(403, ErrorOf("RequestTimeTooSkewed"), kAsker, "Date: Mon, 12 Jan 1970 13:45:00 GMT", now);
  EXPECT_TRUE(told.reason.contains("100 s ahead")) << told.reason;
  EXPECT_TRUE(Explain(403, ErrorOf("RequestTimeTooSkewed"), kAsker, "Date: soon").reason.contains("NTP"));
}

TEST(S3Answer, WhatIsNoWordIsNoCode) {
  for (const std::string text :
       {"", "<Code>", "<Code>x", "<Code>a b</Code>", "<Code>\x1b[1m</Code>", "<Code></Code>", "<Code>../x</Code>"})
    EXPECT_EQ(ParseS3Fault(text).code, "") << text;
  EXPECT_EQ(ParseS3Fault("<Code>" + std::string(65, 'x') + "</Code>").code, "");
  EXPECT_EQ(ParseS3Fault(ErrorOf("NoSuchKey")).code, "NoSuchKey");
  EXPECT_FALSE(Explain(403, ErrorOf("x"), kAsker).reason.contains("words"));
}

}  // namespace
}  // namespace quire
