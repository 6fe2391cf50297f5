// SPDX-License-Identifier: Apache-2.0
// Goal: a map counts what is where, each page once, and its cells show all pages of all volumes however many they are.
#include <gtest/gtest.h>

#include <random>

#include "tools/map/cell_grid.h"
#include "tools/map/map_report.h"

namespace quire {
namespace {

VolumePages Volume(uint64_t pages, uint64_t cut_bytes = 0) {
  VolumePages volume{.path = "a", .volume_bytes = pages * kPageBytes - cut_bytes};
  for (const Level level : kAllLevels) volume.At(level).applies = true;
  return volume;
}

void Put(VolumePages& volume, Level level, std::vector<PageRun> runs) { PutWholePages(runs, level, volume); }

TEST(PageLevels, TheLastPageIsWholeWithWhatItHas) {
  VolumePages volume = Volume(3, kPageBytes - 5000);  // two folios, the second in part
  EXPECT_EQ(volume.page_count(), 3U);
  EXPECT_EQ(volume.WholeFolios(1), kFoliosAPage);
  EXPECT_EQ(volume.WholeFolios(2), 2U);
  Put(volume, Level::kMemory, {{0, 3}});
  const PageFigures figures = CountLevel(volume, Level::kMemory);
  EXPECT_EQ(figures.pages, 3U);
  EXPECT_EQ(figures.bytes, volume.volume_bytes);
  EXPECT_EQ(FormatPageRuns(FindPresent(volume, Level::kMemory).whole), "0+3");
}

TEST(PageLevels, PagesOfWhichAPartIsThereAreToldApart) {
  VolumePages volume = Volume(4);
  volume.At(Level::kKernel).folios = {kFoliosAPage, 1, 0, kFoliosAPage};
  const PresentPages present = FindPresent(volume, Level::kKernel);
  EXPECT_EQ(FormatPageRuns(present.whole), "0+1,3+1");
  EXPECT_EQ(FormatPageRuns(present.part), "1+1");
  EXPECT_EQ(CountLevel(volume, Level::kKernel).pages, 3U);
  EXPECT_EQ(CountLevel(volume, Level::kKernel).bytes, 2 * kPageBytes + kFolioBytes);
}

TEST(PageLevels, WhatIsInTwoPlacesIsResidentOnce) {
  VolumePages volume = Volume(10);
  Put(volume, Level::kMemory, {{0, 4}});
  Put(volume, Level::kTier, {{2, 4}});
  volume.At(Level::kKernel).folios = {1, 0, 0, 0, 0, 1, 1};
  EXPECT_EQ(CountResident(volume).pages, 7U);
  EXPECT_EQ(CountResident(volume).bytes, 6 * kPageBytes + kFolioBytes);
}

TEST(PageLevels, WhatWasHandedOnMayBeGone) {
  VolumePages volume = Volume(10);
  Put(volume, Level::kHandedOn, {{0, 10}});
  EXPECT_EQ(CountResident(volume).pages, 0U);
  const MapReport report{.source = "a", .volumes = {volume}};
  EXPECT_EQ(DescribeLevel(report, Level::kHandedOn), "10 pages, 20.0 MiB, 100.0 %, as far as the kernel has kept them");
}

TEST(CellGrid, APageIsACellWhereThereIsRoom) {
  const std::vector<VolumePages> volumes = {Volume(10)};
  const CellGrid grid = MakeGrid(volumes, 4, 3);
  EXPECT_EQ(grid.pages_per_cell, 1U);
  EXPECT_EQ(grid.columns, 4U);
  EXPECT_EQ(grid.rows, 3U);
  EXPECT_EQ(grid.cells.size(), 10U);
  EXPECT_EQ(grid.At(2, 1)->first_page, 9U);
  EXPECT_EQ(grid.At(2, 2), nullptr);
  EXPECT_EQ(grid.At(0, 4), nullptr);
}

TEST(CellGrid, AFewPagesTakeNoMoreColumnsThanTheyAre) {
  const std::vector<VolumePages> volumes = {Volume(3)};
  const CellGrid grid = MakeGrid(volumes, 80, 10);
  EXPECT_EQ(grid.columns, 3U);
  EXPECT_EQ(grid.rows, 1U);
}

TEST(CellGrid, NothingIsNoCell) {
  EXPECT_TRUE(MakeGrid({}, 80, 10).cells.empty());
  const std::vector<VolumePages> volumes = {Volume(0)};
  EXPECT_TRUE(MakeGrid(volumes, 80, 10).cells.empty());
}

TEST(CellGrid, EachPageIsInOneCellWhateverTheSizes) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<VolumePages> volumes;
    uint64_t pages = 0;
    for (uint64_t i = random() % 4 + 1; i > 0; --i) {
      volumes.push_back(Volume(random() % 500));
      pages += volumes.back().page_count();
    }
    const size_t columns = random() % 100 + 1;
    const size_t rows = random() % 20 + 1;
    const CellGrid grid = MakeGrid(volumes, columns, rows);
    uint64_t next = 0;
    for (const Cell& cell : grid.cells) {
      EXPECT_EQ(cell.first_page, next);
      EXPECT_GT(cell.page_count, 0U);
      next += cell.page_count;
    }
    EXPECT_EQ(next, pages);
    EXPECT_LE(grid.columns, columns);
    EXPECT_LE(grid.rows, rows);
    EXPECT_LE(grid.cells.size(), grid.columns * grid.rows);
    if (pages == 0) continue;
    EXPECT_GT(grid.cells.size(), (grid.rows - 1) * grid.columns) << "the last row is empty";
  }
}

