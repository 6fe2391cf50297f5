// SPDX-License-Identifier: Apache-2.0
// Goal: what is read of a decoded volume is what was coded, from wherever it is read, and damage to a member is found
// and harms no other. Method: streams that zlib makes stand in a string in the place of an archive, with gaps between
// them.
#include "format/pack/decoded_volume.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/geometry.h"
#include "format/pack/inflate.h"
#include "format/rounding.h"
#include "format/write/frame_encoder.h"

namespace quire {
namespace {

std::string Deflate(std::string_view bytes, int level = 6) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string stored(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(stored.data());
  stream.avail_out = static_cast<uInt>(stored.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  stored.resize(stream.total_out);
  deflateEnd(&stream);
  return stored;
}

// Bytes that deflate makes a third of.
std::string TextOf(size_t size_bytes, unsigned seed) {
  std::minstd_rand random(seed);
  std::string text;
  while (text.size() < size_bytes) text += fmt::format("{:x} of {:x}\n", random() % 4096, random() % 65536);
  text.resize(size_bytes);
  return text;
}

// An archive, and the volume that is decoded from it.
class DecodedVolumeTest : public testing::Test {
 protected:
  // Puts a member where an importer might.
  void Add(std::string_view bytes, int level = 6) {
    archive_ += "a header";
    const std::string stored = Deflate(bytes, level);
    const uint64_t alignment = bytes.size() > kPageBytes || IsLong() ? kPageBytes : 8;
    uint64_t at = AlignUp(decoded_.size(), alignment);
    if (bytes.size() <= kPageBytes && at % kPageBytes + bytes.size() > kPageBytes) at = AlignUp(at, kPageBytes);
    members_.push_back({.offset = at,
                        .size_bytes = bytes.size(),
                        .stored_offset = archive_.size(),
                        .stored_bytes = stored.size(),
                        .sum = Crc32(AsBytes(bytes))});
    archive_ += stored;
    decoded_.resize(at);
    decoded_ += bytes;
  }

  // Whether the last member is one: it has its pages for itself.
  [[nodiscard]] bool IsLong() const { return !members_.empty() && members_.back().size_bytes > kPageBytes; }

  DecodedVolume& volume() {
    if (volume_ == nullptr)
      volume_ = std::make_unique<DecodedVolume>(
          0, 0, members_.size(), [this](uint64_t number) -> Result<CodedMember> { return members_[number]; },
          [this](uint64_t offset, std::span<std::byte> into) -> Result<void> {
            ++reads_;
            read_bytes_ += into.size();
            if (is_disk_broken_) return SystemError(EIO, "read");
            if (offset + into.size() > archive_.size()) return Corrupt("truncated");
            std::ranges::copy(AsBytes(archive_).subspan(offset, into.size()), into.begin());
            return {};
          },
          long_members_);
    return *volume_;
  }

  Result<std::string> Read(uint64_t offset, size_t bytes) {
    std::string into(bytes, '?');
    auto read = volume().Read(offset, std::as_writable_bytes(std::span(into)));
    if (!read) return Propagate(std::move(read));
    return into;
  }

  std::string archive_;
  std::string decoded_;
  std::vector<CodedMember> members_;
  bool is_disk_broken_ = false;
  std::atomic<uint64_t> reads_ = 0;
  std::atomic<uint64_t> read_bytes_ = 0;

  LongMembers long_members_;

 private:
  std::unique_ptr<DecodedVolume> volume_;
};

TEST_F(DecodedVolumeTest, AnyRangeIsWhatWasCoded) {
  std::minstd_rand random(1);
  for (unsigned i = 0; i < 200; ++i) Add(TextOf(1 + random() % (i % 20 == 0 ? 400'000 : 9000), i), i % 10);
  Add(TextOf(kPageBytes, 7));
  Add(TextOf(5 * kPageBytes / 2, 8));
  Add("the last one");
  for (int i = 0; i < 200; ++i) {
    const uint64_t offset = random() % decoded_.size();
    const size_t bytes = std::min<size_t>(1 + random() % 300'000, decoded_.size() - offset);
    EXPECT_TRUE(Read(offset, bytes).value() == decoded_.substr(offset, bytes)) << bytes << " at " << offset;
  }
  EXPECT_EQ(Read(decoded_.size(), 10).value(), std::string(10, '\0')) << "nothing lies behind the last member";
}

TEST_F(DecodedVolumeTest, MembersThatLieTogetherAreReadTogether) {
  for (unsigned i = 0; i < 100; ++i) Add(TextOf(3000, i));
  EXPECT_EQ(Read(0, decoded_.size()).value(), decoded_);
  EXPECT_EQ(reads_, 1U);
}

TEST_F(DecodedVolumeTest, BytesBetweenMembersAreNotReadWhereTheyAreMany) {
  Add(TextOf(3000, 1));
  archive_ += std::string(10 << 20, 'x');
  Add(TextOf(3000, 2));
  EXPECT_EQ(Read(0, decoded_.size()).value(), decoded_);
  EXPECT_EQ(reads_, 2U);
  EXPECT_LT(read_bytes_, 6000U);
}

TEST_F(DecodedVolumeTest, ADamagedMemberIsOtherBytesAndNoOtherSuffers) {
  for (unsigned i = 0; i < 3; ++i) Add(TextOf(3000, i));
  const CodedMember& damaged = members_[1];
  std::string expected = decoded_;
  expected.replace(damaged.offset, damaged.size_bytes, damaged.size_bytes, '\0');
  archive_[damaged.stored_offset] = '\x07';  // a block of the type that is none
  EXPECT_EQ(Read(0, decoded_.size()).value(), expected);
}

// The sum of what stands in its place must not be the one that is looked for.
TEST_F(DecodedVolumeTest, ADamagedMemberThatWouldBeZerosIsSomethingElse) {
  const std::string zeros(3000, '\0');
  Add(zeros);
  archive_[members_[0].stored_offset] = '\x07';
  EXPECT_EQ(Read(0, 3000).value(), std::string(3000, '\1'));
  EXPECT_EQ(Read(100, 10).value(), std::string(10, '\1'));
}

TEST_F(DecodedVolumeTest, AMemberOfAnotherSizeThanItSaysIsDamaged) {
  const std::string text = TextOf(3000, 1);
  for (const int more : {-1, 1}) {
    Add(text);
    members_.back().size_bytes += more;
  }
  EXPECT_EQ(Read(0, 2999).value(), std::string(2999, '\0'));
  EXPECT_EQ(Read(members_[1].offset, 3001).value(), std::string(3001, '\0'));
}

TEST_F(DecodedVolumeTest, ADiskThatFailsIsAnErrorAndPasses) {
  Add(TextOf(3000, 1));
  Add(TextOf(3 * kPageBytes, 2));
  is_disk_broken_ = true;
  EXPECT_EQ(Read(0, 3000).error().system_errno, EIO);
  EXPECT_EQ(Read(members_[1].offset + kPageBytes, 3000).error().system_errno, EIO);
  is_disk_broken_ = false;
  EXPECT_EQ(Read(0, decoded_.size()).value(), decoded_);
}

TEST_F(DecodedVolumeTest, ALongMemberGoesOnFromWhereItWasReadBefore) {
  Add(TextOf(8 * kPageBytes, 1));
  for (uint64_t at = 0; at < decoded_.size(); at += 100'000) {
    const size_t bytes = std::min<size_t>(100'000, decoded_.size() - at);
    EXPECT_TRUE(Read(at, bytes).value() == decoded_.substr(at, bytes)) << at;
  }
  EXPECT_LT(read_bytes_, 2 * archive_.size() + decoded_.size() / 100'000 * (128 << 10))
      << "each read takes a piece more than it uses";
  read_bytes_ = 0;
  EXPECT_TRUE(Read(5 * kPageBytes, 1000).value() == decoded_.substr(5 * kPageBytes, 1000));
  EXPECT_LE(read_bytes_, 128U << 10) << "it began at a state that was kept";
}

TEST_F(DecodedVolumeTest, ALongMemberIsReadByManyAtOnce) {
  for (unsigned i = 0; i < 5; ++i) Add(TextOf(3 * kPageBytes + 5, i));
  volume();
  std::vector<std::jthread> threads;
  for (unsigned thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      std::minstd_rand random(thread);
      for (int i = 0; i < 10; ++i) {
        const uint64_t offset = random() % (decoded_.size() - 1000);
        EXPECT_TRUE(Read(offset, 1000).value() == decoded_.substr(offset, 1000)) << offset;
      }
    });
  }
}

TEST_F(DecodedVolumeTest, StatesOfAVeryLongMemberStayFew) {
  const std::string zeros((LongMember::kMostStates + 10) * kPageBytes + 12345, '\0');
  Add(zeros);
  const uint64_t last = zeros.size() - 1000;
  EXPECT_EQ(Read(last, 1000).value(), std::string(1000, '\0'));
  for (const uint64_t page : {130U, 17U, 137U, 0U, 64U})
    EXPECT_EQ(Read(page * kPageBytes, 1000).value(), std::string(1000, '\0'));
}

// The last bytes of a stream of zeros stand for 258 each, more than there is room for.
TEST_F(DecodedVolumeTest, ALongMemberEndsBehindItsLastCodedByte) {
  for (const unsigned tail : {1U, 17U, 200U, 300U}) {
    Add(std::string(3 * kPageBytes + tail, '\0'));
    for (uint64_t page = 0; page < 4; ++page) {
      const size_t bytes = page < 3 ? kPageBytes : tail;
      EXPECT_EQ(Read(members_.back().offset + page * kPageBytes, bytes).value(), std::string(bytes, '\0')) << tail;
    }
  }
}

TEST_F(DecodedVolumeTest, DamageInALongMemberIsFoundFromThereOn) {
  Add(TextOf(4 * kPageBytes, 1));
  Add(TextOf(1000, 2));
  // What follows is no deflate any more, or other bytes.
  archive_[archive_.size() / 2] ^= 0x55;
  EXPECT_TRUE(Read(0, 1000).value() == decoded_.substr(0, 1000));
  EXPECT_EQ(Read(3 * kPageBytes, kPageBytes).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(Read(members_[1].offset, 1000).value() == decoded_.substr(members_[1].offset, 1000));
}

TEST_F(DecodedVolumeTest, ALongMemberThatInflatesToOtherBytesHasAnotherSum) {
  Add(TextOf(3 * kPageBytes, 1));
  members_[0].sum ^= 1;
  EXPECT_TRUE(Read(0, 1000).has_value()) << "nobody can know yet";
  EXPECT_EQ(Read(2 * kPageBytes, kPageBytes).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Read(3 * kPageBytes - 1, 1).error().code, ErrorCode::kCorrupt) << "each time";
}

// As short ones are.
TEST_F(DecodedVolumeTest, ALongMemberMustEndWithItsStream) {
  for (const unsigned kind : {0U, 1U, 2U}) {
    const std::string text = TextOf(3 * kPageBytes, kind);
    Add(text);
    if (kind == 1) --members_.back().stored_bytes;
    if (kind == 2) {  // it declares less than the stream has
      --members_.back().size_bytes;
      members_.back().sum = Crc32(AsBytes(std::string_view(text).substr(0, text.size() - 1)));
    }
  }
  for (const CodedMember& member : members_)
    EXPECT_EQ(Read(member.offset + member.size_bytes - 5, 5).has_value(), &member == &members_.front());
}

TEST_F(DecodedVolumeTest, ManyLongMembersAreReadSideBySide) {
  const std::string text = TextOf(6 * kPageBytes, 1);
  for (unsigned i = 0; i < 12; ++i) Add(text, 1);
  for (uint64_t page = 0; page < 6; ++page)
    for (const CodedMember& member : members_)
      EXPECT_TRUE(Read(member.offset + page * kPageBytes, 1000).value() == text.substr(page * kPageBytes, 1000));
  EXPECT_LT(read_bytes_, 2 * archive_.size()) << "each goes on where it was";
}

TEST_F(DecodedVolumeTest, StatesOfAllLongMembersAreFew) {
  const std::string zeros(LongMember::kMostStates * kPageBytes, '\0');
  for (unsigned i = 0; i < 5; ++i) Add(zeros, 1);
  size_t states = 0;
  for (unsigned i = 0; i < 5; ++i) {
    EXPECT_TRUE(Read(members_[i].offset + zeros.size() - 10, 10).has_value());
    states = 0;
    for (unsigned k = 0; k < 5; ++k) states += long_members_.Get(0, k, members_[k])->states();
    EXPECT_LE(states, LongMembers::kMostStates);
  }
  EXPECT_GT(states, LongMembers::kMostStates / 2);
}

TEST_F(DecodedVolumeTest, ReadsEndWhenTheyAreCancelled) {
  const std::string zeros(200 << 20, '\0');
  Add(zeros, 1);
  std::jthread canceller([this] {
    while (reads_ == 0) std::this_thread::yield();
    volume().Cancel();
  });
  EXPECT_EQ(Read(zeros.size() - 10, 10).error().system_errno, ECANCELED);
}

TEST_F(DecodedVolumeTest, ALongMemberThatEndsEarlyIsDamaged) {
  Add(TextOf(3 * kPageBytes, 1));
  Add(TextOf(3 * kPageBytes, 2));
  members_[0].size_bytes += 1;
  members_[1].stored_bytes /= 2;
  EXPECT_EQ(Read(3 * kPageBytes - 10, 11).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Read(members_[1].offset + 3 * kPageBytes - 10, 10).error().code, ErrorCode::kCorrupt);
}

// Of frames, with some of them as they are.
class FramedVolumeTest : public testing::Test {
 protected:
  void Add(std::string_view raw, bool is_coded = true) {
    pack_ += "other bytes";
    std::string stored(raw);
    if (is_coded)
      stored.resize(EncodeFrame(AsBytes(raw), std::as_writable_bytes(std::span(stored)), 3, nullptr).value());
    uint64_t at = AlignUp(decoded_.size(), 8);
    if (at % kFrameBytes + raw.size() > kFrameBytes) at = AlignUp(at, kFrameBytes);
    members_.push_back({.offset = at,
                        .codec = is_coded ? Codec::kZstd : Codec::kStored,
                        .size_bytes = raw.size(),
                        .stored_offset = pack_.size(),
                        .stored_bytes = stored.size(),
                        .sum = Xxh3(AsBytes(stored))});
    pack_ += stored;
    decoded_.resize(at);
    decoded_ += raw;
  }

  std::string Read(uint64_t offset, size_t bytes) {
    if (volume_ == nullptr)
      volume_ = std::make_unique<DecodedVolume>(
          0, 0, members_.size(), [this](uint64_t number) -> Result<CodedMember> { return members_[number]; },
          [this](uint64_t at, std::span<std::byte> into) -> Result<void> {
            std::ranges::copy(AsBytes(pack_).subspan(at, into.size()), into.begin());
            return {};
          },
          long_members_, FrameNeeds{.distrust = [this](uint64_t at, uint64_t length) {
            distrusted_.emplace_back(at, length);
            if (heals_) pack_ = whole_;
          }});
    std::string into(bytes, '?');
    EXPECT_TRUE(volume_->Read(offset, std::as_writable_bytes(std::span(into))).has_value());
    return into;
  }

  std::string pack_;
  std::string whole_;
  std::string decoded_;
  std::vector<CodedMember> members_;
  std::vector<std::pair<uint64_t, uint64_t>> distrusted_;
  bool heals_ = false;
  LongMembers long_members_;
  std::unique_ptr<DecodedVolume> volume_;
};

TEST_F(FramedVolumeTest, AnyRangeIsWhatWasCoded) {
  std::minstd_rand random(1);
  for (unsigned i = 0; i < 200; ++i) Add(TextOf(300 + random() % (i % 20 == 0 ? 260'000 : 9000), i), i % 4 != 0);
  for (int i = 0; i < 300; ++i) {
    const uint64_t offset = random() % decoded_.size();
    const size_t bytes = std::min<size_t>(1 + random() % 400'000, decoded_.size() - offset);
    EXPECT_TRUE(Read(offset, bytes) == decoded_.substr(offset, bytes)) << bytes << " at " << offset;
  }
  EXPECT_EQ(Read(decoded_.size(), 10), std::string(10, '\0')) << "nothing lies behind the last member";
  EXPECT_TRUE(distrusted_.empty());
}

TEST_F(FramedVolumeTest, ADamagedFrameIsOtherBytesAndNoOtherSuffers) {
  for (unsigned i = 0; i < 4; ++i) Add(TextOf(3000, i), i % 2 == 0);
  for (const size_t damaged : {0U, 1U}) {
    const CodedMember& member = members_[damaged];
    pack_[member.stored_offset + 100] ^= 1;
    const std::string read = Read(0, decoded_.size());
    EXPECT_NE(read.substr(member.offset, 3000), decoded_.substr(member.offset, 3000));
    EXPECT_EQ(read.substr(members_[damaged + 1].offset), decoded_.substr(members_[damaged + 1].offset));
    EXPECT_EQ(distrusted_, (std::vector{std::pair(member.stored_offset, member.stored_bytes)}));
    distrusted_.clear();
    pack_[member.stored_offset + 100] ^= 1;
  }
}

// A sample of zeros is what a careless filler would make of any damage to it.
TEST_F(FramedVolumeTest, DamageToZerosIsFoundToo) {
  Add(std::string(5000, '\0'));
  pack_[members_[0].stored_offset + 3] ^= 1;
  EXPECT_NE(Read(0, 5000), std::string(5000, '\0'));
}

TEST_F(FramedVolumeTest, WhatCameWrongOnceIsReadAgain) {
  for (unsigned i = 0; i < 3; ++i) Add(TextOf(3000, i));
  whole_ = pack_;
  heals_ = true;
  pack_[members_[1].stored_offset + 10] ^= 1;
  EXPECT_EQ(Read(0, decoded_.size()), decoded_);
  EXPECT_EQ(distrusted_.size(), 1U);
}

TEST_F(FramedVolumeTest, AFrameOfAnotherSizeIsDamaged) {
  Add(TextOf(3000, 1));
  Add(TextOf(3000, 2));
  for (const int64_t more : {-1, 1, 200}) {
    members_[0].size_bytes = 3000 + more;
    members_[1].offset = AlignUp(members_[0].size_bytes, 8);
    EXPECT_NE(Read(0, 1000), decoded_.substr(0, 1000)) << more;
    EXPECT_EQ(Read(members_[1].offset, 3000), TextOf(3000, 2));
  }
}

TEST(Inflate, SizesThatCannotBeAreRefused) {
  EXPECT_FALSE(FaultOfDeflated(0, 2));
  EXPECT_FALSE(FaultOfDeflated(1032, 1));
  EXPECT_TRUE(FaultOfDeflated(1033, 1)->contains("more than deflate can do"));
  EXPECT_TRUE(FaultOfDeflated(UINT64_MAX, UINT64_MAX)->contains("at most"));
  EXPECT_FALSE(FaultOfDeflated(kMaxInflatedBytes, kMaxInflatedBytes));
  EXPECT_TRUE(FaultOfDeflated(1000, 100'000)->contains("no compression"));
}

}  // namespace
}  // namespace quire
