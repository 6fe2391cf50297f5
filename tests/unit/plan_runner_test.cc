// SPDX-License-Identifier: Apache-2.0
// Goal: what a plan names next is brought into memory and on into the kernel, in its order and by its window, markers
// left out; and the runner can be stopped at any time, whatever is under way, and leaves nothing pinned.
// Method: real packs and caches, an engine whose reads the test holds back, a kernel that records.
#include "fs/feed/plan_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include "cache/volume/file_source.h"
#include "format/pack/path_resolver.h"
#include "tests/support/memory_tree.h"
#include "tests/support/recording_store.h"

namespace quire {
namespace {

using Nodes = std::vector<NodeNumber>;

// Looks again and again until it is so; false after a minute.
bool Becomes(const auto& is_so) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// The engine of a pack, which begins no read while it is held.
class HeldEngine : public VolumeSource {
 public:
  explicit HeldEngine(const Pack& pack)
      : engine_(ValueOrDie(OpenFileSource(pack.volume_fds(), {.io = IoKind::kThreads}))) {}

  void Submit(VolumeRead* first) override {
    {
      const std::scoped_lock lock(mutex_);
      if (is_held_) {
        while (first != nullptr) held_.push_back(std::exchange(first, first->next));
        return;
      }
    }
    engine_->Submit(first);
  }
  [[nodiscard]] uint32_t request_bytes() const override { return engine_->request_bytes(); }
  [[nodiscard]] uint32_t depth() const override { return engine_->depth(); }
  [[nodiscard]] uint32_t alignment_bytes() const override { return engine_->alignment_bytes(); }
  [[nodiscard]] std::string Describe() const override { return "held"; }

  void Hold() {
    const std::scoped_lock lock(mutex_);
    is_held_ = true;
  }
  void Resume() {
    std::vector<VolumeRead*> reads;
    {
      const std::scoped_lock lock(mutex_);
      is_held_ = false;
      reads.swap(held_);
    }
    for (VolumeRead* const read : reads) {
      read->next = nullptr;
      engine_->Submit(read);
    }
  }

 private:
  const std::unique_ptr<VolumeSource> engine_;
  std::mutex mutex_;  // guards all below
  bool is_held_ = false;
  std::vector<VolumeRead*> held_;
};

// A pack on disk, and what its samples hold.
class PackOnDisk {
 public:
  explicit PackOnDisk(const MemoryTree& tree) {
    tree.WriteTo(path_);
    Open();
    for (const auto& [path, content] : tree.Contents()) contents_[At(path)] = content;
  }
  // Turns a bit of a sample's bytes over.
  void Damage(NodeNumber node) {
    const Node record = ValueOrDie(pack_->index().GetNode(node));
    const Extent extent = ValueOrDie(pack_->index().GetExtent(record.content));
    std::string bytes = ReadFile(path_);
    bytes[extent.offset] ^= 1;
    WriteFile(path_, bytes);
    Open();
  }
  [[nodiscard]] NodeNumber At(const std::string& path) const {
    return ValueOrDie(ResolvePath(pack_->index(), path, LastSymlink::kFollow));
  }
  [[nodiscard]] const Pack& pack() const { return *pack_; }
  [[nodiscard]] const Index& index() const { return pack_->index(); }
  [[nodiscard]] const std::string& ContentOf(NodeNumber node) const { return contents_.at(node); }

