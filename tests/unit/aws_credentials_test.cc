// SPDX-License-Identifier: Apache-2.0
// Goal: keys, region and endpoint are those that Amazon's own tools would take; what is not understood is an error that
// tells no secret; and services are asked as they want to be.
#include "cache/remote/aws_credentials.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace quire {
namespace {

constexpr std::string_view kSecret = "secret-word";

// Files of settings in a folder of the test's own, and a service that answers what it is told.
class AwsTest : public testing::Test {
 protected:
  AwsTest() { std::filesystem::create_directories(home_ + "/.aws"); }
  ~AwsTest() override { std::filesystem::remove_all(home_); }

  void Write(const std::string& file, const std::string& text) const {
    std::ofstream(home_ + "/.aws/" + file, std::ios::binary) << text;
  }
  Result<std::optional<AwsCredentials>> Find(const std::string& profile = "") {
    return FindAwsCredentials(variables_, profile, [this](const MetadataRequest& request) -> Result<MetadataAnswer> {
      asked_.push_back(request);
      const auto answer = answers_.find(request.url);
      if (answer == answers_.end()) return SystemError(ECONNREFUSED, "nobody");
      return answer->second;
    });
  }
  // The access key that is found; "none", or "error".
  std::string KeyOf(const std::string& profile = "") {
    const auto keys = Find(profile);
    if (!keys) {
      EXPECT_FALSE(keys.error().message.contains(kSecret)) << keys.error().message;
    }
    return !keys ? "error" : *keys ? (*keys)->access_key : "none";
  }
  S3Place Place(const std::string& profile = "") const {
    const auto read = ReadAwsProfile(variables_, profile);
    EXPECT_TRUE(read);
    const auto place = PlaceOf(variables_, *read);
    return place ? *place : S3Place{.endpoint = "error", .region = ""};
  }

