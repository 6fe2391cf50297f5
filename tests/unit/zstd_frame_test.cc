// SPDX-License-Identifier: Apache-2.0
// Goal: a frame decodes to exactly the bytes that it was made of, or to none; whatever it says, nothing is written
// beside their place.
#include "format/pack/zstd_frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "format/coding.h"
#include "format/pack/geometry.h"
#include "format/write/frame_encoder.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

std::string Encoded(std::string_view raw, int level = 3, const EncoderDictionary* dictionary = nullptr) {
  std::string frame(raw.size() + 1000, '\0');
  const auto bytes = EncodeFrame(AsBytes(raw), std::as_writable_bytes(std::span(frame)), level, dictionary);
  frame.resize(bytes.value());
  return frame;
}

// What `frame` decodes to where `bytes` are expected; "" where that fails. Checks what lies beside.
std::string Decoded(std::string_view frame, size_t bytes, const FrameDictionary* dictionary = nullptr) {
  constexpr size_t kBeside = 1000;
  const std::string untouched(kBeside, '?');
  std::string memory = untouched + std::string(bytes, 'x') + untouched;
  const bool is_good =
      DecodeFrame(AsBytes(frame), std::as_writable_bytes(std::span(memory)).subspan(kBeside, bytes), dictionary);
  EXPECT_EQ(memory.substr(0, kBeside), untouched);
  EXPECT_EQ(memory.substr(kBeside + bytes), untouched);
  return is_good ? memory.substr(kBeside, bytes) : "";
}

TEST(ZstdFrame, ComesBackAtEveryLevelAndSize) {
  for (const size_t bytes : {size_t{1}, size_t{17}, size_t{300}, size_t{5000}, size_t{70'000}, size_t{kFrameBytes}})
    for (const int level : {1, 3, 9, 19}) {
      const std::string raw = Text(bytes, bytes);
      EXPECT_TRUE(Decoded(Encoded(raw, level), bytes) == raw) << bytes << " at level " << level;
    }
}

TEST(ZstdFrame, AnotherSizeThanItHasIsRefused) {
  const std::string raw = Text(5000, 1);
  const std::string frame = Encoded(raw);
  for (const size_t bytes : {1, 4999, 5001, 262'144}) EXPECT_EQ(Decoded(frame, bytes), "") << bytes;
}

TEST(ZstdFrame, ABombIsNotDecoded) {
  // 256 KiB of zeros in 20 bytes are what they say; the same bytes in a place of 100 are refused before anything is
  // done.
  const std::string frame = Encoded(std::string(kFrameBytes, '\0'));
  EXPECT_LT(frame.size(), 40U);
  EXPECT_EQ(Decoded(frame, 100), "");
  EXPECT_EQ(Decoded(frame, kFrameBytes), std::string(kFrameBytes, '\0'));
  // One that states 100 bytes, and has blocks for more: the size stands in the last bytes of the header.
  std::string lying = Encoded(std::string(200, '\0'));
  const size_t at = lying.find(static_cast<char>(200));
  ASSERT_NE(at, lying.npos);
  lying[at] = 100;
  EXPECT_EQ(Decoded(lying, 100), "");
}

// Of version 0.7: 2505 times 'A', which the library may be able to decode.
TEST(ZstdFrame, AFrameOfAnOlderFormatIsNone) {
  const std::string frame(
      "\x27\xB5\x2F\xFD\x80\x50\xC9\x09\x00\x00\x80\x09\xC9"
      "A\xC0\x00\x00",
      17);
  EXPECT_EQ(Decoded(frame, 2505), "");
}

TEST(ZstdFrame, NothingMayStandBehindIt) {
  const std::string raw = Text(5000, 1);
  const std::string frame = Encoded(raw);
  const std::string skippable("\x50\x2A\x4D\x18\x01\x00\x00\x00z", 9);
  EXPECT_EQ(Decoded(frame, raw.size()), raw);
  for (const std::string& other :
       {frame + frame, frame + skippable, skippable + frame, frame + "x", frame + Encoded("")})
    EXPECT_EQ(Decoded(other, raw.size()), "");
  for (const size_t bytes : {frame.size() - 1, frame.size() / 2, size_t{4}, size_t{0}})
    EXPECT_EQ(Decoded(frame.substr(0, bytes), raw.size()), "") << bytes;
}

// Its window would be memory where frames are decoded piece by piece; here it is none.
TEST(ZstdFrame, AFrameThatWantsAWindowOfGigabytesTakesNone) {
  // Magic, a window of 2^41 bytes, no size; a last block of one byte: the size is not stated, and so it is refused.
  const std::string frame("\x28\xB5\x2F\xFD\x00\xF8\x09\x00\x00x", 10);
  EXPECT_EQ(Decoded(frame, 1), "");
}

TEST(ZstdFrame, AnyChangeIsOtherBytesOrNone) {
  std::mt19937_64 random(1);
  const std::string raw = Text(3000, 1);
  const std::string frame = Encoded(raw);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = frame;
    changed[random() % changed.size()] ^= static_cast<char>(1U << random() % 8);
    if (i % 3 == 0) changed.resize(random() % changed.size());
    static_cast<void>(Decoded(changed, raw.size()));  // it looks at what lies beside
  }
}

TEST(ZstdFrame, ADictionaryIsNeededByWhatWasMadeWithIt) {
  const std::string common = Text(20'000, 7);
  const auto encoder = EncoderDictionary::Create(AsBytes(common), 3);
  const auto dictionary = FrameDictionary::Create(AsBytes(common));
  const auto other = FrameDictionary::Create(AsBytes(Text(20'000, 8)));
  ASSERT_TRUE(encoder && dictionary && other);
  const std::string raw = common.substr(5000, 600);
  const std::string frame = Encoded(raw, 3, &*encoder);
  EXPECT_LT(frame.size(), 40U);
  EXPECT_EQ(Decoded(frame, raw.size(), &*dictionary), raw);
  EXPECT_NE(Decoded(frame, raw.size(), &*other), raw);
  EXPECT_NE(Decoded(frame, raw.size()), raw);
}

TEST(ZstdFrame, NumbersThatCannotBeAreRefused) {
  const auto fault = [](Codec codec, uint64_t size, uint64_t stored, uint8_t dictionary = 0) {
    return FaultOfFrame({.codec = codec, .dictionary = dictionary, .size_bytes = size, .stored_bytes = stored})
        .has_value();
  };
  EXPECT_FALSE(fault(Codec::kZstd, 262'144, 262'143, 7));
  EXPECT_FALSE(fault(Codec::kStored, 262'144, 262'144));
  EXPECT_TRUE(fault(Codec::kZstd, 262'145, 100));
  EXPECT_TRUE(fault(Codec::kZstd, 100, 100));
  EXPECT_TRUE(fault(Codec::kStored, 100, 99));
  EXPECT_TRUE(fault(Codec::kStored, 100, 101));
  EXPECT_TRUE(fault(Codec::kStored, 100, 100, 1));
}

}  // namespace
}  // namespace quire
