// SPDX-License-Identifier: Apache-2.0
// Goal: samples of every shape come out right through arena, engine and cache together, from any number of threads,
// however little memory there is; and what is done again and again allocates nothing.
// Method: real packs, real engines, real threads.
#include "cache/sample_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "format/pack/path_resolver.h"
#include "tests/support/count_allocations.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint64_t kLeastCacheBytes = kMinSlots * kPageBytes;

struct Sample {
  Node node;
  std::string content;
};

// A pack of some 25 pages: small, medium and large samples, one with holes, one that is all hole, one empty.
class Fixture {
 public:
  Fixture() {
    MemoryTree tree;
    std::mt19937_64 random(3);
    for (int i = 0; i < 300; ++i) tree.AddFile(fmt::format("small/{:03}", i), Noise(1 + random() % 5000, i));
    for (int i = 0; i < 150; ++i)
      tree.AddFile(fmt::format("medium/{:03}", i), Noise(50'000 + random() % 200'000, 500 + i));
    tree.AddFile("large", Noise(13'000'001, 900));
    tree.AddFile("empty", "");
    std::string sparse(3'000'000, '\0');
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (uint64_t at = 40'960; at < sparse.size(); at += 204'800) {
      sparse.replace(at, 4096, Noise(4096, at));
      ranges.emplace_back(at, 4096);
    }
    tree.AddSparseFile("sparse", sparse, ranges);
    tree.AddSparseFile("hole", std::string(1'000'000, '\0'), {});
    tree.WriteTo(path_ = folder_ / "pack");
    pack_ = ValueOrDie(Pack::Open(path_));
    for (const auto& [path, content] : tree.Contents()) {
      const NodeNumber number = ValueOrDie(ResolvePath(pack_->index(), path, LastSymlink::kKeep));
      samples_.push_back({ValueOrDie(pack_->index().GetNode(number)), content});
    }
  }
  [[nodiscard]] const Pack& pack() const { return *pack_; }
  [[nodiscard]] const std::vector<Sample>& samples() const { return samples_; }

 private:
  TemporaryFolder folder_;
  std::string path_;
  std::unique_ptr<Pack> pack_;
  std::vector<Sample> samples_;
};

const Fixture& TheFixture() {
  static const auto fixture = std::make_unique<const Fixture>();
  return *fixture;
}

std::string Joined(const SampleBytes& bytes) {
  std::string all;
  for (const auto slice : bytes.slices()) all.append(reinterpret_cast<const char*>(slice.data()), slice.size());
  return all;
}

class SampleReaderOn : public testing::TestWithParam<IoKind> {};

TEST_P(SampleReaderOn, ReadsEverySampleWholeAndInPieces) {
  const Fixture& fixture = TheFixture();
  const auto reader =
      ValueOrDie(SampleReader::Open(fixture.pack(), {.cache_bytes = kLeastCacheBytes, .io = GetParam()}));
  for (const Sample& sample : fixture.samples()) {
    for (const uint64_t step : {uint64_t{128} << 10, uint64_t{3} << 20}) {
      for (uint64_t at = 0; at < sample.content.size(); at += step)
        ASSERT_EQ(Joined(ValueOrDie(reader->Read(sample.node, at, step))), sample.content.substr(at, step));
    }
    EXPECT_EQ(ValueOrDie(reader->Read(sample.node, sample.content.size(), 10)).size(), 0);
  }
  reader->Drain();
}

