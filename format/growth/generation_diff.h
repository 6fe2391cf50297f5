// SPDX-License-Identifier: Apache-2.0
// What differs between two generations of a pack, found by what the layers between them list anew: it costs what
// changed, not the tree.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

struct EntryChange {
  // kChanged: another entry has the name. kDescribed: mode, owner, times, attributes or links are others.
  enum class Kind : uint8_t { kAdded, kRemoved, kChanged, kDescribed };
  Kind kind = Kind::kAdded;
  std::string path;
  bool is_directory = false;  // with all below it, where it was added or removed
};

// Calls `visit` for each difference. `before` and `after` are generations of the same pack, `before` the older one.
// Errors are those of the indexes, and kInterrupted. `interrupted` may be null.
Result<void> DiffGenerations(const Index& before, const Index& after, const std::atomic<bool>* interrupted,
                             const std::function<void(const EntryChange&)>& visit);

}  // namespace quire
