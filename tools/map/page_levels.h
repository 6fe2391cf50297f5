// SPDX-License-Identifier: Apache-2.0
// Where pages of a pack's volumes are, as plain values: what all that looks at them fills in, and all that draws reads.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack/geometry.h"
#include "format/rounding.h"
#include "fs/serve/page_map.h"

namespace quire {

// Where a page may be, what is nearest to its readers first.
enum class Level : uint8_t {
  kMemory,    // the mount's own memory
  kHandedOn,  // given to the kernel as samples, which may have let go of them since
  kKernel,    // the kernel's page cache of the volume's file
  kTier,      // on the node's own disk
};
inline constexpr size_t kLevels = 4;
inline constexpr std::array<Level, kLevels> kAllLevels = {Level::kMemory, Level::kHandedOn, Level::kKernel,
                                                          Level::kTier};
// As fields of JSON and for people.
inline constexpr std::array<std::string_view, kLevels> kLevelKeys = {"memory", "handed_on", "kernel", "tier"};
inline constexpr std::array<std::string_view, kLevels> kLevelNames = {"memory", "handed on", "page cache", "tier"};

// The unit in which it is told how much of a page is there: the kernel's pages.
inline constexpr uint32_t kFolioBytes = 4096;
inline constexpr uint16_t kFoliosAPage = kPageBytes / kFolioBytes;
// Of all volumes, so that figures which anybody may have written cannot make us take memory without limit: 256 TiB,
// which is all that a pack can be.
inline constexpr uint64_t kMostPages = uint64_t{1} << 27;

// What of a volume is at one level.
struct LevelPages {
  bool applies = false;                     // the volume can be there: there is a mount, a file, a tier
  std::optional<std::string> unknown = {};  // why it cannot be told what is there
  std::vector<uint16_t> folios = {};        // by page; empty: nothing is there

  [[nodiscard]] bool is_known() const { return applies && !unknown; }
  [[nodiscard]] uint16_t FoliosOf(uint64_t page) const { return page < folios.size() ? folios[page] : 0; }
};

struct VolumePages {
  std::string path;
  std::string kind = "file";
  uint64_t volume_bytes = 0;
  std::optional<std::string> error = {};  // why the mount cannot read it
  std::array<LevelPages, kLevels> levels = {};

  [[nodiscard]] uint64_t page_count() const { return CeilDiv(volume_bytes, kPageBytes); }
  // All of a page: fewer than kFoliosAPage at the end of the volume. REQUIRES: page < page_count().
  [[nodiscard]] uint16_t WholeFolios(uint64_t page) const {
    return static_cast<uint16_t>(
        std::min<uint64_t>(kFoliosAPage, CeilDiv(volume_bytes - page * kPageBytes, kFolioBytes)));
  }
  [[nodiscard]] LevelPages& At(Level level) { return levels[static_cast<size_t>(level)]; }
  [[nodiscard]] const LevelPages& At(Level level) const { return levels[static_cast<size_t>(level)]; }
};

// All of these pages are at the level. REQUIRES: they are pages of the volume.
void PutWholePages(std::span<const PageRun> runs, Level level, VolumePages& volume);

struct PageFigures {
  uint64_t pages = 0;  // of which at least something is there
  uint64_t bytes = 0;
};

// Of one level, as far as it is known; and of what is in memory, in the page cache or in the tier: each page counts
// what the level has that has most of it.
PageFigures CountLevel(const VolumePages& volume, Level level);
PageFigures CountResident(const VolumePages& volume);

// Pages of which all is at the level, and those of which a part is.
struct PresentPages {
  std::vector<PageRun> whole;
  std::vector<PageRun> part;
};
PresentPages FindPresent(const VolumePages& volume, Level level);

}  // namespace quire