// Sixty-four readers, two slots for pages and two for extents: everyone gets on, in the end.
void ReadFromSixtyFourThreads(const CacheOptions& options) {
  const Fixture& fixture = TheFixture();
  const auto reader = ValueOrDie(SampleReader::Open(fixture.pack(), options));
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(64);
    for (uint64_t seed = 0; seed < 64; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 60; ++i) {
          const Sample& sample = fixture.samples()[random() % fixture.samples().size()];
          const uint64_t at = sample.content.empty() ? 0 : random() % sample.content.size();
          const uint64_t bytes = 1 + random() % (256 << 10);
          const auto read = reader->Read(sample.node, at, bytes);
          if (!read || Joined(*read) != sample.content.substr(at, bytes)) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  reader->Drain();
  const CacheStats stats = reader->GetStats();
  EXPECT_EQ(stats[Counter::kVerifyFailures], 0);
  EXPECT_GT(stats[Counter::kBypasses], 0);
}

TEST_P(SampleReaderOn, ServesSixtyFourThreadsFromFourSlots) {
  for (const auto& [name, admission] : kAdmissionNames) {
    SCOPED_TRACE(name);
    ReadFromSixtyFourThreads({.cache_bytes = kLeastCacheBytes, .admission = admission, .io = GetParam()});
  }
}

// Hits, bypasses, fills and evictions go on without a single allocation of the cache's or the engine's.
TEST_P(SampleReaderOn, AllocatesNothingOnceItRuns) {
  if (!kCountsAllocations) GTEST_SKIP() << "sanitizers bring allocators of their own";
  const Fixture& fixture = TheFixture();
  const auto reader = ValueOrDie(SampleReader::Open(
      fixture.pack(), {.cache_bytes = 12 * kPageBytes, .admission = AdmissionMode::kPage, .io = GetParam()}));
  // Runs over all samples, and jumps; a read at a time, so that what is counted is the same each time.
  struct CountedRead : SampleRead {
    std::atomic<bool> is_done = false;
  };
  const auto read_some = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (size_t i = 0; i < 2000; ++i) {
      const Sample& sample =
          fixture.samples()[i % 3 == 0 ? random() % fixture.samples().size() : i / 3 % fixture.samples().size()];
      if (sample.node.kind != NodeKind::kFile) continue;  // bytes of several extents are copied together: it allocates
      SampleBytes bytes;
      if (reader->TryRead(sample.node, 0, 128 << 10, bytes)) continue;
      CountedRead read;
      read.node = sample.node;
      read.bytes = 128 << 10;
      read.done = [](SampleRead& done, Result<SampleBytes> result) {
        EXPECT_TRUE(result.has_value());
        static_cast<CountedRead&>(done).is_done = true;
      };
      reader->Start(read);
      while (!read.is_done) std::this_thread::yield();
    }
  };
  read_some(1);
  const CacheStats before = reader->GetStats();
  uint64_t allocations = 0;
  {
    const AllocationCounter counter;
    read_some(2);
    allocations = counter.count();
  }
  EXPECT_EQ(allocations, 0U);
  const CacheStats after = reader->GetStats();
  EXPECT_GT(after[Counter::kEvictedPages], before[Counter::kEvictedPages]);
  EXPECT_GT(after[Counter::kHits], before[Counter::kHits]);
  reader->Drain();
}

// Reads samples one after the other, each only once, and says what they cost.
CacheStats ReadOnce(bool is_alone, IoKind io) {
  const Fixture& fixture = TheFixture();
  const auto reader = ValueOrDie(SampleReader::Open(
      fixture.pack(), {.cache_bytes = uint64_t{1} << 30, .admission = AdmissionMode::kPage, .io = io}));
  struct WaitedRead : SampleRead {
    std::string content;
    std::atomic<bool> is_done = false;
  };
  for (const Sample& sample : fixture.samples()) {
    WaitedRead read;
    read.node = sample.node;
    read.bytes = sample.content.size();
    read.is_alone = is_alone;
    read.done = [](SampleRead& done, Result<SampleBytes> result) {
      auto& own = static_cast<WaitedRead&>(done);
      if (result) own.content = Joined(*result);
      own.is_done = true;
    };
    reader->Start(read);
    while (!read.is_done) std::this_thread::yield();
    EXPECT_EQ(read.content, sample.content);
  }
  reader->Drain();
  return reader->GetStats();
}

TEST_P(SampleReaderOn, AReadThatIsAloneFillsNoPage) {
  const CacheStats alone = ReadOnce(/*is_alone=*/true, GetParam());
  EXPECT_EQ(alone[Counter::kFillMisses] + alone[Counter::kPrefetchedPages], 0U);
  EXPECT_GT(alone[Counter::kBypasses], 0U);
  const CacheStats others = ReadOnce(/*is_alone=*/false, GetParam());
  EXPECT_GT(others[Counter::kFillMisses], 0U);
  EXPECT_EQ(others[Counter::kBypasses], 0U);
}

INSTANTIATE_TEST_SUITE_P(Engines, SampleReaderOn, testing::Values(IoKind::kUring, IoKind::kThreads),
                         [](const auto& info) { return std::string(NameOf(kIoNames, info.param)); });

TEST(SampleReader, TakesNoMoreMemoryThanThePackCanFill) {
  const Pack& pack = TheFixture().pack();
  const auto reader = ValueOrDie(SampleReader::Open(pack, {.cache_bytes = uint64_t{1} << 30, .huge = HugePages::kOff}));
  EXPECT_LE(reader->GetStats().slots, pack.superblock().pack_bytes / kPageBytes + 6);
}

TEST(SampleReader, TellsWhatOptionIsTooLarge) {
  const auto reader = SampleReader::Open(TheFixture().pack(), {.cache_bytes = uint64_t{1} << 50});
  ASSERT_FALSE(reader.has_value());
  EXPECT_EQ(reader.error().code, ErrorCode::kInvalid);
  EXPECT_NE(reader.error().message.find("cache_size"), std::string::npos) << reader.error().message;
}

}  // namespace
}  // namespace quire