 private:
  void Open() { pack_ = ValueOrDie(Pack::Open(path_)); }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "pack";
  std::unique_ptr<Pack> pack_;
  std::map<NodeNumber, std::string> contents_;
};

constexpr size_t kSamples = 300;
constexpr uint64_t kSampleBytes = 20'000;
constexpr uint64_t kPages = 3;

MemoryTree SmallSamples() {
  MemoryTree tree;
  for (size_t i = 0; i < kSamples; ++i) tree.AddFile(fmt::format("{:03}", i), Noise(kSampleBytes, i));
  return tree;
}

const PackOnDisk& SmallPack() {
  static const PackOnDisk pack(SmallSamples());
  return pack;
}

// All that a runner needs. It is stopped first and goes last.
struct Mount {
  explicit Mount(const PackOnDisk& on_disk, uint32_t slots = 18, PushMode mode = PushMode::kAuto,
                 uint64_t data_bytes = 1000)
      : source(on_disk),
        arena(ValueOrDie(Arena::Create(slots, HugePages::kOff))),
        residency(mode, {.bytes = data_bytes}, {.available_bytes = [] { return uint64_t{1} << 32; }}) {
    for (NodeNumber node = 0; node < source.index().node_count(); ++node) view.Told(node);
  }
  ~Mount() {
    store.Resume();
    runner.Stop();
    engine.Resume();
    reader.Drain();
  }

  void Follow(const Nodes& order) {
    plan.Begin();
    for (const NodeNumber node : order) plan.Append(node);
    OkOrDie(runner.Start());
    runner.Wake();
  }
  SampleBytes Read(NodeNumber node) {
    const Node record = ValueOrDie(source.index().GetNode(node));
    return ValueOrDie(reader.Read(record, 0, record.size_bytes));
  }
  void BeginRead(NodeNumber node) { view.BeginRead(node, ValueOrDie(source.index().GetNode(node)).content); }
  [[nodiscard]] bool IsInMemory(NodeNumber node) {
    const Node record = ValueOrDie(source.index().GetNode(node));
    SampleBytes bytes;
    return reader.TryRead(record, 0, record.size_bytes, bytes);
  }
  void ReadersGetTo(NodeNumber node) {
    EXPECT_EQ(plan.Read(node), Plan::Verdict::kExpected);
    runner.Wake();
  }
  // Waits until the runner has gone through so many places, and is at rest.
  [[nodiscard]] bool WaitForPrefetched(uint64_t places) {
    return Becomes([&] { return plan.figures().prefetched >= places; });
  }
  void ExpectRightBytes() const {
    for (const NodeNumber node : store.stored()) EXPECT_TRUE(store.BytesOf(node) == source.ContentOf(node)) << node;
  }

  const PackOnDisk& source;
  std::unique_ptr<Arena> arena;
  HeldEngine engine{source.pack()};
  KernelView view{source.index().node_count(), source.index().extent_count()};
  RecordingStore store{view};
  Residency residency;
  Plan plan{source.index().node_count()};

 private:
  static constexpr CacheOptions kOptions = {
      .policy = PolicyKind::kLru, .admission = AdmissionMode::kPage, .readahead = false};

