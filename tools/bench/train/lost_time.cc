// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/lost_time.h"

#include <algorithm>
#include <array>
#include <fstream>

namespace quire::bench {
namespace {

// Less is what clocks and schedulers cost anywhere.
constexpr double kHardlyAnything = 0.02;
// Of the machine's cores: a daemon that takes so much of them is what the readers wait for. Its threads are not more
// than that, as a rule, where a disk is what it waits for: a core reads several GB a second.
constexpr double kBusyDaemon = 0.5;

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

}  // namespace

WorkerTimes operator+(const WorkerTimes& a, const WorkerTimes& b) {
  return {.reading = a.reading + b.reading,
          .cpu = a.cpu + b.cpu,
          .decoding = a.decoding + b.decoding,
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
  if (use.wall_seconds - use.nominal_seconds < kHardlyAnything * use.wall_seconds) return LostTo::kNothing;
  if (use.barrier_seconds > std::max(use.stall_seconds, use.overshoot_seconds)) return LostTo::kBarrier;
  // A sleep ends late where no core is free for who slept.
  if (use.overshoot_seconds > use.stall_seconds) return LostTo::kProcessor;
  if (witness.daemon_cpu_seconds && *witness.daemon_cpu_seconds > kBusyDaemon * witness.cores * witness.seconds)
    return LostTo::kDaemon;
  // Workers that had batches ready waited for nothing that was slow: what counts is the time that they worked.
  const double working = witness.workers.reading + witness.workers.decoding;
  return witness.workers.cpu + witness.workers.run_queue > working / 2 ? LostTo::kProcessor : LostTo::kStorage;
}

}  // namespace quire::bench
