// SPDX-License-Identifier: Apache-2.0
// Where the time went that accelerators lost: to the storage, to a daemon before it, to the processor, or to waiting
// for each other.
#pragma once

#include <optional>
#include <string>

#include "tools/bench/storage_watch.h"
#include "tools/bench/train/utilisation.h"

namespace quire::bench {

// What all workers of a run did, in seconds of all of them added up.
struct WorkerTimes {
  double reading = 0;    // samples
  double cpu = 0;        // user and system time
  double decoding = 0;   // of that, for --decode-us
  double idle = 0;       // with as many batches ready as they may read ahead
  double run_queue = 0;  // ready to run, and without a core (/proc/PID/schedstat); 0 where the kernel does not tell
};
WorkerTimes operator+(const WorkerTimes& a, const WorkerTimes& b);

// How long anything on the machine waited for a resource so far, seconds (/proc/pressure, "some"); empty where the
// kernel does not tell.
struct Pressure {
  std::optional<double> cpu = {};
  std::optional<double> io = {};
  std::optional<double> memory = {};
};
Pressure ReadPressure(const std::string& folder = "/proc/pressure");
// What came about from `before` to `after`, and what came about in two times together.
Pressure operator-(const Pressure& after, const Pressure& before);
Pressure operator+(const Pressure& a, const Pressure& b);

enum class LostTo : uint8_t { kNothing, kStorage, kDaemon, kProcessor, kBarrier };
// "nothing", "storage", "daemon", "processor", "barrier": of JSON.
const char* LostToName(LostTo lost_to);

struct LossWitness {
  WorkerTimes workers = {};
  Spent spent = {};
  double seconds = 0;  // in which all of that came about
  unsigned cores = 1;
};

// What took the most of it; kNothing where they lost less than a fiftieth of their time. Pure function.
//
// An accelerator that waits at the barrier waits for another that waits for its batch, so that the barrier is a cause
// of its own only where workers had time left: then all batches together came soon enough, and single ones too late.
// Where they had none, all are slow; and where cores are short, those make batches late. Pressure is not asked: readers
// that wait for a daemon or a server put no I/O under it, and on few cores some of many workers always wants one.
LostTo JudgeLoss(const Utilisation& use, const LossWitness& witness);

}  // namespace quire::bench
