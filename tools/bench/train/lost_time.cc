// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/lost_time.h"

#include <algorithm>
#include <array>
#include <fstream>

namespace quire::bench {
namespace {

constexpr double kLeastSeconds = 1e-9;  // one that is divided by
// Less is what clocks and schedulers cost anywhere.
constexpr double kHardlyAnything = 0.02;
// Of the machine's cores: a daemon that takes so much of them is what the readers wait for. Its threads are not more
// than that, as a rule, where a disk is what it waits for: a core reads several GB a second.
constexpr double kBusyDaemon = 0.5;
// Of the time: a thread of a daemon that has so little rest is one through which all goes. The time has the start of
// workers in it, and so is not all of it.
constexpr double kBusyThread = 0.7;

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345", in microseconds (psi in the kernel's documentation).
std::optional<double> SomeTotal(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || !line.starts_with("some ")) return std::nullopt;
  const size_t total = line.find("total=");
  if (total == std::string::npos) return std::nullopt;
  return std::stod(line.substr(total + 6)) / 1e6;
}

std::optional<double> Apply(const std::optional<double>& a, const std::optional<double>& b, double sign) {
  if (!a || !b) return std::nullopt;
  return *a + sign * *b;
}

// A daemon that waits for a core longer than it has one is not what is slow.
LostTo DaemonOrProcessor(const Spent& spent) {
  const bool lacks_cores = spent.daemon_run_queue_seconds.value_or(0) > spent.daemon_cpu_seconds.value_or(0);
  return lacks_cores ? LostTo::kProcessor : LostTo::kDaemon;
}

// What workers waited for that had no time left.
LostTo JudgeReading(const LossWitness& witness) {
  const Spent& spent = witness.spent;
  if (spent.daemon_cpu_seconds.value_or(0) > kBusyDaemon * witness.cores * witness.seconds) return LostTo::kDaemon;
  if (spent.daemon_busiest_seconds.value_or(0) > kBusyThread * witness.seconds) return DaemonOrProcessor(spent);
  const WorkerTimes& workers = witness.workers;
  const double working = workers.reading + workers.decoding;
  return workers.cpu + workers.run_queue > working / 2 ? LostTo::kProcessor : LostTo::kStorage;
}

}  // namespace

WorkerTimes operator+(const WorkerTimes& a, const WorkerTimes& b) {
  return {.reading = a.reading + b.reading,
          .cpu = a.cpu + b.cpu,
          .decoding = a.decoding + b.decoding,
          .idle = a.idle + b.idle,
          .run_queue = a.run_queue + b.run_queue};
}

Pressure ReadPressure(const std::string& folder) {
  return {.cpu = SomeTotal(folder + "/cpu"), .io = SomeTotal(folder + "/io"), .memory = SomeTotal(folder + "/memory")};
}

Pressure operator-(const Pressure& after, const Pressure& before) {
  return {.cpu = Apply(after.cpu, before.cpu, -1),
          .io = Apply(after.io, before.io, -1),
          .memory = Apply(after.memory, before.memory, -1)};
}

Pressure operator+(const Pressure& a, const Pressure& b) {
  return {.cpu = Apply(a.cpu, b.cpu, 1), .io = Apply(a.io, b.io, 1), .memory = Apply(a.memory, b.memory, 1)};
}

const char* LostToName(LostTo lost_to) {
  static constexpr std::array kNames = {"nothing", "storage", "daemon", "processor", "barrier"};
  return kNames.at(static_cast<size_t>(lost_to));
}

LostTo JudgeLoss(const Utilisation& use, const LossWitness& witness) {
  const double lost = 1 - use.au();
  if (lost < kHardlyAnything) return LostTo::kNothing;
  // A sleep ends late where no core is free for who slept.
  if (use.overshoot_seconds > use.stall_seconds) return LostTo::kProcessor;
  const LostTo lost_to = JudgeReading(witness);
  const WorkerTimes& workers = witness.workers;
  const double idle = workers.idle / std::max(workers.idle + workers.reading + workers.decoding, kLeastSeconds);
  const bool is_late = use.barrier_seconds > use.stall_seconds && idle > lost / 2;
  return is_late && lost_to == LostTo::kStorage ? LostTo::kBarrier : lost_to;
}

}  // namespace quire::bench
