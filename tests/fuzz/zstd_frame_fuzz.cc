// SPDX-License-Identifier: Apache-2.0
// Goal: whatever a frame and a dictionary say, what they come to is as long as was declared, and nothing is written
// beside it. An input is u32 declared bytes, u16 dictionary bytes, the dictionary, the frame.
#include <algorithm>
#include <memory>

#include "format/coding.h"
#include "format/pack/zstd_frame.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quire;
  constexpr size_t kHeaderBytes = 6;
  const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
  if (size < kHeaderBytes) return 0;
  const uint64_t declared = LoadUint<4>(input, 0);
  if (declared > kFrameBytes) return 0;
  const auto rest = input.subspan(kHeaderBytes);
  const size_t dictionary_bytes = std::min<size_t>(rest.size(), LoadUint<2>(input, 4));
  const auto dictionary = dictionary_bytes == 0 ? std::nullopt : FrameDictionary::Create(rest.first(dictionary_bytes));
  // Memory of its own, and no more than declared: a sanitizer sees what is written beside it.
  const auto into = std::make_unique<std::byte[]>(declared);
  static_cast<void>(
      DecodeFrame(rest.subspan(dictionary_bytes), {into.get(), declared}, dictionary ? &*dictionary : nullptr));
  return 0;
}
