// Goal: one read an extent whatever the number of threads, bounded memory, and errors that are not remembered.
#include "cache/extent_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "cache/sample_reader.h"
#include "format/coding.h"
#include "format/path_resolver.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class ExtentCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 20; ++i) tree_.AddFile(fmt::format("{:02}", i), Noise(100'000, i));
    tree_.AddFile("large", Noise(2 * kPageBytes + 100, 99));
    tree_.WriteTo(path_);
    pack_ = ValueOrDie(Pack::Open(path_));
  }
  Node NodeAt(const std::string& path) {
    return ValueOrDie(pack_->index().GetNode(ValueOrDie(ResolvePath(pack_->index(), path, LastSymlink::kKeep))));
  }
  void Damage(ExtentNumber extent) {
    const uint64_t at = ValueOrDie(pack_->index().GetExtent(extent)).offset;
    const File file = ValueOrDie(File::Open(path_, O_RDWR));
    std::byte byte{};
    OkOrDie(file.ReadExactly(at, {&byte, 1}));
    byte ^= std::byte{1};
    OkOrDie(file.WriteAll(at, {&byte, 1}));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "t.quire";
  MemoryTree tree_;
  std::unique_ptr<Pack> pack_;
};

TEST_F(ExtentCacheTest, ReadsOnceWhileResident) {
  ExtentCache cache(*pack_, 1 << 20);
  const ExtentNumber extent = NodeAt("03").content;
  const auto first = ValueOrDie(cache.Get(extent));
  Damage(extent);  // a second read from the file would be refused
  const auto second = ValueOrDie(cache.Get(extent));
  EXPECT_EQ(first.get(), second.get());
  EXPECT_TRUE(AsText(second->span()) == Noise(100'000, 3));
}

TEST_F(ExtentCacheTest, EvictsTheLeastRecentlyUsed) {
  ExtentCache cache(*pack_, 250'000);  // two of them
  const ExtentNumber a = NodeAt("00").content;
  const ExtentNumber b = NodeAt("01").content;
  const ExtentNumber c = NodeAt("02").content;
  for (const ExtentNumber extent : {a, b, a, c}) ValueOrDie(cache.Get(extent));
  for (const ExtentNumber extent : {a, b, c}) Damage(extent);
  EXPECT_TRUE(cache.Get(a).has_value());
  EXPECT_FALSE(cache.Get(b).has_value());
  EXPECT_TRUE(cache.Get(c).has_value());
}

TEST_F(ExtentCacheTest, APinOutlivesEviction) {
  ExtentCache cache(*pack_, 1);
  const auto pin = ValueOrDie(cache.Get(NodeAt("00").content));
  ValueOrDie(cache.Get(NodeAt("01").content));
  EXPECT_TRUE(AsText(pin->span()) == Noise(100'000, 0));
}

TEST_F(ExtentCacheTest, AnErrorIsToldAndNotRemembered) {
  ExtentCache cache(*pack_, 1 << 20);
  const ExtentNumber extent = NodeAt("05").content;
  Damage(extent);
  EXPECT_EQ(cache.Get(extent).error().code, ErrorCode::kCorrupt);
  Damage(extent);  // and back
  EXPECT_TRUE(cache.Get(extent).has_value());
}

TEST_F(ExtentCacheTest, ManyThreadsSeeTheRightBytesUnderEviction) {
  SampleReader reader(*pack_, 300'000);
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const int sample = (i * 7 + t) % 20;
        const auto slices = reader.Read(NodeAt(fmt::format("{:02}", sample)), 500, 1000);
        if (!slices || slices->size() != 1 || AsText(slices->front().bytes) != Noise(100'000, sample).substr(500, 1000))
          ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ExtentCacheTest, ReadsAcrossExtentsAndIsCutAtTheEnd) {
  SampleReader reader(*pack_, 8 << 20);
  const std::string content = Noise(2 * kPageBytes + 100, 99);
  std::string read;
  for (const Slice& slice : ValueOrDie(reader.Read(NodeAt("large"), kPageBytes - 10, 10 * kPageBytes)))
    read += AsText(slice.bytes);
  EXPECT_TRUE(read == content.substr(kPageBytes - 10));
  EXPECT_TRUE(ValueOrDie(reader.Read(NodeAt("large"), content.size(), 1)).empty());
}

}  // namespace
}  // namespace quire
