// SPDX-License-Identifier: Apache-2.0
// Sizes as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace quire {

// "1000000", "512M", "1.5GiB", "200mb": a number, and a unit where it does not count bytes. K, M, G and T are powers of
// 1024, with or without "B" or "iB" behind them, in letters of either case. A part of a byte is none; what is no such
// size, or does not fit 64 bits, is nothing.
std::optional<uint64_t> ParseByteSize(std::string_view text);

}  // namespace quire
