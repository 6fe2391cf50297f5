// SPDX-License-Identifier: Apache-2.0
#include "tools/json_list.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace quire {

JsonList::JsonList(const Json& head, std::string_view key) {
  std::string text = FormatJson(head, JsonLayout::kOneLine);
  text.pop_back();  // the brace
  fmt::print("{},\"{}\":[", text, key);
}

void JsonList::Add(const Json& item) {
  fmt::print("{}\n{}", is_empty_ ? "" : ",", FormatJson(item, JsonLayout::kOneLine));
  is_empty_ = false;
}

void JsonList::End(const Json& tail) { fmt::print("\n],{}\n", FormatJson(tail, JsonLayout::kOneLine).substr(1)); }

}  // namespace quire
