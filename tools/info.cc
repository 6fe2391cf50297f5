// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "format/checksum.h"
#include "format/escaping.h"
#include "format/pack/pack.h"
#include "format/rounding.h"
#include "fs/json_text.h"
#include "tools/command.h"
#include "tools/compression_ratios.h"
#include "tools/interrupt.h"
#include "tools/pack_source.h"
#include "tools/progress.h"

namespace quire {
namespace {

constexpr int kSchema = 1;

struct Arguments {
  std::string pack;
  SourceOptions source;
  bool json = false;
};

std::string FormatVersion(const Superblock& superblock) { return fmt::format("{}.{}", kFormatMajor, superblock.minor); }

// What is not sample bytes in the pages: alignment, and gaps at their ends.
double WasteFraction(const Superblock& superblock, const Volume& volume) {
  const uint64_t page_bytes = volume.data_end - volume.data_begin;
  // With extents in other volumes more is stored than lies in the pages.
  if (page_bytes == 0 || superblock.stored_bytes > page_bytes) return 0;
  return static_cast<double>(page_bytes - superblock.stored_bytes) / static_cast<double>(page_bytes);
}

double IndexBytesPerSample(const Superblock& superblock) {
  const uint64_t without_names = superblock.index_bytes - superblock.section(Section::kNames).bytes;
  return superblock.samples == 0 ? 0 : static_cast<double>(without_names) / static_cast<double>(superblock.samples);
}

std::string OrderText(const Superblock& superblock) {
  switch (superblock.order) {
    case PackOrder::kPath:
      return "path";
    case PackOrder::kShuffle:
      return fmt::format("shuffle:{}", superblock.order_seed);
    case PackOrder::kList:
      return "list";
    case PackOrder::kArchives:
      return "archives";
  }
  return fmt::format("unknown ({})", static_cast<uint32_t>(superblock.order));
}

std::string LeftOutText(const Superblock& superblock) {
  if (superblock.order != PackOrder::kArchives)
    return FormatAmount(superblock.left_out, "device, socket or FIFO", "devices, sockets and FIFOs");
  return FormatAmount(superblock.left_out, "thing of the archives", "things of the archives") +
         (superblock.left_out == 0 ? "" : ", which 'quire index' names");
}

// The archives or packs of an index, which are other volumes; those that are computed from them are none.
std::vector<uint16_t> FindArchives(const Pack& pack) {
  std::vector<uint16_t> archives;
  for (uint16_t volume = 1; volume < pack.volume_count(); ++volume)
    if (!pack.IsDecoded(volume)) archives.push_back(volume);
  return archives;
}

// What is wrong with the file of a volume; null where it is as it was.
Json VolumeFault(const Pack& pack, uint16_t volume) {
  const auto had = pack.CheckVolume(volume);
  return had ? Json() : Json(EscapeLine(had.error().message));
}

void PrintArchives(const Pack& pack) {
  constexpr size_t kMostTold = 20;
  const auto archives = FindArchives(pack);
  for (size_t i = 0; i < archives.size(); ++i) {
    const char* const heading = i == 0 ? "files" : "";
    if (i == kMostTold) {
      fmt::print("{:<13} and {} more, which --json tells\n", heading, archives.size() - i);
      return;
    }
    const Json fault = VolumeFault(pack, archives[i]);
    fmt::print("{:<13} {}{}\n", heading, EscapeName(pack.VolumePath(archives[i])),
               fault.is_null() ? "" : ": " + fault.get<std::string>());
  }
}

// Empty where nothing is compressed.
using Ratios = std::optional<CompressionRatios>;

Json RatioJson(const CompressionRatio& ratio) {
  return {{"samples", ratio.samples}, {"sample_bytes", ratio.sample_bytes}, {"stored_bytes", ratio.stored_bytes}};
}

Json RatiosJson(const Ratios& ratios) {
  if (!ratios) return {};
  Json json = RatioJson(ratios->Total());
  json["dictionaries"] = ratios->dictionaries;
  json["dictionary_bytes"] = ratios->dictionary_bytes;
  Json suffixes = Json::array();
  for (const CompressionRatio& ratio : ratios->suffixes) {
    Json suffix = RatioJson(ratio);
    suffix["suffix"] = ratio.suffix;
    suffixes.push_back(std::move(suffix));
  }
  json["suffixes"] = std::move(suffixes);
  return json;
}

std::string RatioText(const CompressionRatio& ratio) {
  const double percent = ratio.sample_bytes == 0
                             ? 100
                             : static_cast<double>(ratio.stored_bytes) * 100 / static_cast<double>(ratio.sample_bytes);
  return fmt::format("{} in {}, {:.1f} %", FormatBytes(ratio.sample_bytes), FormatBytes(ratio.stored_bytes), percent);
}

void PrintRatios(const CompressionRatios& ratios) {
  constexpr size_t kMostTold = 12;
  fmt::print("compression   {}", RatioText(ratios.Total()));
  if (ratios.dictionaries > 0)
    fmt::print("; {} of {}", FormatAmount(ratios.dictionaries, "dictionary", "dictionaries"),
               FormatBytes(ratios.dictionary_bytes));
  fmt::print("\n");
  for (size_t i = 0; i < ratios.suffixes.size(); ++i) {
    if (i == kMostTold) {
      fmt::print("{:<13} and {} more, which --json tells\n", "",
                 FormatAmount(ratios.suffixes.size() - i, "suffix", "suffixes"));
      return;
    }
    const CompressionRatio& ratio = ratios.suffixes[i];
    fmt::print("{:<13} {:<9} {}: {}\n", "", ratio.suffix.empty() ? "(none)" : ratio.suffix,
               FormatAmount(ratio.samples, "sample", "samples"), RatioText(ratio));
  }
}

void PrintJson(const Pack& pack, const Volume& volume, const Ratios& ratios) {
  const Superblock& superblock = pack.superblock();
  Json info = NewDocument(kSchema);
  SetName(info, "pack", pack.path());
  info.update(Json{
      {"format", FormatVersion(superblock)},
      {"generation", superblock.generation},
      {"pack_bytes", superblock.pack_bytes},
      {"trailing_bytes", pack.trailing_bytes()},
      {"page_bytes", kPageBytes},
      {"pages", CeilDiv(volume.data_end, kPageBytes)},
      {"volumes", pack.index().volume_count()},
      {"samples", superblock.samples},
      {"directories", pack.index().tree_directory_count()},
      {"symlinks", superblock.symlinks},
      {"hard_links", superblock.hard_links},
      {"left_out", superblock.left_out},
      {"sample_bytes", superblock.sample_bytes},
      {"stored_bytes", superblock.stored_bytes},
      {"waste_fraction", WasteFraction(superblock, volume)},
      {"order", OrderText(superblock)},
      {"index_bytes", superblock.index_bytes},
      {"name_bytes", superblock.section(Section::kNames).bytes},
      {"index_bytes_per_sample", IndexBytesPerSample(superblock)},
      {"checksum", "XXH3-64"},
      {"checksum_vectors", Xxh3Vectors()},
      {"root_sum", fmt::format("{:016x}", superblock.root_sum)},
      {"damaged_slot", pack.slot_damage() ? Json(*pack.slot_damage()) : Json()},
  });
  Json archives = Json::array();
  for (const uint16_t number : FindArchives(pack)) {
    Json archive;
    SetName(archive, "path", pack.VolumePath(number));
    archive["fault"] = VolumeFault(pack, number);
    archives.push_back(std::move(archive));
  }
  info["archives"] = std::move(archives);
  info["compression"] = RatiosJson(ratios);
  fmt::print("{}\n", FormatJson(info));
}

void PrintText(const Pack& pack, const Volume& volume, const Ratios& ratios) {
  const Superblock& superblock = pack.superblock();
  fmt::print("pack          {} (format {}, generation {})\n", EscapeName(pack.path()), FormatVersion(superblock),
             superblock.generation);
  fmt::print("size          {}: {} of {}\n", FormatBytes(superblock.pack_bytes),
             FormatAmount(CeilDiv(volume.data_end, kPageBytes), "page", "pages"), FormatBytes(kPageBytes));
  if (pack.trailing_bytes() > 0)
    fmt::print("behind it     {} that are no part of the pack\n", FormatAmount(pack.trailing_bytes(), "byte", "bytes"));
  const bool is_more = superblock.sample_bytes == std::numeric_limits<uint64_t>::max();
  PrintArchives(pack);
  fmt::print("samples       {}, {}{} ({} stored)\n", FormatCount(superblock.samples), is_more ? "more than " : "",
             FormatBytes(superblock.sample_bytes), FormatBytes(superblock.stored_bytes));
  if (ratios) PrintRatios(*ratios);
  fmt::print("other entries {}, {}, {}\n",
             FormatAmount(pack.index().tree_directory_count(), "directory", "directories"),
             FormatAmount(superblock.symlinks, "symlink", "symlinks"),
             FormatAmount(superblock.hard_links, "hard link", "hard links"));
  fmt::print("left out      {}\n", LeftOutText(superblock));
  fmt::print("order         {}\n", OrderText(superblock));
  fmt::print("waste         {:.3f} % of the pages\n", WasteFraction(superblock, volume) * 100);
  fmt::print("index         {} with {} of names; {:.1f} bytes a sample beside its name\n",
             FormatBytes(superblock.index_bytes), FormatBytes(superblock.section(Section::kNames).bytes),
             IndexBytesPerSample(superblock));
  fmt::print("sums          XXH3-64 ({} here), root {:016x}: they find accidents, not forgers\n", Xxh3Vectors(),
             superblock.root_sum);
  if (pack.slot_damage()) fmt::print("damaged       {}\n", *pack.slot_damage());
}

int RunInfo(const Arguments& arguments) {
  HandleInterruptsInAThread();
  const auto pack = OpenSource(arguments.pack, arguments.source, "quire info");
  if (!pack) return Fail("info", pack.error());
  const auto volume = (*pack)->index().GetVolume(0);
  if (!volume) return Fail("info", volume.error());
  Ratios ratios;
  if ((*pack)->index().has_frames()) {
    auto found = FindCompressionRatios((*pack)->index());
    if (!found) return Fail("info", found.error());
    ratios = *std::move(found);
  }
  if (arguments.json)
    PrintJson(**pack, *volume, ratios);
  else
    PrintText(**pack, *volume, ratios);
  return kExitOk;
}

}  // namespace

void AddInfoCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command info = program.AddSubcommand("info", "Show what a pack holds and how it is laid out");
  info.Add("PACK", arguments->pack, "Pack to read").Required();
  info.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  AddGenerationOption(info, arguments->source);
  AddSourceOptions(info, arguments->source);
  info.SetBody(run, [arguments] { return RunInfo(*arguments); });
}

}  // namespace quire
