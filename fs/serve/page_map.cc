// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/page_map.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "format/escaping.h"
#include "format/file.h"
#include "fs/json_text.h"

namespace quire {
namespace {

constexpr int kPagesSchema = 1;

// Takes a number off the start of `text`.
std::optional<uint64_t> TakeNumber(std::string_view& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

bool TakeCharacter(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

// Ascending pages, as runs. Nothing where those are more than `most`, which has room for what was told before.
std::optional<std::vector<PageRun>> RunsOf(std::span<const uint64_t> pages, size_t& most) {
  std::vector<PageRun> runs;
  for (const uint64_t page : pages) {
    AddPage(page, runs);
    if (runs.size() > most) return std::nullopt;
  }
  most -= runs.size();
  return runs;
}

Json RunsJson(std::span<const uint64_t> pages, size_t& most) {
  const auto runs = RunsOf(pages, most);
  return runs ? Json(FormatPageRuns(*runs)) : Json();
}

}  // namespace

void AddPage(uint64_t page, std::vector<PageRun>& runs) {
  if (!runs.empty() && runs.back().first + runs.back().count == page)
    ++runs.back().count;
  else
    runs.push_back({page, 1});
}

std::string FormatPageRuns(std::span<const PageRun> runs) {
  std::string text;
  for (const PageRun& run : runs)
    fmt::format_to(std::back_inserter(text), "{}{}+{}", text.empty() ? "" : ",", run.first, run.count);
  return text;
}

std::optional<std::vector<PageRun>> ParsePageRuns(std::string_view text, uint64_t page_count) {
  std::vector<PageRun> runs;
  uint64_t least = 0;
  while (!text.empty()) {
    if (!runs.empty() && !TakeCharacter(text, ',')) return std::nullopt;
    const auto first = TakeNumber(text);
    if (!first || *first < least || *first >= page_count || !TakeCharacter(text, '+')) return std::nullopt;
    const auto count = TakeNumber(text);
    if (!count || *count == 0 || *count > page_count - *first) return std::nullopt;
    runs.push_back({*first, *count});
    least = *first + *count + 1;
  }
  return runs;
}

PageMap::PageMap(const Pack& pack, const SampleReader& samples) : pack_(pack), samples_(samples) {
  const size_t told = std::min<size_t>(pack.volume_count(), kMostToldVolumes);
  volumes_.reserve(told);
  for (size_t number = 0; number < told; ++number) LookAt(static_cast<uint16_t>(number));
}

void PageMap::LookAt(uint16_t number) {
  Volume volume{.kind = "file", .path = pack_.VolumePath(number), .tier = samples_.TierFolderOf(number)};
  const auto record = pack_.index().GetVolume(number);
  if (record) volume.volume_bytes = record->data_end;
  if (const auto had = pack_.CheckVolume(number); !had) volume.error = EscapeLine(had.error().message);
  const int fd = pack_.volume_fds()[number];
  struct stat status = {};
  if (pack_.IsDecoded(number)) {
    volume.kind = "decoded";
  } else if (number == 0 && pack_.bytes() != nullptr) {
    volume.kind = "url";
    volume.volume_bytes = pack_.bytes()->size_bytes();
  } else if (fd >= 0 && fstat(fd, &status) == 0) {
    std::error_code error;
    if (auto path = std::filesystem::read_symlink(ProcPath(fd), error); !error) volume.path = path.native();
    volume.device = status.st_dev;
    volume.inode = status.st_ino;
    // Of a device, as large as it is, the pack is what counts.
    volume.volume_bytes =
        S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : pack_.superblock().pack_bytes;
  }
  volumes_.push_back(std::move(volume));
}

std::string PageMap::Format(std::string_view mount_point) const {
  const PageCache& cache = samples_.cache();
  std::vector<std::vector<VolumeSet::Span>> spans(volumes_.size());
  for (const VolumeSet::Span& span : cache.spans())
    if (span.volume < spans.size()) spans[span.volume].push_back(span);
  std::vector<uint64_t> in_memory;
  std::vector<uint64_t> went_on;
  cache.VisitInMemory([&](uint64_t page, bool is_handed_on) {
    in_memory.push_back(page);
    if (is_handed_on) went_on.push_back(page);
  });
  const bool are_looked_up = cache.page_count() <= kMostPagesLookedUp;
  for (uint64_t page = 0; are_looked_up && page < cache.page_count(); ++page)
    if (cache.WentOn(page)) went_on.push_back(page);
  // A page that moved from one slot to another meanwhile is there twice.
  for (auto* const pages : {&in_memory, &went_on}) {
    std::ranges::sort(*pages);
    const auto again = std::ranges::unique(*pages);
    pages->erase(again.begin(), again.end());
  }

  Json document = NewDocument(kPagesSchema);
  SetName(document, "pack", pack_.path());
  SetName(document, "mount_point", mount_point);
  document["page_bytes"] = kPageBytes;
  document["left_out_volumes"] = pack_.volume_count() - volumes_.size();
  Json& list = document["volumes"] = Json::array();
  size_t most_runs = kMostToldRuns;
  for (size_t number = 0; number < volumes_.size(); ++number) {
    const Volume& volume = volumes_[number];
    // By their numbers in the volume.
    const auto of_volume = [&](const std::vector<uint64_t>& pages) {
      std::vector<uint64_t> own;
      for (const VolumeSet::Span& span : spans[number]) {
        const auto begin = std::ranges::lower_bound(pages, span.first);
        const auto end = std::ranges::lower_bound(begin, pages.end(), span.first + span.count);
        for (const uint64_t page : std::ranges::subrange(begin, end)) own.push_back(page - span.first + span.number);
      }
      return own;
    };
    const auto own_in_memory = of_volume(in_memory);
    const auto own_went_on = of_volume(went_on);
    Json entry;
    SetName(entry, "path", volume.path);
    entry["kind"] = volume.kind;
    // A pack that is followed grows.
    entry["volume_bytes"] =
        number == 0 ? std::max(volume.volume_bytes, pack_.superblock().pack_bytes) : volume.volume_bytes;
    entry["device"] = volume.device ? Json(*volume.device) : Json();
    entry["inode"] = volume.inode ? Json(*volume.inode) : Json();
    entry["error"] = volume.error ? Json(*volume.error) : Json();
    entry["memory_pages"] = own_in_memory.size();
    entry["memory"] = RunsJson(own_in_memory, most_runs);
    entry["handed_on_pages"] = are_looked_up ? Json(own_went_on.size()) : Json();
    entry["handed_on"] = are_looked_up ? RunsJson(own_went_on, most_runs) : Json();
    if (volume.tier.empty())
      entry["tier"] = Json();
    else
      SetName(entry, "tier", volume.tier);
    list.push_back(std::move(entry));
  }
  return FormatJson(document) + "\n";
}

}  // namespace quire
