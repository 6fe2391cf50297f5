#include "tools/bench/formats_contest.h"

#include <algorithm>
#include <random>

#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

enum Pass : uint8_t { kPath, kRandom, kWarm, kPasses };

std::vector<ReadFigures> EmptyFigures(const std::vector<Contestant>& contestants, bool cold) {
  const char* const emptied = cold ? "cold" : "evicted";
  std::vector<ReadFigures> figures;
  for (const Contestant& contestant : contestants) {
    figures.push_back({contestant.format, "path", emptied});
    figures.push_back({contestant.format, "random", emptied});
    figures.push_back({contestant.format, "random", "warm"});
  }
  return figures;
}

std::vector<uint64_t> RandomOrder(uint64_t samples, uint64_t seed) {
  auto order = CountUp(samples);
  std::ranges::shuffle(order, std::mt19937_64(seed));
  return order;
}

Result<void> EmptyCaches(const Contestant& contestant, bool cold) {
  if (auto evicted = contestant.store->Evict(); !evicted) return evicted;
  return cold ? DropCaches() : Result<void>();
}

class Contest {
 public:
  Contest(const std::vector<Contestant>& contestants, const ContestSettings& settings, StepProgress& progress)
      : contestants_(contestants),
        settings_(settings),
        progress_(progress),
        figures_(EmptyFigures(contestants, settings.cold)) {}

  Result<void> RunRound(unsigned repeat) {
    for (const Pass pass : {kPath, kRandom}) {
      for (const size_t number : RoundOrder(contestants_.size(), repeat)) {
        const Contestant& contestant = contestants_[number];
        const uint64_t samples = contestant.store->sample_count();
        auto order = pass == kPath ? CountUp(samples) : RandomOrder(samples, settings_.seed + repeat);
        progress_.Begin(fmt::format("{}, {}", contestant.format, pass == kPath ? "path order" : "random order"));
        if (auto emptied = EmptyCaches(contestant, settings_.cold); !emptied) return emptied;
        if (auto read = Read(number, pass, order); !read) return read;
        if (pass != kRandom || repeat + 1 != settings_.repeats) continue;
        // What the last epoch read is in the cache now, if memory suffices: where it was cut, no more than that.
        const EpochFigures& last = FiguresOf(number, kRandom).epochs.back();
        order.resize(last.samples + last.failures);
        progress_.Begin(fmt::format("{}, random order, warm", contestant.format));
        if (auto read = Read(number, kWarm, order); !read) return read;
      }
    }
    return {};
  }

  std::vector<ReadFigures> TakeFigures() { return std::move(figures_); }

 private:
  ReadFigures& FiguresOf(size_t number, Pass pass) { return figures_[number * kPasses + pass]; }

  Result<void> Read(size_t number, Pass pass, std::span<const uint64_t> order) {
    const Contestant& contestant = contestants_[number];
    auto epoch = RunEpoch(*contestant.store, order, settings_.epoch, contestant.daemons);
    if (!epoch) return Propagate(std::move(epoch));
    FiguresOf(number, pass).epochs.push_back(std::move(*epoch));
    return {};
  }

  const std::vector<Contestant>& contestants_;
  const ContestSettings& settings_;
  StepProgress& progress_;
  std::vector<ReadFigures> figures_;
};

}  // namespace

std::vector<size_t> RoundOrder(size_t contestants, size_t round) {
  std::vector<size_t> order;
  for (size_t i = 0; i < contestants; ++i) {
    const size_t zigzag = i % 2 == 1 ? (i + 1) / 2 : (contestants - i / 2) % contestants;  // 0, 1, n-1, 2, n-2, ...
    order.push_back((zigzag + round) % contestants);
  }
  return order;
}

uint64_t ContestSteps(size_t contestants, unsigned repeats) { return contestants * (2 * repeats + 1); }

Result<std::vector<ReadFigures>> RunContest(const std::vector<Contestant>& contestants, const ContestSettings& settings,
                                            StepProgress& progress) {
  Contest contest(contestants, settings, progress);
  for (unsigned repeat = 0; repeat < settings.repeats; ++repeat)
    if (auto ran = contest.RunRound(repeat); !ran) return Propagate(std::move(ran));
  return contest.TakeFigures();
}

}  // namespace quire::bench
