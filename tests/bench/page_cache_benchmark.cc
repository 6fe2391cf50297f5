// SPDX-License-Identifier: Apache-2.0
// What a hit costs: look-up, pin and unpin of an extent whose page is resident, and the same with the way from a
// sample's node to its bytes. `--benchmark_filter=Hit`; items per second are of all threads.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "cache/sample_reader.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr int kSamples = 20'000;  // of 3 KB: 30 pages

struct Warm {
  Warm() {
    MemoryTree tree;
    for (int i = 0; i < kSamples; ++i) tree.AddFile(fmt::format("{:02}/{:05}", i % 50, i), Noise(3000, i));
    tree.WriteTo(folder / "pack");
    pack = ValueOrDie(Pack::Open(folder / "pack"));
    reader = ValueOrDie(SampleReader::Open(*pack, {}));
    for (NodeNumber number = 0; number < pack->index().node_count(); ++number) {
      const Node node = ValueOrDie(pack->index().GetNode(number));
      if (node.kind != NodeKind::kFile) continue;
      ValueOrDie(reader->Read(node, 0, node.size_bytes));
      nodes.push_back(node);
      extents.push_back(ValueOrDie(pack->index().GetExtent(node.content)));
    }
    reader->Drain();
  }
  TemporaryFolder folder;
  std::unique_ptr<Pack> pack;
  std::unique_ptr<SampleReader> reader;
  std::vector<Node> nodes;
  std::vector<Extent> extents;
};

Warm& TheWarm() {
  static Warm* const warm = new Warm();
  return *warm;
}

void HitOfExtent(benchmark::State& state) {
  Warm& warm = TheWarm();
  std::mt19937 random(static_cast<unsigned>(state.thread_index()));
  size_t at = random() % warm.extents.size();
  for (auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores): Google Benchmark's own idiom
    const Extent& extent = warm.extents[at];
    const auto pin = warm.reader->cache().TryPin(extent, extent.length_bytes);
    if (!pin) return state.SkipWithError("not resident");
    benchmark::DoNotOptimize(pin->bytes().data());
    at = (at + 7919) % warm.extents.size();  // a prime stride: another page each time
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(HitOfExtent)->ThreadRange(1, 2)->UseRealTime();

void HitOfSample(benchmark::State& state) {
  Warm& warm = TheWarm();
  size_t at = static_cast<size_t>(state.thread_index()) * 1013 % warm.nodes.size();
  for (auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores): Google Benchmark's own idiom
    SampleBytes bytes;
    if (!warm.reader->TryRead(warm.nodes[at], 0, 128 << 10, bytes)) return state.SkipWithError("not resident");
    benchmark::DoNotOptimize(bytes.slices().data());
    at = (at + 7919) % warm.nodes.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(HitOfSample)->ThreadRange(1, 2)->UseRealTime();

}  // namespace
}  // namespace quire

BENCHMARK_MAIN();
