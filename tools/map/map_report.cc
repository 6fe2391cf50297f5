// SPDX-License-Identifier: Apache-2.0
#include "tools/map/map_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/escaping.h"
#include "tools/progress.h"

namespace quire {
namespace {

constexpr int kSchema = 1;
constexpr size_t kMostFaultsTold = 3;

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

uint64_t AllPages(const MapReport& report) {
  uint64_t pages = 0;
  for (const VolumePages& volume : report.volumes) pages += volume.page_count();
  return pages;
}

uint64_t AllBytes(const MapReport& report) {
  uint64_t bytes = 0;
  for (const VolumePages& volume : report.volumes) bytes += volume.volume_bytes;
  return bytes;
}

PageFigures AllResident(const MapReport& report) {
  PageFigures sum;
  for (const VolumePages& volume : report.volumes) {
    const PageFigures figures = CountResident(volume);
    sum.pages += figures.pages;
    sum.bytes += figures.bytes;
  }
  return sum;
}

// One level in all volumes.
struct LevelSum {
  PageFigures figures;
  size_t volumes = 0;  // that can be there
  size_t unknown = 0;  // of these: of which it is not known
  std::string why;     // of the first of them
};

LevelSum SumLevel(const MapReport& report, Level level) {
  LevelSum sum;
  for (const VolumePages& volume : report.volumes) {
    const LevelPages& pages = volume.At(level);
    if (!pages.applies) continue;
    ++sum.volumes;
    if (pages.unknown) {
      if (sum.unknown++ == 0) sum.why = *pages.unknown;
      continue;
    }
    const PageFigures figures = CountLevel(volume, level);
    sum.figures.pages += figures.pages;
    sum.figures.bytes += figures.bytes;
  }
  return sum;
}

Json FiguresJson(const PageFigures& figures) { return {{"pages", figures.pages}, {"bytes", figures.bytes}}; }

// Of one volume, with the pages themselves. Null where it cannot be there.
Json LevelJson(const VolumePages& volume, Level level) {
  const LevelPages& pages = volume.At(level);
  if (!pages.applies) return {};
  if (pages.unknown)
    return {{"pages", nullptr}, {"bytes", nullptr}, {"whole", nullptr}, {"part", nullptr}, {"why", *pages.unknown}};
  Json entry = FiguresJson(CountLevel(volume, level));
  const PresentPages present = FindPresent(volume, level);
  entry["whole"] = FormatPageRuns(present.whole);
  entry["part"] = FormatPageRuns(present.part);
  entry["why"] = Json();
  return entry;
}

Json LevelSumJson(const MapReport& report, Level level) {
  const LevelSum sum = SumLevel(report, level);
  if (sum.volumes == 0) return {};
  if (sum.unknown > 0) return {{"pages", nullptr}, {"bytes", nullptr}, {"why", sum.why}};
  Json entry = FiguresJson(sum.figures);
  entry["why"] = Json();
  return entry;
}

}  // namespace

std::vector<MapPart> PartsOf(const MapReport& report) {
  const auto has_bytes = [](const VolumePages& volume) { return volume.volume_bytes > 0; };
  const auto count = static_cast<size_t>(std::ranges::count_if(report.volumes, has_bytes));
  const std::span<const VolumePages> all(report.volumes);
  if (count == 0) return {};
  if (count > kMostPictures) return {{fmt::format("{} volumes, one behind the other", all.size()), all}};
  std::vector<MapPart> parts;
  for (size_t i = 0; i < all.size(); ++i)
    if (has_bytes(all[i])) parts.push_back({count == 1 ? "" : all[i].path, all.subspan(i, 1)});
  return parts;
}

std::string SummaryLine(const MapReport& report) {
  const PageFigures resident = AllResident(report);
  const uint64_t bytes = AllBytes(report);
  return fmt::format("Resident pages: {}/{}  {}/{}  {:.1f} %", resident.pages, AllPages(report),
                     FormatBytes(resident.bytes), FormatBytes(bytes), Percent(resident.bytes, bytes));
}

std::optional<std::string> DescribeLevel(const MapReport& report, Level level) {
  const LevelSum sum = SumLevel(report, level);
  if (sum.volumes == 0) return std::nullopt;
  const std::string why = EscapeLine(sum.why);
  if (sum.unknown == sum.volumes) return "unknown: " + why;
  std::string text = fmt::format("{}, {}, {:.1f} %", FormatAmount(sum.figures.pages, "page", "pages"),
                                 FormatBytes(sum.figures.bytes), Percent(sum.figures.bytes, AllBytes(report)));
  if (level == Level::kHandedOn && sum.figures.pages > 0) text += ", as far as the kernel has kept them";
  if (sum.unknown > 0) text += fmt::format("; unknown of {} of {} volumes: {}", sum.unknown, sum.volumes, why);
  return text;
}

std::string DescribeCell(uint64_t pages_per_cell) {
  return fmt::format("each cell is {}, {}", FormatAmount(pages_per_cell, "page", "pages"),
                     FormatBytes(pages_per_cell * kPageBytes));
}

std::vector<std::string> NotesOf(const MapReport& report) {
  std::vector<std::string> notes;
  size_t faults = 0;
  for (const VolumePages& volume : report.volumes) {
    if (!volume.error) continue;
    if (++faults <= kMostFaultsTold) notes.push_back(EscapeName(volume.path) + ": " + EscapeLine(*volume.error));
  }
  if (faults > kMostFaultsTold)
    notes.push_back(fmt::format("{} more volumes cannot be read, which --json names", faults - kMostFaultsTold));
  if (report.left_out_volumes > 0)
    notes.push_back(fmt::format("the mount tells of its first {} volumes; {} more are not shown", report.volumes.size(),
                                report.left_out_volumes));
  return notes;
}

Json MapJson(const MapReport& report) {
  Json document = NewDocument(kSchema);
  SetName(document, "source", report.source);
  if (report.mount_point)
    SetName(document, "mount_point", *report.mount_point);
  else
    document["mount_point"] = Json();
  document["page_bytes"] = kPageBytes;
  document["pages"] = AllPages(report);
  document["bytes"] = AllBytes(report);
  document["resident"] = FiguresJson(AllResident(report));
  for (const Level level : kAllLevels)
    document[std::string(kLevelKeys[static_cast<size_t>(level)])] = LevelSumJson(report, level);
  document["left_out_volumes"] = report.left_out_volumes;
  Json& volumes = document["volumes"] = Json::array();
  for (const VolumePages& volume : report.volumes) {
    Json entry;
    SetName(entry, "path", volume.path);
    entry["kind"] = volume.kind;
    entry["volume_bytes"] = volume.volume_bytes;
    entry["pages"] = volume.page_count();
    entry["error"] = volume.error ? Json(*volume.error) : Json();
    for (const Level level : kAllLevels)
      entry[std::string(kLevelKeys[static_cast<size_t>(level)])] = LevelJson(volume, level);
    volumes.push_back(std::move(entry));
  }
  return document;
}

}  // namespace quire
