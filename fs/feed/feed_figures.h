// SPDX-License-Identifier: Apache-2.0
// What was pushed into the kernel's page cache and what plans told, as numbers for people and programs.
#pragma once

#include <cstdint>

#include "cache/cache_options.h"
#include "cache/policy/residency.h"

namespace quire {

struct PlanFigures {
  uint64_t told = 0;        // samples that plans named
  uint64_t ignored = 0;     // of these: beyond what a plan may hold
  uint64_t prefetched = 0;  // gone through ahead of the readers
  uint64_t overtaken = 0;   // dropped, because the readers were there before
  uint64_t expected_reads = 0;
  uint64_t unexpected_reads = 0;
  uint64_t forgotten_plans = 0;  // that the readers left
  uint64_t ahead = 0;            // as it is now: samples that were prefetched and lie ahead of the readers
  uint64_t left = 0;             // as it is now: samples that lie ahead of the prefetching
  uint64_t memory_bytes = 0;     // as it is now: held for plans
};

struct FeedFigures {
  PushMode mode = PushMode::kAuto;
  bool is_pushing = false;  // wanted, and the kernel takes it
  uint64_t pushed_samples = 0;
  uint64_t pushed_bytes = 0;
  uint64_t refused_pushes = 0;  // the kernel did not know the inode
  PushFigures push;
  PlanFigures plan;
  uint64_t plan_unknown = 0;  // entries of plans that name no sample
};

}  // namespace quire
