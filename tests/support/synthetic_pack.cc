// SPDX-License-Identifier: Apache-2.0
// Writes a pack of N samples of a few bytes straight through the pack writer, without a directory of N files:
//     synthetic_pack OUT SAMPLES [BYTES_PER_SAMPLE [SAMPLES_PER_DIRECTORY]]
// 1000 samples a directory, where nothing else is asked for; the content of a sample is its number, repeated.
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "format/rounding.h"
#include "format/worker_pool.h"
#include "format/write/index_tables.h"
#include "format/write/output_file.h"
#include "format/write/pack_writer.h"

namespace quire {
namespace {

class NumberSource final : public SampleSource {
 public:
  [[nodiscard]] Result<void> Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const override {
    for (size_t i = 0; i < into.size(); ++i) into[i] = static_cast<std::byte>(node >> ((file_offset + i) % 8 * 8));
    return {};
  }
};

struct Shape {
  uint64_t samples = 0;
  uint64_t bytes_per_sample = 16;
  uint64_t samples_per_directory = 1000;
};

Result<void> FillTables(const Shape& shape, IndexTables& tables) {
  const auto [samples, bytes_per_sample, samples_per_directory] = shape;
  const uint64_t directories = CeilDiv(samples, samples_per_directory);
  const auto root = tables.InternAttributes({.mode = 0755, .nlink = static_cast<uint32_t>(2 + directories)});
  const auto of_directories = tables.InternAttributes({.mode = 0755, .nlink = 2});
  const auto of_samples = tables.InternAttributes({.mode = 0644, .nlink = 1});
  const auto add = [&](Node node, std::string_view name) -> Result<void> {
    const auto added = tables.AddNode(node, name);
    return added ? Result<void>() : std::unexpected(added.error());
  };
  if (auto added = add({.attributes = *root, .kind = NodeKind::kDirectory}, ""); !added) return added;
  if (auto added = tables.directories.Append({.first_child = 1, .child_count = directories, .node = 0}); !added)
    return added;
  for (uint64_t d = 0; d < directories; ++d) {
    const Directory directory{.first_child = 1 + directories + d * samples_per_directory,
                              .child_count = std::min(samples_per_directory, samples - d * samples_per_directory),
                              .node = 1 + d};
    const Node node{.size_bytes = 4096, .attributes = *of_directories, .kind = NodeKind::kDirectory, .content = 1 + d};
    if (auto added = add(node, fmt::format("class-{:09}", d)); !added) return added;
    if (auto added = tables.directories.Append(directory); !added) return added;
  }
  for (uint64_t i = 0; i < samples; ++i) {
    const Node node{.size_bytes = bytes_per_sample, .attributes = *of_samples, .kind = NodeKind::kFile};
    if (auto added = add(node, fmt::format("sample-{:012}.bin", i)); !added) return added;
  }
  return {};
}

Result<void> Run(const std::string& path, const Shape& shape) {
  auto output = OutputFile::Create(path, true);
  if (!output) return Propagate(std::move(output));
  IndexTables tables((*output)->folder());
  if (auto filled = FillTables(shape, tables); !filled) return filled;
  Spool<NodeNumber> samples((*output)->folder());
  if (auto ordered = OrderSamples({}, tables, samples); !ordered) return ordered;
  const NumberSource source;
  PackProgress progress;
  WorkerPool pool(2);
  const auto written = WritePack(
      {.tables = tables, .samples = samples, .sparse = {}, .duplicates = {}, .source = source},
      {.on_unreadable = [](const std::string&, const std::string&) {}, .progress = &progress}, pool, **output);
  return written ? Result<void>() : std::unexpected(written.error());
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  quire::Shape shape;
  const std::array<uint64_t*, 3> numbers = {&shape.samples, &shape.bytes_per_sample, &shape.samples_per_directory};
  bool usable = argc >= 3 && argc <= 5;
  for (int i = 2; usable && i < argc; ++i)
    usable = std::from_chars(argv[i], argv[i] + std::strlen(argv[i]), *numbers[i - 2]).ec == std::errc();
  if (!usable || shape.samples == 0 || shape.bytes_per_sample > quire::kPageBytes || shape.samples_per_directory == 0) {
    fmt::print(stderr, "usage: synthetic_pack OUT SAMPLES [BYTES_PER_SAMPLE [SAMPLES_PER_DIRECTORY]]\n");
    return 2;
  }
  const auto done = quire::Run(argv[1], shape);
  if (!done) fmt::print(stderr, "synthetic_pack: {}\n", done.error().message);
  return done ? 0 : 1;
}