 public:
  // The runner must live until the reader is at rest, and no longer than the reader: Drain comes before both.
  SampleReader reader{source.pack(), *arena, engine, kOptions};
  PlanRunner runner{source.index(), reader, plan, view, store, residency};
};

Nodes Shuffled(const PackOnDisk& source, uint64_t seed) {
  Nodes order(kSamples);
  for (size_t i = 0; i < kSamples; ++i) order[i] = source.At(fmt::format("{:03}", i));
  std::ranges::shuffle(order, std::mt19937_64(seed));
  return order;
}

// Without every 32nd.
Nodes WithoutMarkers(const Nodes& order, size_t begin = 0, size_t end = kSamples) {
  Nodes nodes;
  for (size_t place = begin; place < std::min(end, order.size()); ++place)
    if (place % Plan::kMarkerSpacing != 0) nodes.push_back(order[place]);
  return nodes;
}

Nodes Sorted(Nodes nodes) {
  std::ranges::sort(nodes);
  return nodes;
}

TEST(PlanRunner, StoresWhatIsInMemoryInTheOrderOfThePlanButForMarkers) {
  Mount mount(SmallPack());
  for (NodeNumber node = 1; node < SmallPack().index().node_count(); ++node)
    ASSERT_TRUE(Becomes([&] { return mount.Read(node).size() > 0 && mount.IsInMemory(node); }));
  for (uint64_t page = 0; page < kPages; ++page)
    ASSERT_TRUE(Becomes([&] { return mount.reader.cache().PinPage(page).has_value(); }));
  const Nodes order = Shuffled(SmallPack(), 1);
  mount.Follow(order);
  ASSERT_TRUE(mount.store.WaitFor(order.back()));
  EXPECT_EQ(mount.store.stored(), WithoutMarkers(order));
  mount.ExpectRightBytes();
}

TEST(PlanRunner, BringsWhatIsNotInMemoryThereFirst) {
  Mount mount(SmallPack());
  const Nodes order = Shuffled(SmallPack(), 2);
  mount.Follow(order);
  EXPECT_TRUE(Becomes([&] { return mount.store.stored().size() == WithoutMarkers(order).size(); }));
  EXPECT_EQ(Sorted(mount.store.stored()), Sorted(WithoutMarkers(order)));
  mount.ExpectRightBytes();
  for (size_t place = 0; place < kSamples; place += Plan::kMarkerSpacing) EXPECT_TRUE(mount.IsInMemory(order[place]));
}

TEST(PlanRunner, OnlyKnownSamplesAreStored) {
  Mount mount(SmallPack());
  const Nodes order = Shuffled(SmallPack(), 3);
  for (size_t place = 0; place + 1 < kSamples; ++place)
    if (place % 2 == 0) mount.view.Forgotten(order[place]);
  mount.Follow(order);
  EXPECT_TRUE(Becomes([&] { return mount.plan.figures().left == 0 && mount.store.stored().size() >= kSamples / 2; }));
  mount.runner.Stop();
  for (const NodeNumber node : mount.store.stored()) EXPECT_TRUE(mount.view.IsKnown(node));
}

TEST(PlanRunner, WhatTheKernelHasIsNotReadAgainWhileDataFits) {
  Mount mount(SmallPack());
  const Nodes order = Shuffled(SmallPack(), 4);
  for (size_t place = 0; place < 200; ++place) mount.BeginRead(order[place]);
  mount.Follow(order);
  EXPECT_TRUE(Becomes([&] { return mount.store.stored().size() == WithoutMarkers(order, 200).size(); }));
  EXPECT_EQ(Sorted(mount.store.stored()), Sorted(WithoutMarkers(order, 200)));
  EXPECT_EQ(mount.reader.GetStats().reads(), kSamples - 200);
}

TEST(PlanRunner, WhatTheKernelHadIsStoredAgainWhereItWillHaveDroppedIt) {
  Mount mount(SmallPack(), 18, PushMode::kAuto, uint64_t{1} << 40);
  const Nodes order = Shuffled(SmallPack(), 4);
  for (size_t place = 0; place < 200; ++place) mount.BeginRead(order[place]);
  mount.Follow(order);
  EXPECT_TRUE(Becomes([&] { return mount.store.stored().size() == WithoutMarkers(order).size(); }));
}

TEST(PlanRunner, WithoutPushingItKeepsToWhatStaysInMemory) {
  Mount mount(SmallPack(), 18, PushMode::kOff);
  const Nodes order = Shuffled(SmallPack(), 5);
  mount.Follow(order);
  const uint64_t window = mount.reader.cache().slab_bytes() / 4 / kSampleBytes;
  ASSERT_GT(window, 40U);
  ASSERT_LT(window, kSamples / 2);
  EXPECT_TRUE(mount.WaitForPrefetched(window));
  for (size_t place = 0; place < 100; ++place) {
    mount.ReadersGetTo(order[place]);
    EXPECT_TRUE(mount.WaitForPrefetched(window + place + 1));
    EXPECT_LE(mount.plan.figures().ahead, window);
  }
  mount.runner.Stop();
  EXPECT_EQ(mount.plan.figures().prefetched, window + 100);
  EXPECT_EQ(mount.store.calls(), 0U);
}

TEST(PlanRunner, GoesOnWhenThePlanDoes) {
  Mount mount(SmallPack());
  const Nodes order = Shuffled(SmallPack(), 6);
  mount.Follow({order.begin(), order.begin() + 100});
  ASSERT_TRUE(Becomes([&] { return mount.store.stored().size() == WithoutMarkers(order, 0, 100).size(); }));
  for (size_t place = 100; place < kSamples; ++place) mount.plan.Append(order[place]);
  mount.runner.Wake();
  EXPECT_TRUE(Becomes([&] { return mount.store.stored().size() == WithoutMarkers(order).size(); }));
}

TEST(PlanRunner, WhatReadersHaveOvertakenIsDropped) {
  constexpr size_t kInFlight = 64;
  Mount mount(SmallPack());
  mount.engine.Hold();
  const Nodes order = Shuffled(SmallPack(), 7);
  mount.Follow(order);
  ASSERT_TRUE(mount.WaitForPrefetched(kInFlight));
  EXPECT_EQ(mount.plan.figures().prefetched, kInFlight) << "no more are in flight at a time";
  mount.ReadersGetTo(order[200]);
  const size_t goes_on_at = kInFlight + mount.plan.figures().overtaken;
  EXPECT_GT(goes_on_at, 201U);
  mount.engine.Resume();
  Nodes expected = WithoutMarkers(order, 0, kInFlight);
  const Nodes rest = WithoutMarkers(order, goes_on_at);
  expected.insert(expected.end(), rest.begin(), rest.end());
  EXPECT_TRUE(Becomes([&] { return mount.store.stored().size() == expected.size(); }));
  EXPECT_EQ(Sorted(mount.store.stored()), Sorted(expected));
}

TEST(PlanRunner, EmptySamplesAndThoseOfSeveralExtentsAreLeftToTheirReaders) {
  MemoryTree tree = SmallSamples();
  tree.AddFile("empty", "").AddFile("large", Noise(2 * kPageBytes, 1));
  const PackOnDisk source(tree);
  Mount mount(source);
  mount.Follow({source.At("000"), source.At("empty"), source.At("large"), source.At("001")});
  EXPECT_TRUE(mount.store.WaitFor(source.At("001")));
  mount.runner.Stop();
  EXPECT_EQ(mount.store.stored(), Nodes{source.At("001")});
}

TEST(PlanRunner, WhatCannotBeReadIsSkipped) {
  PackOnDisk source(SmallSamples());
  const Nodes order = Shuffled(source, 8);
  source.Damage(order[17]);
  source.Damage(order[170]);
  Mount mount(source);
  mount.Follow(order);
  EXPECT_TRUE(Becomes([&] { return mount.store.stored().size() == WithoutMarkers(order).size() - 2; }));
  EXPECT_TRUE(mount.store.BytesOf(order[17]).empty());
  EXPECT_TRUE(mount.store.BytesOf(order[170]).empty());
  mount.ExpectRightBytes();
}

// Each page finds a slot, which it would not if pins were left on the pages of both. A sample that lies in a slab takes
// none, so that any of the page's may be needed.
void ExpectNothingPinned(Mount& mount) {
  for (int round = 0; round < 2; ++round) {
    for (uint64_t page = 0; page < kPages; ++page) {
      const ExtentNumber first = ValueOrDie(mount.source.index().FindExtentFrom(0, page * kPageBytes));
      const ExtentNumber end = ValueOrDie(mount.source.index().FindExtentFrom(0, (page + 1) * kPageBytes));
      ExtentNumber number = first;
      EXPECT_TRUE(Becomes([&] {
        if (number == end) number = first;
        mount.Read(ValueOrDie(mount.source.index().GetExtent(number++)).node);
        return mount.reader.cache().PinPage(page).has_value();
      })) << "page "
          << page;
    }
  }
}

TEST(PlanRunner, StopsWhileReadsAreUnderWayAndKeepsNothingPinned) {
  Mount mount(SmallPack(), kMinSlots);
  mount.engine.Hold();
  mount.Follow(Shuffled(SmallPack(), 9));
  ASSERT_TRUE(mount.WaitForPrefetched(64));
  mount.runner.Stop();
  mount.engine.Resume();
  ExpectNothingPinned(mount);
  EXPECT_EQ(mount.store.calls(), 0U);
}

TEST(PlanRunner, StopsWhileSamplesWaitToBeStoredAndKeepsNothingPinned) {
  Mount mount(SmallPack(), kMinSlots);
  mount.store.Hold();
  mount.Follow(Shuffled(SmallPack(), 10));
  ASSERT_TRUE(mount.store.WaitForCalls(1));
  auto stopped = std::async(std::launch::async, [&] { mount.runner.Stop(); });
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  mount.store.Resume();
  stopped.get();
  EXPECT_LE(mount.store.calls(), 2U);
  ExpectNothingPinned(mount);
}

// A store waits for a read of the sample, which may wait for memory that another read would get first.
TEST(PlanRunner, WhatWaitsToBeStoredKeepsNoMemoryOfTheCache) {
  Mount mount(SmallPack(), kMinSlots);
  mount.engine.Hold();
  mount.store.Hold();
  mount.Follow(Shuffled(SmallPack(), 11));
  ASSERT_TRUE(mount.WaitForPrefetched(64));
  mount.engine.Resume();
  ASSERT_TRUE(mount.store.WaitForCalls(1));
  ExpectNothingPinned(mount);
  EXPECT_EQ(mount.store.calls(), 1U);
}

// Where the plan finds its samples in memory it does not pin them either.
TEST(PlanRunner, WhatIsInMemoryIsNotPinnedWhileItIsStored) {
  Mount mount(SmallPack(), kMinSlots);
  const Nodes order = Shuffled(SmallPack(), 12);
  ASSERT_TRUE(Becomes([&] { return mount.Read(order[1]).size() > 0 && mount.IsInMemory(order[1]); }));
  mount.store.Hold();
  mount.Follow({order[0], order[1]});
  ASSERT_TRUE(mount.store.WaitForCalls(1));
  ExpectNothingPinned(mount);
}

constexpr uint64_t kLeastRingBytes = 2 * kPageBytes;

TEST(PlanRunner, GivesItsMemoryBackWhenThePlanIsOver) {
  Mount mount(SmallPack());
  const Nodes order = Shuffled(SmallPack(), 13);
  mount.Follow(order);
  ASSERT_TRUE(Becomes([&] { return mount.store.stored().size() == WithoutMarkers(order).size(); }));
  EXPECT_GT(mount.plan.figures().memory_bytes, kLeastRingBytes);
  mount.ReadersGetTo(order.back());
  EXPECT_TRUE(Becomes([&] { return mount.plan.figures().memory_bytes < kLeastRingBytes; }));
  // And takes it anew for the next.
  mount.plan.Begin();
  mount.view.Renew(ValueOrDie(mount.source.index().GetNode(order[1])).content);
  for (const NodeNumber node : {order[0], order[1]}) mount.plan.Append(node);
  mount.runner.Wake();
  EXPECT_TRUE(mount.store.WaitForCalls(WithoutMarkers(order).size() + 1));
}

TEST(PlanRunner, WithoutPushingItNeedsNoMemoryForCopies) {
  Mount mount(SmallPack(), 18, PushMode::kOff);
  const Nodes order = Shuffled(SmallPack(), 14);
  mount.Follow(order);
  for (size_t place = 0; place < kSamples; ++place) {
    if (mount.plan.is_active()) mount.ReadersGetTo(order[place]);
    ASSERT_LT(mount.plan.figures().memory_bytes, kLeastRingBytes);
  }
}

// The cache is told what will be read by some million look-ups in the index.
TEST(PlanRunner, StopsWhileALongFutureIsTold) {
  Mount mount(SmallPack(), kMinSlots, PushMode::kOff);
  ASSERT_FALSE(mount.reader.cache().fits());
  const Nodes order = Shuffled(SmallPack(), 15);
  mount.plan.Begin();
  for (uint64_t i = 0; i < Plan::kMaxPlaces; ++i) mount.plan.Append(order[i % kSamples]);
  mount.runner.FutureChanged();
  OkOrDie(mount.runner.Start());
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto began = std::chrono::steady_clock::now();
  mount.runner.Stop();
  const auto stopped = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < Plan::kMaxPlaces / 4; ++i)
    ASSERT_TRUE(SmallPack().index().GetNode(order[i % kSamples]).has_value());
  EXPECT_LT(stopped - began, std::chrono::steady_clock::now() - stopped) << "as long as a quarter of all look-ups";
}

TEST(PlanRunner, StopsAtAnyMoment) {
  for (int round = 0; round < 50; ++round) {
    Mount mount(SmallPack(), kMinSlots);
    mount.Follow(Shuffled(SmallPack(), round));
    if (round % 2 == 0 && !mount.WaitForPrefetched(round)) ADD_FAILURE();
    mount.runner.Stop();
  }
}

// Two pages have slots, and two slabs hold what is read alone: one of them is somebody else's, and for the other one a
// read of the runner waits while its reads before are in it. They leave it as soon as they have come, and not once they
// were stored: so that read goes on, others as well, and the runner can be stopped.
TEST(PlanRunner, AReadThatWaitsForMemoryGoesOnWhileAnotherSampleIsStored) {
  MemoryTree tree;
  for (const char* const name : {"0", "1", "2"}) tree.AddFile(name, Noise(kPageBytes - 10'000, name[0]));
  tree.AddFile("3a", Noise(500'000, 3)).AddFile("3b", Noise(500'000, 4)).AddFile("3c", Noise(1'060'000, 5));
  tree.AddFile("4a", Noise(1'400'000, 6)).AddFile("4b", Noise(400'000, 7));
  const PackOnDisk source(tree);
  Mount mount(source, kMinSlots);
  const auto page_0 = mount.Read(source.At("0"));
  const auto page_1 = mount.Read(source.At("1"));
  ASSERT_TRUE(Becomes([&] { return mount.reader.GetStats().resident_pages == 2; }));
  const auto slab = mount.Read(source.At("2"));
  ASSERT_EQ(mount.reader.GetStats().resident_pages, 2U);

  mount.store.Hold();
  mount.engine.Hold();
  mount.Follow({source.At("0"), source.At("3a"), source.At("3b"), source.At("4a")});
  ASSERT_TRUE(Becomes([&] { return mount.reader.GetStats()[Counter::kParked] == 1; }));
  mount.engine.Resume();
  ASSERT_TRUE(mount.store.WaitForCalls(1));  // one of 3a and 3b
  auto read = std::async(std::launch::async, [&] { return mount.Read(source.At("4a")).size(); });
  if (read.wait_for(std::chrono::minutes(1)) != std::future_status::ready) {
    std::fputs("a read waits for the runner, which stores\n", stderr);  // and this test would wait for both
    std::abort();
  }
  EXPECT_EQ(read.get(), 1'400'000U);
  EXPECT_EQ(mount.store.calls(), 1U);

  auto stopped = std::async(std::launch::async, [&] { mount.runner.Stop(); });
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  mount.store.Resume();
  if (stopped.wait_for(std::chrono::minutes(1)) == std::future_status::ready) return;
  std::fputs("the runner cannot be stopped\n", stderr);  // and neither can this test
  std::abort();
}

}  // namespace
}  // namespace quire
