// SPDX-License-Identifier: Apache-2.0
// Which volumes of a pack a tier keeps, and under which keys.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/tier/tier_options.h"
#include "cache/tier/tier_source.h"
#include "format/pack/pack.h"
#include "format/pack/pack_bytes.h"
#include "format/result.h"

namespace quire {

// Of a pack's parts, from the first byte on to the end of the newest layer. `source`: the pack's path, or its URL. What
// tells a layer is its root sum, which stands for all that this layer and those below it hold: so a pack that has grown
// has the keys that it had and further ones, and one that was packed anew has none of them.
std::vector<TierKey> TierKeysOf(const std::string& source, const IndexLayers& layers);
// Of a file that is open: those of `pack`, by its path, or where that is null one key of an archive, by its path, size,
// time and inode.
Result<std::vector<TierKey>> TierKeysOfFile(int fd, const Pack* pack);

// An object far away, in which a pack lies, with a tier before it. An error where the tier cannot be had, or its server
// does not say by what one state of the object is told from another.
Result<std::unique_ptr<PackBytes>> OpenTieredBytes(std::unique_ptr<PackBytes> object, const TierOptions& options);

// For a pack that was opened by that, or by none: opens the parts of the tier that were not known before its layers
// were.
Result<void> OpenTierParts(const Pack& pack);

// For the volumes that `pack` has open, one behind the other: an object's tier that is open already, the pack by its
// layers, and archives. None for decoded ones, which are computed from others.
Result<TierVolumes> OpenTierVolumes(const Pack& pack, const TierOptions& options);

}  // namespace quire
