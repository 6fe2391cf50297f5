// SPDX-License-Identifier: Apache-2.0
// What lies in each slot after each read, as textbooks draw it.
#pragma once

#include <string>

#include "tools/sim/lab_cache.h"
#include "tools/sim/read_sequence.h"

namespace quire::lab {

inline constexpr size_t kMostDrawnReads = 200;
inline constexpr uint32_t kMostDrawnSlots = 64;

// A table with a column for each of the first kMostDrawnReads reads: the page that is read, then what the slots hold
// behind it, then "+" for a hit. A page that has just come stands behind a ">". Broken into blocks of `width`
// characters. REQUIRES: options.slots <= kMostDrawnSlots.
std::string DrawSlots(const ReadSequence& sequence, const LabOptions& options, size_t width);

}  // namespace quire::lab
