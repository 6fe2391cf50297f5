// SPDX-License-Identifier: Apache-2.0
// Looks for the pages of a mount, of a pack or archives that are not mounted, or of a pack far away in a tier.
#pragma once

#include <string>

#include "format/pack/volume_files.h"
#include "format/result.h"
#include "tools/map/map_report.h"

namespace quire {

struct MapRequest {
  std::string source;        // a folder where a pack is mounted; a pack, an archive, a pattern of archives; a URL
  std::string tier;          // a tier's directory, of what is not mounted; empty: none
  VolumePlaces places = {};  // of the archives of an index
};

// Reads no byte of a volume that it does not have to, and leaves the page cache as it was. What cannot be told of a
// level stands in the report; errors are of what tells nothing at all: no mount and no file, a mount that does not
// answer or is not for this user, a directory that is no tier; kInvalid for a request that makes no sense. Blocks in
// I/O. REQUIRES: no other thread holds a lock.
Result<MapReport> LookForPages(const MapRequest& request);

}  // namespace quire