  const std::string home_ = fmt::format("{}/aws-test-{}", std::filesystem::temp_directory_path().native(), getpid());
  AwsFields variables_ = {{"HOME", home_}};
  std::map<std::string, MetadataAnswer> answers_;
  std::vector<MetadataRequest> asked_;
};

constexpr const char* kTwo =
    "# a comment\n[default]\naws_access_key_id = one\nAWS_Secret_Access_Key = s=1\n\n[two]\n"
    "aws_access_key_id=two\r\naws_secret_access_key=s\r\naws_session_token = t\r\n";

TEST_F(AwsTest, VariablesComeBeforeFiles) {
  Write("credentials", kTwo);
  EXPECT_EQ(KeyOf(), "one");
  variables_["AWS_PROFILE"] = "two";
  EXPECT_EQ(KeyOf(), "two");
  variables_["AWS_ACCESS_KEY_ID"] = "three";
  EXPECT_EQ(KeyOf(), "error") << "without a secret key";
  variables_["AWS_SECRET_ACCESS_KEY"] = kSecret;
  EXPECT_EQ(KeyOf(), "three");
  EXPECT_EQ(KeyOf("two"), "two") << "an option comes before variables";
  EXPECT_FALSE((*Find())->can_change);
  EXPECT_TRUE((*Find("two"))->can_change);
  EXPECT_EQ((*Find("two"))->session_token, "t");
}

TEST_F(AwsTest, TheFileOfKeysComesBeforeThatOfSettings) {
  Write("config",
        "[default]\naws_access_key_id=four\naws_secret_access_key=s\n[profile 'a b']\naws_access_key_id=five\n"
        "aws_secret_access_key=s\n[three]\naws_access_key_id=x\naws_secret_access_key=x\n");
  EXPECT_EQ(KeyOf(), "four");
  EXPECT_EQ(KeyOf("a b"), "five");
  EXPECT_EQ(KeyOf("three"), "error") << "a section of settings is called 'profile three'";
  Write("credentials", kTwo);
  EXPECT_EQ(KeyOf(), "one");
}

TEST_F(AwsTest, FilesAreWhereVariablesSay) {
  Write("elsewhere", kTwo);
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "~/.aws/elsewhere";
  EXPECT_EQ(KeyOf(), "one");
  EXPECT_EQ(FindAwsFolders(variables_), std::vector<std::string>{home_ + "/.aws"});
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/none/token";
  EXPECT_EQ(FindAwsFolders(variables_), (std::vector<std::string>{"/none", home_ + "/.aws"}));
}

TEST_F(AwsTest, WaysThatAreNotGoneAreErrors) {
  for (const char* const field :
       {"role_arn", "web_identity_token_file", "credential_process", "sso_session", "sso_start_url", "login_session"}) {
    Write("config", fmt::format("[default]\n{} = {}\n", field, kSecret));
    EXPECT_EQ(KeyOf(), "error") << field;
  }
  Write("config", "");
  variables_["AWS_ROLE_ARN"] = variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = "x";
  EXPECT_EQ(KeyOf(), "error");
}

TEST_F(AwsTest, WhatIsNoFileOfSettingsIsAnError) {
  for (const std::string text :
       {"x", "x = secret-word", "[a", "[default]\nsecret-word",
        "[default]\naws_access_key_id=a\naws_secret_access_key=secret-word\x01",
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\naws_session_token=a\rX: secret-word"}) {
    Write("credentials", text);
    EXPECT_EQ(KeyOf(), "error") << text;
  }
  Write("credentials", "");
  EXPECT_EQ(KeyOf(), "none");
  EXPECT_EQ(KeyOf("absent"), "error");
}

TEST_F(AwsTest, ThePlaceIsWhatVariablesAndProfilesSay) {
  EXPECT_EQ(Place().region, "us-east-1");
  EXPECT_EQ(Place().endpoint, "");
  Write("config",
        "[default]\nregion = a\nendpoint_url = http://1\ns3 =\n  addressing_style = path\n  max_queue_size = "
        "5\nservices = all\n"
        "[services all]\ndynamodb =\n  endpoint_url = http://wrong\ns3 =\n  endpoint_url = http://2\n[profile p]\n");
  EXPECT_EQ(Place().region, "a");
  EXPECT_EQ(Place().endpoint, "http://2");
  EXPECT_EQ(Place().addressing, S3Addressing::kPath);
  EXPECT_EQ(Place("p").region, "us-east-1");
  EXPECT_EQ(Place("p").addressing, S3Addressing::kAuto);
  variables_["AWS_DEFAULT_REGION"] = "b";
  EXPECT_EQ(Place().region, "b");
  variables_["AWS_REGION"] = "c";
  EXPECT_EQ(Place().region, "c");
  variables_["AWS_ENDPOINT_URL"] = "http://3";
  EXPECT_EQ(Place().endpoint, "http://3");
  variables_["AWS_ENDPOINT_URL_S3"] = "http://4";
  EXPECT_EQ(Place().endpoint, "http://4");
  Write("config", "[default]\ns3 =\n  addressing_style = sideways\n");
  EXPECT_EQ(Place().endpoint, "error");
}

constexpr const char* kKeys =
    R"({"Code": "Success", "AccessKeyId": "six", "SecretAccessKey": "s", "Token": "t", "Expiration": "2026-11-30T12:00:01Z"})";

TEST_F(AwsTest, AContainersServiceIsAskedWithItsToken) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/x";
  EXPECT_EQ(KeyOf(), "error") << "there is no answer";
  answers_["http://169.254.170.2/v2/x"] = {.status = 200, .body = kKeys};
  EXPECT_EQ(KeyOf(), "six");
  EXPECT_TRUE(asked_.back().header_lines.empty());
  EXPECT_EQ((*Find())->expiration, ParseTime("2026-11-30T12:00:01Z"));
  EXPECT_TRUE((*Find())->can_change);
  variables_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://localhost:80/x";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic abc";
  answers_["http://localhost:80/x"] = {.status = 200, .body = kKeys};
  EXPECT_EQ(KeyOf(), "six");
  EXPECT_EQ(asked_.back().header_lines, std::vector<std::string>{"Authorization: Basic abc"});
  Write("token", "from-file\n");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = home_ + "/.aws/token";
  EXPECT_EQ(KeyOf(), "six");
  EXPECT_EQ(asked_.back().header_lines, std::vector<std::string>{"Authorization: from-file"});
  Write("token", "a\r\nX: secret-word");
  EXPECT_EQ(KeyOf(), "error");
}

TEST_F(AwsTest, AContainersTokenGoesToNoOtherHostUnlessEncrypted) {
  for (const std::string host :
       {"example.com", "localhost.example.com", "127.0.0.1.example.com", "127.0.0.1@example.com"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://" + host + "/x";
    EXPECT_EQ(KeyOf(), "error") << host;
  }
  EXPECT_TRUE(asked_.empty());
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "https://example.com/x";
  answers_["https://example.com/x"] = {.status = 200, .body = kKeys};
  EXPECT_EQ(KeyOf(), "six");
}

TEST_F(AwsTest, AMachinesServiceIsAskedByToken) {
  const std::string host = "http://169.254.169.254";
  const std::string roles = host + "/latest/meta-data/iam/security-credentials/";
  EXPECT_EQ(KeyOf(), "none");
  answers_[host + "/latest/api/token"] = {.status = 200, .body = "abc"};
  answers_[roles] = {.status = 200, .body = "reader\n"};
  answers_[roles + "reader"] = {.status = 200, .body = kKeys};
  EXPECT_EQ(KeyOf(), "six");
  EXPECT_EQ(asked_.back().header_lines, std::vector<std::string>{"X-aws-ec2-metadata-token: abc"});
  answers_[roles].body = "../../x y";
  EXPECT_EQ(KeyOf(), "error");
  answers_[roles].status = 404;
  EXPECT_EQ(KeyOf(), "none") << "no role";
  answers_.erase(host + "/latest/api/token");
  asked_.clear();
  variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_EQ(KeyOf(), "none");
  EXPECT_TRUE(asked_.empty());
}

TEST_F(AwsTest, AnswersThatTellNoKeysAreErrors) {
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1/x";
  for (const std::string body :
       {"", "{", "[]", "{}", "\"secret-word\"", R"({"AccessKeyId": 5, "SecretAccessKey": "secret-word"})",
        R"({"AccessKeyId": "a"})", R"({"AccessKeyId": "a", "SecretAccessKey": "secret-word\n"})",
        R"({"AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "soon"})"}) {
    answers_["http://127.0.0.1/x"] = {.status = 200, .body = body};
    EXPECT_EQ(KeyOf(), "error") << body;
  }
  answers_["http://127.0.0.1/x"] = {.status = 500, .body = kKeys};
  EXPECT_EQ(KeyOf(), "error");
}

TEST(ParseTime, TakesUtcAlone) {
  EXPECT_EQ(ParseTime("1970-01-02T00:00:01Z")->time_since_epoch(), std::chrono::seconds(86401));
  EXPECT_EQ(ParseTime("1970-01-02T00:00:01.5Z")->time_since_epoch(), std::chrono::seconds(86401));
  EXPECT_EQ(ParseTime("1970-01-02T00:00:01+00:00")->time_since_epoch(), std::chrono::seconds(86401));
  for (const std::string text : {"", "x", "1970-01-02", "1970-01-02T00:00:01", "1970-01-02T00:00:01+02:00"})
    EXPECT_FALSE(ParseTime(text)) << text;
}

}  // namespace
}  // namespace quire
