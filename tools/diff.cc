// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <optional>

#include "format/escaping.h"
#include "format/open_files.h"
#include "format/pack/pack.h"
#include "tools/command.h"
#include "tools/diff/tree_comparison.h"
#include "tools/json_list.h"
#include "tools/pack_source.h"
#include "tools/progress.h"
#include "tools/read_once.h"
#include "tools/standard_streams.h"

namespace quire {
namespace {

constexpr int kSchema = 1;
constexpr unsigned kDefaultJobs = 8;  // files of the directory that are waited for at once

struct Arguments {
  std::string pack;
  SourceOptions pack_source;
  std::string source;
  std::vector<std::string> exclude;
  std::vector<std::string> ignored;
  unsigned jobs = kDefaultJobs;
  bool json = false;
};

const char* NameOf(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kMissing:
      return "missing";
    case Difference::Kind::kExtra:
      return "extra";
    case Difference::Kind::kDiffers:
      return "differs";
  }
  return "";
}

// "differs: a/b: mode 0644, now 0600; content from byte 0 on".
void PrintLine(const Difference& difference) {
  std::string line = fmt::format("{}: {}", NameOf(difference.kind), EscapeName(difference.path));
  for (size_t i = 0; i < difference.what.size(); ++i)
    line += fmt::format("{} {} {}", i == 0 ? ":" : ";", difference.what[i].aspect, EscapeLine(difference.what[i].text));
  fmt::print("{}\n", line);
}

Json ToJson(const Difference& difference) {
  Json json;
  json["kind"] = NameOf(difference.kind);
  SetName(json, "path", difference.path);
  if (difference.kind == Difference::Kind::kDiffers) {
    json["what"] = Json::array();
    for (const Detail& detail : difference.what) json["what"].push_back(detail.aspect);
  }
  return json;
}

void PrintSummary(const ComparisonSummary& summary) {
  std::string text = FormatAmount(summary.compared, "entry", "entries") + " compared";
  const auto add = [&text](uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format(", {} {}", FormatCount(count), what);
  };
  add(summary.differing, "differ");
  add(summary.missing, "missing");
  add(summary.extra, "extra");
  add(summary.unreadable, "unreadable");
  if (summary.is_equal()) text += ", no difference";
  if (summary.left_out > 0)
    text += fmt::format("; {} left out",
                        FormatAmount(summary.left_out, "device, socket or FIFO", "devices, sockets and FIFOs"));
  fmt::print("{}\n", text);
}

int RunDiff(const Arguments& arguments) {
  Json head = NewDocument(kSchema);
  SetName(head, "pack", arguments.pack);
  SetName(head, "source", arguments.source);
  std::optional<JsonList> list;
  if (arguments.json) list.emplace(head, "differences");
  const auto fail = [&list](const Error& error) {
    if (list) list->End({{"error", EscapeLine(error.message)}});
    return Fail("diff", error);
  };
  const auto pack = OpenSource(arguments.pack, arguments.pack_source, "quire diff");
  if (!pack) return fail(pack.error());
  const auto reader = SampleReader::Open(**pack, kReadOnce);
  if (!reader) return fail(reader.error());
  ExcludePatterns exclude;
  for (const std::string& glob : arguments.exclude) exclude.Add(glob, fmt::format("--exclude '{}'", glob));
  // A file for each thread, a folder, and those on the way to it.
  WorkerPool pool(static_cast<unsigned>(ShareOpenable(arguments.jobs, 1, 4)));
  const ComparisonOptions options{
      .source = arguments.source,
      .exclude = &exclude,
      .ignored = {arguments.ignored.begin(), arguments.ignored.end()},
      .on_difference =
          [&list](const Difference& difference) { list ? list->Add(ToJson(difference)) : PrintLine(difference); },
      .on_unreadable =
          [](const std::string& path, const Error& error) {
            Fail("diff", {error.code, error.system_errno, fmt::format("{}: {}", EscapeName(path), error.message)});
          }};
  const auto summary = CompareWithDirectory((*pack)->index(), **reader, pool, options);
  for (const std::string& unmatched : exclude.Unmatched())
    PrintToStderr(fmt::format("quire diff: {}\n", EscapeLine(unmatched)));
  if (!summary) return fail(summary.error());
  if (list)
    list->End({{"compared", summary->compared},
               {"differing", summary->differing},
               {"missing", summary->missing},
               {"extra", summary->extra},
               {"unreadable", summary->unreadable},
               {"left_out", summary->left_out},
               {"equal", summary->is_equal()}});
  else
    PrintSummary(*summary);
  return summary->is_equal() ? kExitOk : kExitFailed;
}

}  // namespace

void AddDiffCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command diff = program.AddSubcommand("diff", "Compare a pack with a directory: what differs, is missing, is extra");
  diff.Add("PACK", arguments->pack, "Pack to read").Required();
  diff.Add("SRC", arguments->source, "Directory to compare it with").Required();
  diff.Add("--exclude", arguments->exclude, "Look at nothing that matches, as of 'quire pack'; repeatable")
      .Type("GLOB")
      .OneWord();
  diff.Add("--ignore", arguments->ignored,
           "What may differ, separated by commas: content, links, mode, mtime, owner, xattrs")
      .SeparatedBy(',')
      .OneOf({"content", "links", "mode", "mtime", "owner", "xattrs"})
      .Type("WHAT")
      .OneWord();
  diff.Add("-j,--jobs", arguments->jobs, "Entries compared at once").Range(1U, kMaxJobs).ShowDefault().Type("N");
  diff.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  AddGenerationOption(diff, arguments->pack_source);
  AddSourceOptions(diff, arguments->pack_source);
  diff.SetBody(run, [arguments] { return RunDiff(*arguments); });
}

}  // namespace quire
