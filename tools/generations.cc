// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "format/growth/generation_diff.h"
#include "format/growth/pack_growth.h"
#include "fs/json_text.h"
#include "tools/command.h"
#include "tools/growing.h"
#include "tools/interrupt.h"
#include "tools/pack_entry.h"
#include "tools/pack_source.h"
#include "tools/progress.h"

namespace quire {
namespace {

constexpr int kSchema = 1;

struct Arguments {
  std::string pack;
  SourceOptions source;
  bool json = false;
  std::vector<std::string> diff;
};

struct Generation {
  Superblock superblock;
  TreeCounts counts;
};

// The newest first.
std::vector<Generation> GenerationsOf(const Index& index) {
  std::vector<Generation> generations;
  for (size_t i = index.layers().size(); i-- > 0;) {
    const Superblock& superblock = index.layers()[i].superblock;
    generations.push_back({.superblock = superblock, .counts = CountsOf(superblock)});
  }
  return generations;
}

std::optional<std::string> TimeOf(const Superblock& superblock) {
  if (superblock.commit_time == 0) return std::nullopt;
  return FormatTime(DecodeMtime(superblock.commit_time));
}

void PrintJson(const std::string& pack, const std::vector<Generation>& generations) {
  Json document = NewDocument(kSchema);
  SetName(document, "pack", pack);
  Json list = Json::array();
  for (const auto& [superblock, counts] : generations) {
    const auto time = TimeOf(superblock);
    list.push_back({{"generation", superblock.generation},
                    {"time", time ? Json(*time) : Json()},
                    {"samples", counts.samples},
                    {"directories", counts.directories},
                    {"symlinks", counts.symlinks},
                    {"hard_links", counts.hard_links},
                    {"sample_bytes", counts.sample_bytes},
                    {"index_bytes", superblock.index_bytes},
                    {"pack_bytes", superblock.pack_bytes},
                    {"root_sum", fmt::format("{:016x}", superblock.root_sum)}});
  }
  document["generations"] = std::move(list);
  fmt::print("{}\n", FormatJson(document));
}

void PrintText(const std::vector<Generation>& generations) {
  for (size_t i = 0; i < generations.size(); ++i) {
    const auto& [superblock, counts] = generations[i];
    const std::string change = i + 1 == generations.size()
                                   ? FormatAmount(counts.directories, "directory", "directories")
                                   : DescribeDifference(generations[i + 1].counts, counts);
    fmt::print("{:>4}  {}  {}, {}; {}\n", superblock.generation,
               TimeOf(superblock).value_or("-                             "),
               FormatAmount(counts.samples, "sample", "samples"), FormatBytes(counts.sample_bytes), change);
  }
}

const char* NameOf(EntryChange::Kind kind) {
  switch (kind) {
    case EntryChange::Kind::kAdded:
      return "added";
    case EntryChange::Kind::kRemoved:
      return "removed";
    case EntryChange::Kind::kChanged:
      return "changed";
    case EntryChange::Kind::kDescribed:
      return "attributes";
  }
  return "";
}

Result<uint64_t> ParseGeneration(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0)
    return Invalid("--diff '{}': give two numbers of generations behind it, as in `quire generations PACK --diff 1 2`",
                   EscapeName(text));
  return number;
}

Result<void> PrintDiff(const Arguments& arguments) {
  const std::string none;
  const auto before = ParseGeneration(arguments.diff[0]);
  const auto after = before ? ParseGeneration(arguments.diff.size() == 2 ? arguments.diff[1] : none) : before;
  if (!after) return std::unexpected(after.error());
  if (*before >= *after)
    return Invalid("--diff {} {}: the older generation stands first, and they are two", *before, *after);
  SourceOptions source = arguments.source;
  source.generation = *before;
  const auto old = OpenSource(arguments.pack, source, "quire generations");
  if (!old) return std::unexpected(old.error());
  source.generation = *after;
  const auto now = OpenSource(arguments.pack, source, "quire generations");
  if (!now) return std::unexpected(now.error());
  Json list = Json::array();
  auto compared = DiffGenerations((*old)->index(), (*now)->index(), CatchInterrupts(), [&](const EntryChange& change) {
    if (arguments.json) {
      Json entry{{"kind", NameOf(change.kind)}};
      SetName(entry, "path", change.path);
      list.push_back(std::move(entry));
    } else {
      fmt::print("{:<10} {}\n", NameOf(change.kind),
                 EscapeName(change.path.empty() ? "." : change.path + (change.is_directory ? "/" : "")));
    }
  });
  if (!compared) return compared;
  if (!arguments.json) return {};
  Json document = NewDocument(kSchema);
  SetName(document, "pack", arguments.pack);
  document["from"] = *before;
  document["to"] = *after;
  document["changes"] = std::move(list);
  fmt::print("{}\n", FormatJson(document));
  return {};
}

int RunGenerations(const Arguments& arguments) {
  if (!arguments.diff.empty()) {
    const auto printed = PrintDiff(arguments);
    return printed ? kExitOk : Fail("generations", printed.error());
  }
  HandleInterruptsInAThread();
  const auto pack = OpenSource(arguments.pack, arguments.source, "quire generations");
  if (!pack) return Fail("generations", pack.error());
  const auto generations = GenerationsOf((*pack)->index());
  if (arguments.json)
    PrintJson((*pack)->path(), generations);
  else
    PrintText(generations);
  return kExitOk;
}

}  // namespace

void AddGenerationsCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command generations =
      program.AddSubcommand("generations", "List the generations of a pack: when, how many samples, what changed");
  generations.Add("PACK", arguments->pack, "Pack to read").Required();
  generations.Add("--diff", arguments->diff, "What differs between two generations, the older one first").Type("A B");
  generations.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  AddSourceOptions(generations, arguments->source);
  generations.SetBody(run, [arguments] { return RunGenerations(*arguments); });
}

}  // namespace quire
