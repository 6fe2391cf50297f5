// SPDX-License-Identifier: Apache-2.0
// Where the pages of a pack are: the whole answer of `quire map`, in words and as JSON. Pictures of it are drawn by
// terminal_picture.h, svg_picture.h and png_picture.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fs/json_text.h"
#include "tools/map/page_levels.h"

namespace quire {

struct MapReport {
  std::string source;                           // the pack, as it was named or as its mount names it
  std::optional<std::string> mount_point = {};  // of a mount
  std::vector<VolumePages> volumes = {};
  uint64_t left_out_volumes = 0;  // which the mount does not tell of, since they are too many
};

// Volumes of which each gets a picture of its own; where there are more, one picture has all of them.
inline constexpr size_t kMostPictures = 8;

// A part of the report that is one picture.
struct MapPart {
  std::string title;  // empty where there is but one
  std::span<const VolumePages> volumes;
};
// The parts of `report`, which must outlive them. Volumes without bytes are in none.
std::vector<MapPart> PartsOf(const MapReport& report);

// "Resident pages: 312/1024  624 MiB/2.0 GiB  30.5 %": in memory, in the page cache or in the tier, as far as it is
// known.
std::string SummaryLine(const MapReport& report);
// "12 pages, 24.0 MiB, 1.2 %" of a level in all volumes, or why that is not known; nothing where it applies to none.
std::optional<std::string> DescribeLevel(const MapReport& report, Level level);
// "each cell is 4 pages, 8.0 MiB"
std::string DescribeCell(uint64_t pages_per_cell);
// What is to be known beside all that, in sentences: volumes that the mount cannot read, or does not tell of.
std::vector<std::string> NotesOf(const MapReport& report);

Json MapJson(const MapReport& report);

}  // namespace quire
