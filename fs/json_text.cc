// SPDX-License-Identifier: Apache-2.0
#include "fs/json_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "format/escaping.h"

namespace quire {
namespace {

// 24 bits, as three bytes, are four letters of 6 bits each; '=' fills the last four up.
std::string EncodeBase64(std::string_view bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(bytes.size(), 3))) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8U | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
    for (size_t i = 0; i < 4; ++i) text += i <= bytes.size() ? kLetters[bits >> (18 - 6 * i) & 0x3FU] : '=';
  }
  return text;
}

std::string ReplaceWrongBytes(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const size_t length = Utf8Length(name);
    text += length > 0 ? name.substr(0, length) : std::string_view("\xEF\xBF\xBD");  // U+FFFD
    name.remove_prefix(std::max<size_t>(length, 1));
  }
  return text;
}

}  // namespace

Json NewDocument(int schema) {
  Json document;
  document["schema"] = schema;
  return document;
}

void SetName(Json& object, std::string_view key, std::string_view name) {
  object[std::string(key)] = ReplaceWrongBytes(name);
  if (!IsUtf8(name)) object[std::string(key) + "_base64"] = EncodeBase64(name);
}

std::string FormatJson(const Json& document, JsonLayout layout) {
  return document.dump(layout == JsonLayout::kIndented ? 2 : -1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace quire
