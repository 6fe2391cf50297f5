// SPDX-License-Identifier: Apache-2.0
#include "tools/map/page_levels.h"

#include <cassert>

namespace quire {
namespace {

// What is handed on may be there no more.
constexpr std::array kSureLevels = {Level::kMemory, Level::kKernel, Level::kTier};

// The last folio of a volume has fewer bytes.
uint64_t BytesOf(const VolumePages& volume, uint64_t page, uint16_t folios) {
  const uint64_t page_bytes = std::min<uint64_t>(kPageBytes, volume.volume_bytes - page * kPageBytes);
  return std::min<uint64_t>(uint64_t{folios} * kFolioBytes, page_bytes);
}

}  // namespace

void PutWholePages(std::span<const PageRun> runs, Level level, VolumePages& volume) {
  if (runs.empty()) return;
  std::vector<uint16_t>& folios = volume.At(level).folios;
  folios.resize(volume.page_count());
  for (const PageRun& run : runs) {
    assert(run.first + run.count <= volume.page_count());
    for (uint64_t page = run.first; page < run.first + run.count; ++page) folios[page] = volume.WholeFolios(page);
  }
}

PageFigures CountLevel(const VolumePages& volume, Level level) {
  PageFigures figures;
  const std::vector<uint16_t>& folios = volume.At(level).folios;
  for (uint64_t page = 0; page < folios.size(); ++page) {
    figures.pages += folios[page] > 0 ? 1 : 0;
    figures.bytes += BytesOf(volume, page, folios[page]);
  }
  return figures;
}

PageFigures CountResident(const VolumePages& volume) {
  PageFigures figures;
  for (uint64_t page = 0; page < volume.page_count(); ++page) {
    uint16_t most = 0;
    for (const Level level : kSureLevels) most = std::max(most, volume.At(level).FoliosOf(page));
    figures.pages += most > 0 ? 1 : 0;
    figures.bytes += BytesOf(volume, page, most);
  }
  return figures;
}

PresentPages FindPresent(const VolumePages& volume, Level level) {
  PresentPages present;
  const std::vector<uint16_t>& folios = volume.At(level).folios;
  for (uint64_t page = 0; page < folios.size(); ++page) {
    if (folios[page] == 0) continue;
    AddPage(page, folios[page] >= volume.WholeFolios(page) ? present.whole : present.part);
  }
  return present;
}

}  // namespace quire
