// SPDX-License-Identifier: Apache-2.0
// The files that samples of a pack lie in beside the pack itself: archives that were indexed as they are. A pack is
// made by anybody, so it opens only what lies in its own folder or in a place that its user names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/pack/index.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

// Files, and folders with all that lies in them, that volumes may be beside those in the pack's folder. Symlinks are
// followed, and what they come to must lie in such a place.
using VolumePlaces = std::vector<std::string>;

// Descriptors by volume; -1 of one that cannot be had.
using VolumeFds = std::vector<int>;

// A volume of kind kDecoded has no file, and is to be had where its base is.
struct VolumeFile {
  Volume record;
  std::string path;  // as the index names it; "" where that could not be read
  File file;         // open where `error` is empty and this is no decoded volume
  std::optional<Error> error;
};

// Volumes 1 to `count` of the pack at `pack_path`. Only regular files are opened, and only those of the identity that
// the index states. Blocks in I/O. REQUIRES: the index has as many.
std::vector<VolumeFile> OpenVolumeFiles(const Index& index, uint16_t count, const std::string& pack_path,
                                        const VolumePlaces& places);

// An error where the file is not in the state that was indexed: what was read of it until now may be anything.
Result<void> CheckUnchanged(const VolumeFile& volume);

// What a volume of kind kFile states of `file`.
Result<void> SetIdentity(const File& file, Volume& volume);

}  // namespace quire
