// SPDX-License-Identifier: Apache-2.0
// Goal: JSON carries every name without loss, and is fit for a terminal.
#include "fs/json_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace quire {
namespace {

Json NameIn(std::string_view name) {
  Json object;
  SetName(object, "path", name);
  return Json::parse(FormatJson(object));
}

TEST(JsonText, ADocumentBeginsWithItsSchema) {
  Json document = NewDocument(3);
  document["a"] = true;
  EXPECT_EQ(FormatJson(document, JsonLayout::kOneLine), R"({"schema":3,"a":true})");
}

TEST(JsonText, ANameOfUtf8IsAStringAndNothingElse) {
  for (const char* const name : {"", "caf\xC3\xA9", "a\nb\x1b\xC2\x9B\xE2\x80\xAE", "\xF0\x9F\x93\xB7"})
    EXPECT_EQ(NameIn(name), (Json{{"path", name}}));
}

TEST(JsonText, AnyOtherNameIsThereInBase64AsWell) {
  const auto expect = [](std::string_view name, std::string_view text, std::string_view base64) {
    EXPECT_EQ(NameIn(name), (Json{{"path", text}, {"path_base64", base64}}));
  };
  expect("\xFF", "\xEF\xBF\xBD", "/w==");
  expect("\xFF\xFE", "\xEF\xBF\xBD\xEF\xBF\xBD", "//4=");
  expect("a\xE9z", "a\xEF\xBF\xBDz", "Yel6");
  expect("caf\xE9", "caf\xEF\xBF\xBD", "Y2Fm6Q==");
}

TEST(JsonText, ANameIsReadAsItWasSet) {
  for (const char* const name : {"", "a", "caf\xC3\xA9", "\xFF", "\xFF\xFE", "a\xE9z", "caf\xE9", "\xF0\x9F\x93"})
    EXPECT_EQ(GetName(NameIn(name), "path"), name);
  EXPECT_EQ(GetName(Json{{"path", 1}}, "path"), std::nullopt);
  EXPECT_EQ(GetName(Json::object(), "path"), std::nullopt);
  for (const char* const wrong : {"a", "ab=c", "a\nbc", "//4"})
    EXPECT_EQ(GetName(Json{{"path", "x"}, {"path_base64", wrong}}, "path"), std::nullopt) << wrong;
}

TEST(JsonText, AllOfItIsPrintableAscii) {
  std::string bytes;
  for (int byte = 1; byte < 256; ++byte) bytes += static_cast<char>(byte);
  Json object;
  SetName(object, "name", bytes + "\xC2\x9B\xE2\x80\xAE");
  object["message"] = bytes;
  const std::string text = FormatJson(object);
  EXPECT_TRUE(
      std::ranges::all_of(text, [](unsigned char byte) { return byte == '\n' || (byte >= 0x20 && byte < 0x7F); }));
}

}  // namespace
}  // namespace quire
