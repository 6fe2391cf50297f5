// SPDX-License-Identifier: Apache-2.0
// Which volumes of a pack a tier keeps, and under which keys.
#pragma once

#include <memory>
#include <string>

#include "cache/tier/tier_options.h"
#include "cache/tier/tier_source.h"
#include "format/pack/pack.h"
#include "format/pack/pack_bytes.h"
#include "format/result.h"

namespace quire {

// Of a file that is open. `root_sum`: of a pack, which is another one for other contents whatever its time says; 0 of
// an archive.
Result<TierKey> TierKeyOfFile(int fd, uint64_t root_sum);

// An object far away, with a tier before it. An error where the tier cannot be had, or its server does not say by what
// one state of the object is told from another.
Result<std::unique_ptr<PackBytes>> OpenTieredBytes(std::unique_ptr<PackBytes> object, const TierOptions& options);

// For the volumes that `pack` has open, one behind the other: an object's tier that is open already, and files by path,
// size, time and inode. None for decoded ones, which are computed from others.
Result<TierVolumes> OpenTierVolumes(const Pack& pack, const TierOptions& options);

}  // namespace quire
