// SPDX-License-Identifier: Apache-2.0
// How commands that read a pack once, in order, set up its cache.
#pragma once

#include "cache/cache_options.h"
#include "format/pack/geometry.h"

namespace quire {

// Few pages, so that a command starts at once: room for the page in use and for those that are read ahead. Transparent
// huge pages, because reserved ones are meant for mounts.
inline constexpr CacheOptions kReadOnce = {.cache_bytes = 8 * kPageBytes, .huge = HugePages::kThp};

}  // namespace quire
