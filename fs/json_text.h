// SPDX-License-Identifier: Apache-2.0
// The JSON that every command and `.quire/stats` print: packaging/man/quire-json.7.md is its contract with programs.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace quire {

// In this order: fields are printed as they were added.
using Json = nlohmann::ordered_json;

// A document that begins with its schema, the number of its form. It grows when a field goes away or changes its
// meaning; a new field does not change it.
Json NewDocument(int schema);

// Sets `key` of `object` to a name, which may be any bytes. Where they are no UTF-8, what is wrong in them is U+FFFD
// there, and `key`_base64 has them exactly (RFC 4648, section 4).
void SetName(Json& object, std::string_view key, std::string_view name);

// What SetName has set; nothing where `key` is no name. `object` may be anybody's.
std::optional<std::string> GetName(const Json& object, std::string_view key);

// In lines of two spaces a level, or in one line; no newline at its end. All of it is ASCII, so that no name steers a
// terminal. Strings that were set without SetName are taken as text: bytes that are no UTF-8 become U+FFFD.
enum class JsonLayout : bool { kIndented, kOneLine };
std::string FormatJson(const Json& document, JsonLayout layout = JsonLayout::kIndented);

}  // namespace quire
