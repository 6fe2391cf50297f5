// Which samples `quire bench formats` takes, and the copy of them that all containers are built from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/archive_stores.h"

namespace quire::bench {

// `wanted` of the numbers from 0 to count - 1, ascending and evenly spaced; all of them where there are no more.
std::vector<uint64_t> SpreadEvenly(uint64_t count, uint64_t wanted);

// Numbers of `sizes`, evenly spaced, that have at most `limit_bytes` together: all of them if they have, otherwise
// about as many as fit. Empty when not even the first fits.
std::vector<uint64_t> SpreadWithin(std::span<const uint64_t> sizes, uint64_t limit_bytes);

struct SampleLimits {
  uint64_t samples = 0;
  uint64_t bytes = 0;
};

struct ChosenSamples {
  SampleList list;
  uint64_t found = 0;       // samples below the root, chosen or not
  uint64_t disk_bytes = 0;  // what a copy of them as files takes, rounded up
};

// Chosen evenly over the path order of all samples below `root`. kNotFound when there is none, kInvalid when the limit
// admits none.
Result<ChosenSamples> ChooseSamples(const std::string& root, const SampleLimits& limits);

struct SampleCopy {
  SampleList list;
  uint64_t bytes = 0;
  uint64_t left_out = 0;            // could not be read
  std::string first_left_out = {};  // which, and why
};

// Copies the samples, and nothing else of them than their bytes, into the new folder `to`, and syncs its file system.
// kUnreadable when not one could be read.
Result<SampleCopy> CopySamples(const SampleList& samples, const std::string& to, const Stop& stop);

// Asks the kernel to forget the cached bytes of the samples.
void EvictSamples(const SampleList& samples);

// Bytes on disk of all that lies below `folder`, and of itself.
uint64_t DiskUsage(const std::string& folder);

}  // namespace quire::bench
