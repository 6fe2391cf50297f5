// SPDX-License-Identifier: Apache-2.0
// Goal: small samples of a kind are compressed with what they have in common, kinds that gain nothing have no
// dictionary, and a dictionary that is damaged harms the samples that need it and no others.
#include "format/write/dictionary_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/dictionaries.h"
#include "format/pack/pack.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tests/support/forged_pack.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

// Like a record that a program writes: the same fields, other values.
std::string Record(unsigned seed) {
  std::minstd_rand random(seed + 1);
  std::string record = "{\n";
  for (const char* field : {"identifier", "annotation_count", "bounding_box", "segmentation", "category", "is_crowd"})
    record += fmt::format("  \"{}\": {},\n", field, random() % 100'000);
  return record + fmt::format("  \"file_name\": \"images/train/{:08}.jpg\"\n}}\n", random() % 1'000'000);
}

class DictionaryTest : public testing::Test {
 protected:
  // 400 records, as many texts without a suffix, noise, and a few of another kind.
  static MemoryTree Tree() {
    MemoryTree tree;
    for (unsigned i = 0; i < 400; ++i) {
      tree.AddFile(fmt::format("{:03}.JSON", i), Record(i));
      tree.AddFile(fmt::format("record {:03}", i), "[" + Record(1000 + i) + "]");
      tree.AddFile(fmt::format("{:03}.png", i), Noise(300, i));
    }
    for (unsigned i = 0; i < 10; ++i) tree.AddFile(fmt::format("{}.few", i), Record(i));
    tree.AddFile("long.json", Text(600'000, 1));
    return tree;
  }

  std::unique_ptr<Pack> Write(Compression compression, unsigned jobs = 4) {
    compression.is_each_alone = true;
    Tree().WriteTo(path_, {}, jobs, &compression);
    auto pack = ValueOrDie(Pack::Open(path_));
    pack->OpenVolumes({});
    return pack;
  }

  // Of the first frame of a sample: the number of its dictionary.
  static uint8_t DictionaryOf(const Pack& pack, const std::string& path) {
    const Index& index = pack.index();
    for (ExtentNumber number = 0; number < index.extent_count(); ++number) {
      const Extent extent = index.GetExtent(number).value();
      if (extent.volume == 0 || index.GetPath(extent.node).value() != path) continue;
      return pack.FindMember(extent.volume, extent.offset).value()->dictionary;
    }
    ADD_FAILURE() << path << " is not compressed";
    return 0;
  }

  static void ExpectWithout(const Pack& pack, const std::set<std::string>& missing) {
    for (const auto& [path, content] : Tree().Contents()) {
      const auto read = ReadSampleAt(pack, path);
      EXPECT_EQ(read.has_value(), !missing.contains(path)) << path;
      EXPECT_TRUE(!read || *read == content) << path;
    }
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "t.quire";
};

TEST_F(DictionaryTest, KindsThatGainHaveOne) {
  const auto pack = Write({});
  EXPECT_EQ(pack->index().dictionary_count(), 3U) << "none, that of .json, and that of what begins with a bracket";
  ExpectWithout(*pack, {});
  const uint8_t json = DictionaryOf(*pack, "000.JSON");
  const uint8_t brackets = DictionaryOf(*pack, "record 000");
  EXPECT_NE(json, 0);
  EXPECT_NE(brackets, 0);
  EXPECT_NE(json, brackets);
  EXPECT_EQ(DictionaryOf(*pack, "0.few"), 0) << "ten are too few";
  EXPECT_EQ(DictionaryOf(*pack, "long.json"), 0) << "it has enough of its own";
}

TEST_F(DictionaryTest, TheyMakePacksSmaller) {
  const auto with = Write({})->superblock().pack_bytes;
  const auto without = Write({.dictionary_bytes = 0})->superblock().pack_bytes;
  EXPECT_LT(with + 50'000, without) << "of 200 KB of records";
}

TEST_F(DictionaryTest, TheyHaveTheSizeThatIsAskedFor) {
  const auto pack = Write({.dictionary_bytes = 2048});
  ASSERT_GT(pack->index().dictionary_count(), 1U);
  EXPECT_LE(ReadDictionary(pack->index(), 1).value().size(), 2048U);
  ExpectWithout(*pack, {});
}

TEST_F(DictionaryTest, ThePackIsTheSameForAnyNumberOfThreads) {
  Write({}, 1);
  const std::string first = ReadFile(path_);
  Write({}, 16);
  EXPECT_TRUE(ReadFile(path_) == first);
}

TEST_F(DictionaryTest, OneThatIsWrongHarmsTheSamplesThatNeedItOnly) {
  const auto good = Write({});
  const uint8_t number = DictionaryOf(*good, "000.JSON");
  std::set<std::string> harmed;
  for (const auto& [path, content] : Tree().Contents())
    if (path.ends_with(".JSON") && DictionaryOf(*good, path) == number) harmed.insert(path);
  EXPECT_EQ(harmed.size(), 400U);
  const std::string bytes = ReadFile(path_);
  ForgedPack forged(bytes);
  const Dictionary record = DecodeDictionary(forged.record(Section::kDictionaries, number));
  const auto expect_harm = [&](std::string_view why) {
    WriteFile(path_, forged.Bytes());
    const auto pack = ValueOrDie(Pack::Open(path_));
    pack->OpenVolumes({});
    SCOPED_TRACE(why);
    ExpectWithout(*pack, harmed);
    uint64_t faults = 0;
    bool is_told = false;
    WorkerPool pool(2);
    ValueOrDie(VerifyPack(*pack, pool, {.on_fault = [&](const Fault& fault) {
      ++faults;
      is_told = is_told || fault.message.starts_with("dictionary");
    }}));
    EXPECT_EQ(faults, harmed.size() + 1);
    EXPECT_TRUE(is_told);
  };
  forged.record(Section::kDictionaryBytes, record.offset + record.bytes / 2)[0] ^= std::byte{1};
  expect_harm("a byte of it");
  // Bytes that begin as a dictionary does and are none, with a good sum.
  const auto in_section =
      forged.body().subspan(forged.superblock.section(Section::kDictionaryBytes).offset + record.offset, record.bytes);
  std::ranges::fill(in_section.subspan(8), std::byte{0xFF});
  Dictionary lying = record;
  lying.sum = Xxh3(in_section);
  forged.Replace(Section::kDictionaries, number, lying);
  expect_harm("no dictionary");
  for (const auto& [bytes_of_it, offset] :
       {std::pair(uint32_t{0}, record.offset), std::pair(kMaxDictionaryBytes + 1, record.offset),
        std::pair(record.bytes, uint64_t{1} << 40), std::pair(record.bytes, UINT64_MAX)}) {
    forged = ForgedPack(bytes);
    lying = record;
    lying.bytes = bytes_of_it;
    lying.offset = offset;
    forged.Replace(Section::kDictionaries, number, lying);
    expect_harm("its place");
  }
}

TEST(Kinds, AreToldBySuffixThenByContent) {
  const auto kind = [](std::string_view name, std::string_view head) { return KindOfSample(name, AsBytes(head)); };
  EXPECT_EQ(kind("a/b.JSON", "x"), ".json");
  EXPECT_EQ(kind("b.tar.gz", "x"), ".gz");
  EXPECT_EQ(kind(".hidden", "{ }"), "braces");
  EXPECT_EQ(kind("b.averylongsuffix", " <xml>"), "markup");
  EXPECT_EQ(kind("b.", "words\n"), "text");
  EXPECT_EQ(kind("b.c d", std::string_view("\0\1", 2)), "binary");
  EXPECT_EQ(kind("b", ""), "text");
}

}  // namespace
}  // namespace quire
