// SPDX-License-Identifier: Apache-2.0
// Multiples of a unit that need not be a power of two.
#pragma once

#include <cstdint>

namespace quire {

constexpr uint64_t CeilDiv(uint64_t value, uint64_t unit) { return value / unit + (value % unit != 0 ? 1 : 0); }
constexpr uint64_t AlignDown(uint64_t value, uint64_t unit) { return value / unit * unit; }
constexpr uint64_t AlignUp(uint64_t value, uint64_t unit) { return CeilDiv(value, unit) * unit; }

}  // namespace quire
