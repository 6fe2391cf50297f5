// SPDX-License-Identifier: Apache-2.0
#include "fs/json_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "format/escaping.h"

namespace quire {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// 24 bits, as three bytes, are four letters of 6 bits each; '=' fills the last four up.
std::string EncodeBase64(std::string_view bytes) {
  std::string text;
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(bytes.size(), 3))) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8U | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
    for (size_t i = 0; i < 4; ++i) text += i <= bytes.size() ? kLetters[bits >> (18 - 6 * i) & 0x3FU] : '=';
  }
  return text;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  unsigned count = 0;  // of bits that are not yet in a byte
  for (const char letter : text) {
    const size_t value = kLetters.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U | static_cast<uint32_t>(value)) & 0xFFFFU;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFFU);
  }
  return bytes;
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

std::optional<std::string> GetName(const Json& object, std::string_view key) {
  const auto text_of = [&object](const std::string& field) -> std::optional<std::string> {
    const auto found = object.find(field);
    if (found == object.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  const auto exact = text_of(std::string(key) + "_base64");
  return exact ? DecodeBase64(*exact) : text_of(std::string(key));
}

std::string FormatJson(const Json& document, JsonLayout layout) {
  return document.dump(layout == JsonLayout::kIndented ? 2 : -1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace quire
