// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include "cache/sample_reader.h"
#include "format/escaping.h"
#include "format/pack/pack.h"
#include "format/pack/path_resolver.h"
#include "format/pack/sample_content.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/pack_source.h"
#include "tools/read_once.h"
#include "tools/standard_streams.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  std::vector<std::string> paths;
  SourceOptions source;
};

// Bytes of `node` from `at` on, to the end of an extent: in memory that is written as it is, never copied together.
Result<SampleBytes> ReadRun(const Index& index, SampleReader& reader, const Node& node, uint64_t at) {
  auto run = FindRun(index, node, at);
  if (!run) return Propagate(std::move(run));
  return reader.Read(node, at, std::min(run->length_bytes, kPageBytes));  // a hole may be of any length
}

Result<void> CatSample(const Index& index, SampleReader& reader, const std::string& path) {
  const auto number = ResolvePath(index, path, LastSymlink::kFollow);
  if (!number) return std::unexpected(number.error());
  const auto node = index.GetNode(*number);
  if (!node) return std::unexpected(node.error());
  if (!node->is_sample()) return MakeError(ErrorCode::kNotFound, "'{}': is a directory", EscapeName(path));
  for (uint64_t at = 0; at < node->size_bytes;) {
    auto bytes = ReadRun(index, reader, *node, at);
    if (!bytes) {
      bytes.error().message = fmt::format("'{}' at byte {}: {}", EscapeName(path), at, bytes.error().message);
      return Propagate(std::move(bytes));
    }
    for (const std::span<const std::byte> slice : bytes->slices())
      if (auto written = WriteToStdout(slice); !written) return written;
    at += bytes->size();
  }
  return {};
}

int RunCat(const Arguments& arguments) {
  HandleInterruptsInAThread();
  const auto pack = OpenSource(arguments.pack, arguments.source, "quire cat");
  if (!pack) return Fail("cat", pack.error());
  const auto reader = SampleReader::Open(**pack, kReadOnce);
  if (!reader) return Fail("cat", reader.error());
  int exit_code = kExitOk;
  for (const std::string& path : arguments.paths)
    if (const auto written = CatSample((*pack)->index(), **reader, path); !written)
      exit_code = Fail("cat", written.error());
  return exit_code;
}

}  // namespace

void AddCatCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command cat = program.AddSubcommand("cat", "Write samples of a pack to standard output");
  cat.Add("PACK", arguments->pack, "Pack to read").Required();
  cat.Add("PATH", arguments->paths, "Samples in the pack; symlinks inside of it are followed").Required();
  AddGenerationOption(cat, arguments->source);
  AddSourceOptions(cat, arguments->source);
  cat.SetBody(run, [arguments] { return RunCat(*arguments); });
}

}  // namespace quire
