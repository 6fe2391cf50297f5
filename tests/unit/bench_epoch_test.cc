// SPDX-License-Identifier: Apache-2.0
// Goal: an epoch reads what it was asked to, once each, and its figures say what happened.
// Method: a store in memory that counts its reads in shared memory, so that readers may be threads or processes.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "tools/bench/epoch.h"
#include "tools/bench/epoch_insights.h"

namespace quire::bench {
namespace {

constexpr uint64_t kSamples = 1000;

// What the store does with a sample beside counting it.
enum class Behaviour : uint8_t { kRead, kFail, kSleep, kDie, kAllTakeTwoMilliseconds };

class CountingStore final : public SampleStore {
 public:
  explicit CountingStore(uint64_t odd_sample = kSamples, Behaviour behaviour = Behaviour::kRead)
      : odd_sample_(odd_sample), behaviour_(behaviour) {
    void* const memory = mmap(nullptr, kSamples * sizeof(std::atomic<uint64_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    reads_ = new (memory) std::atomic<uint64_t>[kSamples] {};
  }
  CountingStore(const CountingStore&) = delete;
  CountingStore& operator=(const CountingStore&) = delete;
  ~CountingStore() override { munmap(reads_, kSamples * sizeof(std::atomic<uint64_t>)); }

  Result<void> List() override { return {}; }
  [[nodiscard]] uint64_t sample_count() const override { return kSamples; }
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return std::vector<uint64_t>{}; }
  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    if (refuse_readers) return MakeError(ErrorCode::kUnreadable, "the store is shut");
    return std::make_unique<Reader>(*this);
  }

  [[nodiscard]] uint64_t reads(uint64_t sample) const { return reads_[sample]; }

  bool refuse_readers = false;

 private:
  class Reader final : public StoreReader {
   public:
    explicit Reader(const CountingStore& store) : store_(store) {}
    Result<uint64_t> Read(uint64_t sample) override {
      ++store_.reads_[sample];
      if (store_.behaviour_ == Behaviour::kAllTakeTwoMilliseconds)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (sample == store_.odd_sample_) {
        if (store_.behaviour_ == Behaviour::kFail)
          return MakeError(ErrorCode::kUnreadable, "sample {} is gone", sample);
        if (store_.behaviour_ == Behaviour::kSleep) std::this_thread::sleep_for(std::chrono::milliseconds(50));
        if (store_.behaviour_ == Behaviour::kDie) raise(SIGKILL);
      }
      return sample;  // as many bytes as its number
    }

   private:
    const CountingStore& store_;
  };

