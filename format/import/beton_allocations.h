// SPDX-License-Identifier: Apache-2.0
// The allocation table of a .beton file, in memory: how long the data at each place is, which the metadata does not say
// of JPEG images.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// Not thread-safe. Memory: 16 bytes an entry.
class BetonAllocations {
 public:
  // Reads `entries` at `begin` of `file`. The error is kSystem, or kUnreadable where the file has become shorter.
  // REQUIRES: they lie in the file.
  static Result<BetonAllocations> Read(const File& file, uint64_t begin, uint64_t entries);

  // The bytes of what lies at `place`; of several the longest, since data of no bytes lies where the next does. None
  // where the table has no such place.
  [[nodiscard]] std::optional<uint64_t> BytesAt(uint64_t place) const;

 private:
  struct Allocation {
    uint64_t place = 0;
    uint64_t bytes = 0;
  };

  std::vector<Allocation> sorted_;  // by place, then by bytes
};

}  // namespace quire
