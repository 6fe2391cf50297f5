// SPDX-License-Identifier: Apache-2.0
// A store whose reads take a known time and are counted, in memory that processes share, since workers are processes.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "tools/bench/sample_store.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {

inline constexpr uint64_t kTimedSamples = 1000;

struct Behaviour {
  double seconds = 0;                    // that each read takes
  bool is_random = false;                // anything from nothing to twice that, for each sample always the same
  uint64_t slow_sample = kTimedSamples;  // takes slow_seconds
  uint64_t slow_every = kTimedSamples;   // and so does each sample whose number is a multiple of this, but for 0
  double slow_seconds = 0;
  uint64_t failing_sample = kTimedSamples;
  uint64_t deadly_sample = kTimedSamples;
  bool refuses_readers = false;
};

class TimedStore final : public SampleStore {
 public:
  explicit TimedStore(Behaviour behaviour) : behaviour_(behaviour) {
    void* const memory = mmap(nullptr, kSharedBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    reads_ = new (memory) std::atomic<uint64_t>[kTimedSamples] {};
    end_seconds_ = new (reads_ + kTimedSamples) std::atomic<double>[kTimedSamples] {};
  }
  TimedStore(const TimedStore&) = delete;
  TimedStore& operator=(const TimedStore&) = delete;
  ~TimedStore() override { munmap(reads_, kSharedBytes); }

  Result<void> List() override { return {}; }
  [[nodiscard]] uint64_t sample_count() const override { return kTimedSamples; }
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return CountUp(kTimedSamples); }
  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    if (behaviour_.refuses_readers) return MakeError(ErrorCode::kUnreadable, "the store is shut");
    return std::make_unique<Reader>(*this);
  }

  [[nodiscard]] uint64_t reads(uint64_t sample) const { return reads_[sample]; }
  [[nodiscard]] uint64_t all_reads() const {
    uint64_t all = 0;
    for (uint64_t i = 0; i < kTimedSamples; ++i) all += reads_[i];
    return all;
  }
  // That ended in this time, in seconds of CLOCK_MONOTONIC, of samples that were read once.
  [[nodiscard]] uint64_t ReadsBetween(double begin, double end) const {
    uint64_t reads = 0;
    for (uint64_t i = 0; i < kTimedSamples; ++i) reads += end_seconds_[i] > begin && end_seconds_[i] <= end ? 1 : 0;
    return reads;
  }
  // As of now, and all counts are 0 again.
  std::vector<uint64_t> TakeReads() {
    std::vector<uint64_t> taken;
    for (uint64_t i = 0; i < kTimedSamples; ++i) taken.push_back(reads_[i].exchange(0));
    return taken;
  }

 private:
  [[nodiscard]] double SecondsOf(uint64_t sample) const {
    if (sample == behaviour_.slow_sample || (sample > 0 && sample % behaviour_.slow_every == 0))
      return behaviour_.slow_seconds;
    if (!behaviour_.is_random) return behaviour_.seconds;
    std::mt19937_64 random(sample);
    return std::uniform_real_distribution(0.0, 2 * behaviour_.seconds)(random);
  }

  class Reader final : public StoreReader {
   public:
    explicit Reader(const TimedStore& store) : store_(store) {}
    Result<uint64_t> Read(uint64_t sample) override {
      const Behaviour& behaviour = store_.behaviour_;
      if (sample == behaviour.deadly_sample) raise(SIGKILL);
      ++store_.reads_[sample];
      if (const double seconds = store_.SecondsOf(sample); seconds > 0)
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      store_.end_seconds_[sample] = NowSeconds();
      if (sample == behaviour.failing_sample) return MakeError(ErrorCode::kUnreadable, "sample {} is gone", sample);
      return 100;
    }

   private:
    const TimedStore& store_;
  };

  static constexpr size_t kSharedBytes = kTimedSamples * (sizeof(std::atomic<uint64_t>) + sizeof(std::atomic<double>));

  const Behaviour behaviour_;
  std::atomic<uint64_t>* reads_;
  std::atomic<double>* end_seconds_;  // of the last read of each sample
};

}  // namespace quire::bench
