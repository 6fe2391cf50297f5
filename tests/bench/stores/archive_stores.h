// SPDX-License-Identifier: Apache-2.0
// The containers that people use today, built from a list of files and read back at random: tar (libarchive; an index
// of offsets, then pread), stored zip (libzip), LMDB (keyed by sample number).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/sample_store.h"

namespace quire::bench {

// Paths below `root`, in the order in which they are stored.
struct SampleList {
  std::string root;
  std::vector<std::string> paths;
};

// Writes `out`, which must not exist, and syncs it. On failure `out` is gone again. `stop` is asked between samples;
// when it says true the builder fails with kInterrupted. REQUIRES: at least one sample; libzip writes no empty archive.
using Stop = std::function<bool()>;
Result<void> BuildTar(const SampleList& samples, const std::string& out, const Stop& stop);
Result<void> BuildZip(const SampleList& samples, const std::string& out, const Stop& stop);
Result<void> BuildLmdb(const SampleList& samples, const std::string& out, const Stop& stop);  // one file, MDB_NOSUBDIR

// Samples are numbered in stored order, which the builders above make path order.
Result<std::unique_ptr<SampleStore>> OpenTarStore(const std::string& path);
Result<std::unique_ptr<SampleStore>> OpenZipStore(const std::string& path);
Result<std::unique_ptr<SampleStore>> OpenLmdbStore(const std::string& path);

}  // namespace quire::bench