  std::atomic<uint64_t>* reads_;
  const uint64_t odd_sample_;
  const Behaviour behaviour_;
};

std::vector<uint64_t> AllSamples() { return CountUp(kSamples); }

// Whether readers are processes.
class Epoch : public testing::TestWithParam<bool> {
 protected:
  EpochSettings Settings(unsigned readers = 3) { return {.readers = readers, .processes = GetParam(), .batch = 7}; }
};
INSTANTIATE_TEST_SUITE_P(Readers, Epoch, testing::Bool(),
                         [](const auto& info) { return info.param ? "Processes" : "Threads"; });

TEST_P(Epoch, ReadsEverySampleOnce) {
  const CountingStore store;
  const auto figures = RunEpoch(store, AllSamples(), Settings(), StorageWatch());
  ASSERT_TRUE(figures) << figures.error().message;
  for (uint64_t sample = 0; sample < kSamples; ++sample) ASSERT_EQ(store.reads(sample), 1U) << sample;
  EXPECT_EQ(figures->samples, kSamples);
  EXPECT_EQ(figures->bytes, kSamples * (kSamples - 1) / 2);
  EXPECT_EQ(figures->failures, 0U);
  EXPECT_TRUE(figures->complete);
  EXPECT_EQ(figures->latency_seconds.size(), kSamples);
  EXPECT_TRUE(std::ranges::is_sorted(figures->latency_seconds));
  EXPECT_FALSE(figures->spent.daemon_cpu_seconds);
}

TEST_P(Epoch, CountsWhatCannotBeRead) {
  const CountingStore store(500, Behaviour::kFail);
  const auto figures = RunEpoch(store, AllSamples(), Settings(), StorageWatch());
  ASSERT_TRUE(figures) << figures.error().message;
  EXPECT_EQ(figures->samples, kSamples - 1);
  EXPECT_EQ(figures->failures, 1U);
  EXPECT_EQ(figures->first_failure, "sample 500 is gone");
  EXPECT_EQ(figures->latency_seconds.size(), kSamples - 1);
}

TEST_P(Epoch, StopsAtTheLimit) {
  const CountingStore store(0, Behaviour::kSleep);
  EpochSettings settings = Settings(1);
  settings.limit_seconds = 0.02;
  const auto figures = RunEpoch(store, AllSamples(), settings, StorageWatch());
  ASSERT_TRUE(figures) << figures.error().message;
  EXPECT_FALSE(figures->complete);
  EXPECT_EQ(figures->samples, 7U);  // the batch that was claimed before the limit
  EXPECT_GE(figures->seconds, 0.05);
}

TEST_P(Epoch, MeasuresTheSlowSampleAlone) {
  const CountingStore store(999, Behaviour::kSleep);
  const auto figures = RunEpoch(store, AllSamples(), Settings(), StorageWatch());
  ASSERT_TRUE(figures) << figures.error().message;
  EXPECT_GE(figures->latency_seconds.back(), 0.05);
  EXPECT_LT(figures->latency_seconds[kSamples / 2], 0.05);
}

TEST_P(Epoch, MeasuresAStoreWithAKnownDelay) {
  const CountingStore store(0, Behaviour::kAllTakeTwoMilliseconds);
  const auto figures = RunEpoch(store, AllSamples(), Settings(4), StorageWatch());
  ASSERT_TRUE(figures) << figures.error().message;
  EXPECT_GE(figures->latency_seconds.front(), 0.002);
  ASSERT_EQ(figures->piece_rates.size(), 10U);
  for (const double rate : figures->piece_rates) EXPECT_LE(rate, 2000);
  // Four readers that wait for 2 ms each come to 2,000 samples a second, and less on a machine that is busy.
  EXPECT_LE(figures->samples_per_second(), 2000);
  EXPECT_GE(figures->samples_per_second(), 500) << "four readers that take turns";
  EXPECT_LT(figures->reader_cpu_seconds, figures->seconds);
}

TEST_P(Epoch, StopsAndAwaitsWhatRunsBeside) {
  const CountingStore store;
  uint64_t reads_at_stop = 0;
  EpochSettings settings = Settings();
  settings.beside = [&](const std::stop_token& stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (uint64_t sample = 0; sample < kSamples; ++sample) reads_at_stop += store.reads(sample);
  };
  const auto figures = RunEpoch(store, AllSamples(), settings, StorageWatch());
  ASSERT_TRUE(figures) << figures.error().message;
  EXPECT_EQ(reads_at_stop, kSamples);  // it had its time until the last sample was read
}

TEST_P(Epoch, FailsWhenAReaderCannotOpenTheStore) {
  CountingStore store;
  store.refuse_readers = true;
  const auto figures = RunEpoch(store, AllSamples(), Settings(), StorageWatch());
  ASSERT_FALSE(figures);
  EXPECT_EQ(figures.error().message, "the store is shut");
  EXPECT_EQ(store.reads(0), 0U);
}

TEST_P(Epoch, EndsWhenInterrupted) {
  const CountingStore store;
  const std::atomic<bool> interrupted = true;
  EpochSettings settings = Settings();
  settings.interrupted = &interrupted;
  const auto figures = RunEpoch(store, AllSamples(), settings, StorageWatch());
  // Processes may have been through before anyone looked.
  ASSERT_TRUE(GetParam() || !figures);
  if (!figures) {
    EXPECT_EQ(figures.error().code, ErrorCode::kInterrupted);
  }
}

TEST(EpochOfProcesses, FailsWhenOneDies) {
  const CountingStore store(500, Behaviour::kDie);
  const auto figures = RunEpoch(store, AllSamples(), {.readers = 2, .processes = true}, StorageWatch());
  ASSERT_FALSE(figures);
  EXPECT_NE(figures.error().message.find("died"), std::string::npos) << figures.error().message;
}

// An epoch of 100 files with `seconds` in all.
MeasuredEpoch Made(ServedFrom from, double seconds) {
  MeasuredEpoch epoch{.from = from, .readers = 2};
  epoch.figures.samples = 100;
  epoch.figures.bytes = 1'000'000;
  epoch.figures.spent.fetched.bytes = from == ServedFrom::kBelow    ? 1'000'000
                                      : from == ServedFrom::kPartly ? 370'000
                                                                    : 0;
  epoch.figures.complete = true;
  epoch.figures.seconds = seconds;
  epoch.figures.open_seconds = seconds * 2 * 0.75;
  epoch.figures.reader_cpu_seconds = seconds * 2 * 0.1;
  epoch.figures.run_queue_seconds = seconds * 2 * 0.05;
  epoch.figures.latency_seconds.assign(980, 1e-3);
  epoch.figures.latency_seconds.insert(epoch.figures.latency_seconds.end(), 20, 30e-3);
  epoch.figures.piece_rates.assign(10, 100 / seconds);
  return epoch;
}

std::string Joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

TEST(EpochInsights, CompareColdWithWarm) {
  const std::string text =
      Joined(EpochInsights({Made(ServedFrom::kBelow, 8), Made(ServedFrom::kCaches, 2)}, StorageWatch()));
  EXPECT_NE(text.find("worth 4 x (4 to 4, by the tenths of both)"), std::string::npos) << text;
  EXPECT_NE(text.find("75 % went into open and fstat, 25 % into read and close: names"), std::string::npos) << text;
  EXPECT_NE(text.find("30 x the median"), std::string::npos) << text;
  EXPECT_NE(text.find("computed for 10 % of that time, waited for a core for 5 %"), std::string::npos) << text;
}

TEST(EpochInsights, SayNothingOfCachesThatServedBothOrNeither) {
  for (const auto& [first, last] :
       {std::pair(ServedFrom::kCaches, ServedFrom::kCaches), std::pair(ServedFrom::kBelow, ServedFrom::kBelow),
        std::pair(ServedFrom::kPartly, ServedFrom::kCaches)}) {
    const std::string text = Joined(EpochInsights({Made(first, 8), Made(last, 2)}, StorageWatch()));
    EXPECT_EQ(text.find("worth"), std::string::npos) << text;
  }
}

TEST(EpochInsights, TellThatDroppedCachesDidNotMakeItCold) {
  MeasuredEpoch epoch = Made(ServedFrom::kPartly, 1);
  epoch.prepared = Prepared::kDropped;
  EXPECT_EQ(LabelOf(epoch), "37 % cold");
  const std::string text = Joined(EpochInsights({epoch}, StorageWatch()));
  EXPECT_NE(text.find("yet epoch 1 was not cold: 361 KiB of its 977 KiB came from below"), std::string::npos) << text;
  epoch = Made(ServedFrom::kBelow, 1);
  epoch.prepared = Prepared::kDropped;
  EXPECT_EQ(Joined(EpochInsights({epoch}, StorageWatch())).find("not cold"), std::string::npos);
}

TEST(EpochInsights, TellNoPercentileOfTooFewFiles) {
  MeasuredEpoch epoch = Made(ServedFrom::kCaches, 1);
  epoch.figures.latency_seconds.resize(38);
  EXPECT_EQ(Joined(EpochInsights({epoch}, StorageWatch())).find("in a hundred"), std::string::npos);
}

TEST(EpochInsights, CachesThatScatterAreWorthNothingThatIsTold) {
  MeasuredEpoch cold = Made(ServedFrom::kBelow, 2);
  MeasuredEpoch warm = Made(ServedFrom::kCaches, 1.9);
  cold.figures.piece_rates = {100, 20, 80, 10, 90, 30, 70, 40, 60, 50};
  warm.figures.piece_rates = {50, 90, 40, 70, 20, 80, 30, 100, 10, 65};
  EXPECT_EQ(Joined(EpochInsights({cold, warm}, StorageWatch())).find("worth"), std::string::npos);
}

TEST(MoreReadersInsight, SaysWhatThePairsDecide) {
  MoreReaders more{.readers = 2, .from = ServedFrom::kBelow};
  more.fewer_rates = {100, 101, 99, 100, 102, 98, 100, 100, 101, 99};
  more.more_rates = {150, 151, 152, 149, 148, 150, 150, 153, 147, 150};
  EXPECT_NE(MoreReadersInsight(more).find("4 readers instead of 2 (cold) came to 1.5 x"), std::string::npos);
  EXPECT_NE(MoreReadersInsight(more).find("more readers help"), std::string::npos);
  std::swap(more.fewer_rates, more.more_rates);
  EXPECT_NE(MoreReadersInsight(more).find("more readers hurt"), std::string::npos);
  more.more_rates = {50, 160, 90, 200, 60, 120, 40, 180, 100, 110};
  more.fewer_rates = {100, 101, 99, 100, 102, 98, 100, 100, 101, 99};
  EXPECT_NE(MoreReadersInsight(more).find("no difference that could be told"), std::string::npos);
  more.more_rates.resize(3);
  EXPECT_NE(MoreReadersInsight(more).find("cannot be told"), std::string::npos);
}

TEST(EpochInsights, BeginWithFailures) {
  MeasuredEpoch epoch = Made(ServedFrom::kCaches, 1);
  epoch.figures.failures = 3;
  epoch.figures.first_failure = "a: gone";
  EXPECT_EQ(EpochInsights({epoch}, StorageWatch()).front(), "3 reads failed; the first: a: gone");
}

TEST(EpochInsights, TellOfAPlanThatFellBehindAlone) {
  MeasuredEpoch epoch = Made(ServedFrom::kCaches, 1);
  for (const auto& [planned, is_told] : {std::pair(100, false), std::pair(99, true), std::pair(0, true)}) {
    epoch.planned_samples = planned;
    const std::string text = Joined(EpochInsights({epoch}, StorageWatch()));
    EXPECT_EQ(text.find("The plan fell behind") != std::string::npos, is_told) << text;
  }
}

TEST(EpochInsights, SurviveAnEpochThatReadNothing) {
  MeasuredEpoch epoch = Made(ServedFrom::kCaches, 0);
  epoch.figures = {};
  epoch.figures.failures = 1;
  EXPECT_EQ(EpochInsights({epoch}, StorageWatch()).size(), 1U);
}

}  // namespace
}  // namespace quire::bench
