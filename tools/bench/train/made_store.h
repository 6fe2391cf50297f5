// SPDX-License-Identifier: Apache-2.0
// A store of nothing: samples that are made in memory as fast as that goes. What reads it measures itself.
#pragma once

#include <memory>

#include "tools/bench/sample_store.h"

namespace quire::bench {

// `samples` of `bytes` each, which lie nowhere. REQUIRES: samples > 0.
std::unique_ptr<SampleStore> MakeMadeStore(uint64_t samples, uint64_t bytes);

}  // namespace quire::bench
