// SPDX-License-Identifier: Apache-2.0
// XXH3-64, the checksum of the format (xxHash 0.8, seed 0, default secret), and CRC-32, which zip archives have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace quire {

// Uses the widest vectors that the processor has at run time. Any thread.
uint64_t Xxh3(std::span<const std::byte> bytes);

// CRC-32 of ISO-HDLC, as zip has it (APPNOTE.TXT 4.4.7), by libdeflate; `before`: that of the bytes in front of them.
// Any thread.
uint32_t Crc32(std::span<const std::byte> bytes, uint32_t before = 0);

// What Xxh3 runs on here: "avx512", "avx2", "sse2" or "portable".
std::string_view Xxh3Vectors();

}  // namespace quire
