// SPDX-License-Identifier: Apache-2.0
// A JSON object with a list that may be longer than memory: printed to standard output item by item, a line each.
#pragma once

#include <string_view>

#include "fs/json_text.h"

namespace quire {

class JsonList {
 public:
  // Begins the object with the fields of `head`, and in it the list `key`.
  JsonList(const Json& head, std::string_view key);
  void Add(const Json& item);
  // Ends the list, and the object with the fields of `tail`. REQUIRES: `tail` has one; called once, last.
  void End(const Json& tail);

 private:
  bool is_empty_ = true;
};

}  // namespace quire
