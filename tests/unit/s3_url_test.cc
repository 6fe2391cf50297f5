// SPDX-License-Identifier: Apache-2.0
// Goal: s3:// becomes the URL that is signed and asked for, byte for byte, whatever the key is; and what names nothing
// is refused.
#include "cache/remote/s3_url.h"

#include <gtest/gtest.h>

#include <string>

namespace quire {
namespace {

std::string UrlOf(const std::string& text, const S3Place& place) {
  const auto url = ParseS3Url(text);
  if (!url) return "no URL: " + url.error().message;
  const auto http = HttpUrlOf(*url, place);
  return http ? *http : "no place: " + http.error().message;
}

TEST(S3Url, IsAmazonsOwnOfTheRegionByDefault) {
  const S3Place place{.endpoint = "", .region = "eu-west-1"};
  EXPECT_EQ(UrlOf("s3://photos/a.quire", place), "https://photos.s3.eu-west-1.amazonaws.com/a.quire");
  EXPECT_EQ(UrlOf("S3://photos/a/b.quire", {.endpoint = "", .region = "cn-north-1"}),
            "https://photos.s3.cn-north-1.amazonaws.com.cn/a/b.quire");
}

TEST(S3Url, NamesTheBucketInThePathWhereItIsNoHost) {
  const S3Place place{.endpoint = "", .region = "eu-west-1"};
  for (const std::string bucket : {"my.photos", "My-photos", "my_photos", "-photos", "photos-"})
    EXPECT_EQ(UrlOf("s3://" + bucket + "/a", place), "https://s3.eu-west-1.amazonaws.com/" + bucket + "/a");
  EXPECT_EQ(UrlOf("s3://" + std::string(64, 'a') + "/k", place),
            "https://s3.eu-west-1.amazonaws.com/" + std::string(64, 'a') + "/k");
}

TEST(S3Url, GoesToAnEndpointOfOnesOwn) {
  for (const std::string endpoint : {"http://gateway:7480", "http://gateway:7480/"}) {
    EXPECT_EQ(UrlOf("s3://photos/a", {.endpoint = endpoint, .region = "default"}), "http://gateway:7480/photos/a");
    EXPECT_EQ(UrlOf("s3://photos/a", {.endpoint = endpoint, .region = "default", .addressing = S3Addressing::kVirtual}),
              "http://photos.gateway:7480/a");
  }
  EXPECT_EQ(UrlOf("s3://photos/a", {.endpoint = "https://gateway/s3", .region = "x"}), "https://gateway/s3/photos/a");
  EXPECT_EQ(UrlOf("s3://photos/a", {.endpoint = "", .region = "x", .addressing = S3Addressing::kPath}),
            "https://s3.x.amazonaws.com/photos/a");
}

TEST(S3Url, EncodesEachByteOfAKeyButThoseThatNeedNone) {
  const S3Place place{.endpoint = "http://h", .region = "x"};
  EXPECT_EQ(UrlOf("s3://photos/azAZ09-._~/b", place), "http://h/photos/azAZ09-._~/b");
  EXPECT_EQ(UrlOf("s3://photos/a b+c%20d?e#f", place), "http://h/photos/a%20b%2Bc%2520d%3Fe%23f");
  EXPECT_EQ(UrlOf("s3://photos/\xC3\xBC\xFF\n", place), "http://h/photos/%C3%BC%FF%0A");
  EXPECT_EQ(UrlOf("s3://photos//a/../b/", place), "http://h/photos//a/../b/");
}

TEST(S3Url, IsRefusedWhereItNamesNoObject) {
  for (const std::string text :
       {"s3://", "s3:///a", "s3://ab/a", "s3://photos", "s3://photos/", "s3://me@photos/a", "s3://photos:80/a"})
    EXPECT_FALSE(ParseS3Url(text)) << text;
  EXPECT_FALSE(ParseS3Url("s3://photos/" + std::string(1025, 'x')));
  EXPECT_FALSE(ParseS3Url("s3://" + std::string(256, 'a') + "/a"));
  EXPECT_TRUE(ParseS3Url("s3://abc/" + std::string(1024, 'x')));
  EXPECT_FALSE(IsS3Url("s3:/photos/a"));
  EXPECT_FALSE(IsS3Url("s3"));
  EXPECT_FALSE(IsS3Url("S4://photos/a"));
}

TEST(S3Url, IsRefusedWhereItsPlaceIsNone) {
  for (const std::string region : {"", "a/b", "evil.example/", "a b", "a@b"})
    EXPECT_FALSE(HttpUrlOf({.bucket = "photos", .key = "a"}, {.endpoint = "", .region = region})) << region;
  for (const std::string endpoint : {"gateway", "ftp://gateway", "http://me:secret@gateway", "http://gateway?a", "/"}) {
    const auto url = HttpUrlOf({.bucket = "photos", .key = "a"}, {.endpoint = endpoint, .region = "x"});
    ASSERT_FALSE(url) << endpoint;
    EXPECT_FALSE(url.error().message.contains("secret"));
  }
}

}  // namespace
}  // namespace quire
