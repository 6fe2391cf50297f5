// SPDX-License-Identifier: Apache-2.0
#include "format/checksum.h"

#include <libdeflate.h>

// On x86 the library's own dispatcher picks SSE2, AVX2 or AVX-512 by cpuid, whatever machine built it. CMake says
// whether it is there.
#if QUIRE_XXH3_DISPATCH
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

namespace quire {

uint64_t Xxh3(std::span<const std::byte> bytes) {
#if QUIRE_XXH3_DISPATCH
  return XXH3_64bits_dispatch(bytes.data(), bytes.size());
#else
  return XXH3_64bits(bytes.data(), bytes.size());
#endif
}

uint32_t Crc32(std::span<const std::byte> bytes, uint32_t before) {
  return libdeflate_crc32(before, bytes.data(), bytes.size());
}

std::string_view Xxh3Vectors() {
#if QUIRE_XXH3_DISPATCH
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") != 0) return "avx512";
  if (__builtin_cpu_supports("avx2") != 0) return "avx2";
  return "sse2";
#else
  return "portable";
#endif
}

}  // namespace quire