TEST(CellGrid, TheShareIsOfAllPagesOfTheCell) {
  std::vector<VolumePages> volumes = {Volume(8)};
  Put(volumes[0], Level::kTier, {{0, 1}, {4, 4}});
  const CellGrid grid = MakeGrid(volumes, 2, 1);
  ASSERT_EQ(grid.cells.size(), 2U);
  EXPECT_EQ(grid.cells[0].level, Level::kTier);
  EXPECT_DOUBLE_EQ(grid.cells[0].share, 0.25);
  EXPECT_DOUBLE_EQ(grid.cells[1].share, 1);
}

TEST(CellGrid, TheNearestLevelWithAQuarterGivesTheColour) {
  std::vector<VolumePages> volumes = {Volume(10)};
  Put(volumes[0], Level::kTier, {{0, 10}});
  const auto level_of = [&] { return MakeGrid(volumes, 1, 1).cells.front().level; };
  EXPECT_EQ(level_of(), Level::kTier);
  Put(volumes[0], Level::kMemory, {{3, 2}});
  EXPECT_EQ(level_of(), Level::kTier) << "two of ten pages in memory colour all of them";
  Put(volumes[0], Level::kMemory, {{7, 1}});
  EXPECT_EQ(level_of(), Level::kMemory);
  EXPECT_DOUBLE_EQ(MakeGrid(volumes, 1, 1).cells.front().share, 1) << "what is in two places counts once";
}

TEST(CellGrid, ACellOfNothingHasNoLevel) {
  const std::vector<VolumePages> volumes = {Volume(2)};
  EXPECT_EQ(MakeGrid(volumes, 1, 1).cells.front().level, std::nullopt);
  EXPECT_EQ(MakeGrid(volumes, 1, 1).cells.front().share, 0);
}

TEST(MapReport, TheSummaryIsOneLine) {
  MapReport report{.source = "a", .volumes = {Volume(8)}};
  Put(report.volumes[0], Level::kMemory, {{0, 2}});
  EXPECT_EQ(SummaryLine(report), "Resident pages: 2/8  4.0 MiB/16.0 MiB  25.0 %");
  EXPECT_EQ(DescribeLevel(report, Level::kMemory), "2 pages, 4.0 MiB, 25.0 %");
}

TEST(MapReport, WhatIsNotKnownIsNoZero) {
  MapReport report{.source = "a", .volumes = {Volume(8), Volume(8)}};
  report.volumes[0].At(Level::kKernel) = {.applies = true, .unknown = "of no reason"};
  Put(report.volumes[1], Level::kKernel, {{0, 1}});
  EXPECT_EQ(DescribeLevel(report, Level::kKernel), "1 page, 2.0 MiB, 6.2 %; unknown of 1 of 2 volumes: of no reason");
  Json document = MapJson(report);
  EXPECT_TRUE(document["kernel"]["pages"].is_null());
  EXPECT_EQ(document["kernel"]["why"], "of no reason");
  EXPECT_TRUE(document["volumes"][0]["kernel"]["bytes"].is_null());
  EXPECT_EQ(document["volumes"][1]["kernel"]["whole"], "0+1");
  report.volumes[1].At(Level::kKernel) = report.volumes[0].At(Level::kKernel);
  EXPECT_EQ(DescribeLevel(report, Level::kKernel), "unknown: of no reason");
  for (VolumePages& volume : report.volumes) volume.At(Level::kKernel) = {};
  EXPECT_EQ(DescribeLevel(report, Level::kKernel), std::nullopt);
  EXPECT_TRUE(MapJson(report)["kernel"].is_null());
}

TEST(MapReport, AFewVolumesHavePicturesOfTheirOwnAndManyOneTogether) {
  MapReport report{.source = "a", .volumes = {Volume(1), Volume(0), Volume(2)}};
  report.volumes[2].path = "c";
  auto parts = PartsOf(report);
  ASSERT_EQ(parts.size(), 2U) << "a volume without bytes has a picture";
  EXPECT_EQ(parts[1].title, "c");
  report.volumes = {Volume(1)};
  EXPECT_EQ(PartsOf(report).front().title, "");
  report.volumes.assign(kMostPictures + 1, Volume(1));
  parts = PartsOf(report);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].volumes.size(), kMostPictures + 1);
  report.volumes.clear();
  EXPECT_TRUE(PartsOf(report).empty());
}

TEST(MapReport, WhatTheMountCannotReadOrTellIsSaid) {
  MapReport report{.source = "a", .volumes = std::vector<VolumePages>(5, Volume(1)), .left_out_volumes = 7};
  for (VolumePages& volume : report.volumes) volume.error = "is gone";
  const auto notes = NotesOf(report);
  ASSERT_EQ(notes.size(), 5U);
  EXPECT_EQ(notes[0], "a: is gone");
  EXPECT_TRUE(notes[3].starts_with("2 more volumes")) << notes[3];
  EXPECT_TRUE(notes[4].contains("7 more")) << notes[4];
}

}  // namespace
}  // namespace quire
