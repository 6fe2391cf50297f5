// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

int RunGenerations(const Arguments& arguments) {
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
  generations.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  AddSourceOptions(generations, arguments->source);
  generations.SetBody(run, [arguments] { return RunGenerations(*arguments); });
}

}  // namespace quire
