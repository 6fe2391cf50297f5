// SPDX-License-Identifier: Apache-2.0
// Goal: the samples of a page that came into memory are stored into the kernel's page cache, whole and right, but for
// those that it cannot or need not be given and, in some pages, one that stays behind as a control; the page's slot is
// given up then; and pushing can be stopped.
// Method: a pack of two and a half pages in memory, and a kernel that records. One thread pushes page after page: what
// was told before another page, which was pushed, has been looked at.
#include "fs/feed/pusher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "cache/sample_reader.h"
#include "cache/volume/file_source.h"
#include "format/pack/path_resolver.h"
#include "format/pack/sample_content.h"
#include "tests/support/memory_tree.h"
#include "tests/support/recording_store.h"

namespace quire {
namespace {

// Page 0: small samples, one of them with a second name, and an empty one. Page 1: small samples again, and the
// beginning of one that has several extents; page 2 its end.
class PusherTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    MemoryTree tree;
    for (int i = 0; i < 380; ++i) tree.AddFile(fmt::format("{:03}", i), Noise(8000 + i, i));
    tree.AddFile("100-empty", "").AddHardLink("hard", "005").AddFile("large", Noise(kPageBytes + 100, 1000));
    folder_ = new TemporaryFolder();
    tree.WriteTo(*folder_ / "pack");
    pack_ = ValueOrDie(Pack::Open(*folder_ / "pack")).release();
    contents_ = new std::map<NodeNumber, std::string>();
    for (const auto& [path, content] : tree.Contents()) (*contents_)[At(path)] = content;
  }
  static void TearDownTestSuite() {
    delete contents_;
    delete pack_;
    delete folder_;
  }

  PusherTest() {
    for (uint64_t page = 0; page < reader_->cache().page_count(); ++page) MakeResident(*reader_, page);
  }
  ~PusherTest() override {
    pusher_.Stop();
    reader_->Drain();
  }

  static const Pack& pack() { return *pack_; }
  static const Index& index() { return pack_->index(); }
  static NodeNumber At(const std::string& path) { return ValueOrDie(ResolvePath(index(), path, LastSymlink::kFollow)); }
  static const std::string& ContentOf(NodeNumber node) { return contents_->at(node); }
  // Those of one extent, in the order of the page.
  static std::vector<NodeNumber> SamplesOf(uint64_t page) {
    std::vector<NodeNumber> nodes;
    for (ExtentNumber number = 0; number < index().extent_count(); ++number) {
      const Extent extent = ValueOrDie(index().GetExtent(number));
      const Node node = ValueOrDie(index().GetNode(extent.node));
      if (extent.offset / kPageBytes == page && node.kind == NodeKind::kFile) nodes.push_back(extent.node);
    }
    return nodes;
  }

  static void MakeResident(SampleReader& reader, uint64_t page) {
    const Node node = ValueOrDie(index().GetNode(SamplesOf(page).empty() ? At("large") : SamplesOf(page)[0]));
    ValueOrDie(reader.Read(node, 0, node.size_bytes));
    while (!reader.cache().PinPage(page)) std::this_thread::yield();  // the rest of it comes later
  }
  void TellAll() {
    for (NodeNumber node = 0; node < index().node_count(); ++node) view_.Told(node);
  }
  void Start(unsigned threads = 1) { OkOrDie(pusher_.Start(threads)); }
  // All that was told before was looked at. Up to some hundred times.
  void Settle() {
    if (unused_.empty()) {
      unused_ = SamplesOf(1);
    }
    const NodeNumber node = unused_.back();
    unused_.pop_back();
    view_.Told(node);
    pusher_.PageArrived(1, false);
    ASSERT_TRUE(store_.WaitFor(node));
  }
  std::vector<NodeNumber> StoredOf(uint64_t page) {
    std::vector<NodeNumber> of_page = SamplesOf(page);
    std::ranges::sort(of_page);
    auto nodes = store_.stored();
    std::erase_if(nodes, [&](NodeNumber node) { return !std::ranges::binary_search(of_page, node); });
    return nodes;
  }
  // The reads of page 0 until `node`, which the kernel knows from now on, is stored.
  int ReadsUntilPushed(NodeNumber node) {
    view_.Told(node);
    for (int reads = 0; reads < 100; ++reads) {
      if (!store_.BytesOf(node).empty()) return reads;
      pusher_.PageRead(0);
      Settle();
    }
    return -1;
  }

  static constexpr CacheOptions kOptions = {
      .admission = AdmissionMode::kPage, .io = IoKind::kThreads, .readahead = false, .push = PushMode::kAuto};

  std::unique_ptr<SampleReader> OpenReader() {
    return std::make_unique<SampleReader>(
        *pack_, *arena_, *engine_, kOptions,
        Residency::Environment{.available_bytes = [this] { return available_bytes_; }});
  }
  void SetAvailable(uint64_t bytes) {
    available_bytes_ = bytes;
    residency_.LookAtMemory();
  }
  ExtentNumber ExtentOf(NodeNumber node) { return ValueOrDie(index().GetNode(node)).content; }
  KernelView::ReadEvent BeginRead(NodeNumber node) { return view_.BeginRead(node, ExtentOf(node)); }
  bool IsSettled(NodeNumber node) { return view_.IsSettled(node, ExtentOf(node)); }

  uint64_t available_bytes_ = uint64_t{1} << 34;
  KernelView view_{index().node_count(), index().extent_count()};
  RecordingStore store_{view_};
  std::unique_ptr<Arena> arena_ = ValueOrDie(Arena::Create(16, HugePages::kOff));
  std::unique_ptr<VolumeSource> engine_ = ValueOrDie(OpenFileSource(pack_->volume_fds(), {.io = IoKind::kThreads}));
  std::unique_ptr<SampleReader> reader_ = OpenReader();
  Residency& residency_ = reader_->cache().residency();
  std::atomic<int> handed_on_ = 0;
  Pusher pusher_{index(), reader_->cache(), view_, store_, [this] { ++handed_on_; }};

 private:
  static inline TemporaryFolder* folder_ = nullptr;
  static inline Pack* pack_ = nullptr;
  static inline std::map<NodeNumber, std::string>* contents_ = nullptr;
  std::vector<NodeNumber> unused_;  // of page 1: not told of yet
};

TEST_F(PusherTest, PushesAllKnownSamplesOfAPageButOne) {
  const auto samples = SamplesOf(0);
  for (const NodeNumber node : samples) view_.Told(node);
  Start();
  pusher_.PageArrived(0, false);
  Settle();
  EXPECT_EQ(StoredOf(0), std::vector(samples.begin() + 1, samples.end()));
  EXPECT_TRUE(BeginRead(samples[0]).was_control);
}

TEST_F(PusherTest, StoresTheBytesOfEachSample) {
  TellAll();
  Start();
  pusher_.PageArrived(0, false);
  pusher_.PageArrived(1, false);
  ASSERT_TRUE(store_.WaitFor(SamplesOf(1).back()));
  auto stored = store_.stored();
  std::erase(stored, At("large"));  // of which a piece lies here
  EXPECT_EQ(stored.size(), 379U) << "page 0 has a control, page 1 has none";
  for (const NodeNumber node : stored) EXPECT_TRUE(store_.BytesOf(node) == ContentOf(node)) << node;
}

TEST_F(PusherTest, TellsWhatItDid) {
  const auto samples = SamplesOf(0);
  uint64_t bytes = 0;
  for (const NodeNumber node : samples) {
    view_.Told(node);
    bytes += ContentOf(node).size();
  }
  Start();
  pusher_.PageArrived(0, false);
  ASSERT_TRUE(store_.WaitFor(samples.back()));
  pusher_.Stop();
  EXPECT_EQ(residency_.figures().control_pages, 1U);
  EXPECT_EQ(residency_.figures().pushed_page_bytes, bytes - ContentOf(samples[0]).size());
  EXPECT_EQ(residency_.figures().pages, 1U);
  EXPECT_EQ(residency_.figures().handed_on_pages, 1U);
  EXPECT_EQ(handed_on_, 1);
}

TEST_F(PusherTest, WhatTheKernelDoesNotKnowIsNotPushed) {
  const auto samples = SamplesOf(0);
  std::vector<NodeNumber> known;
  for (size_t i = 0; i < samples.size(); i += 2) {
    view_.Told(samples[i]);
    known.push_back(samples[i]);
  }
  Start();
  pusher_.PageArrived(0, false);
  Settle();
  EXPECT_EQ(StoredOf(0), std::vector(known.begin() + 1, known.end()));
}

TEST_F(PusherTest, WhatTheKernelHasReadIsNotPushed) {
  auto samples = SamplesOf(0);
  for (const NodeNumber node : samples) view_.Told(node);
  for (const size_t read : {7, 0}) {
    BeginRead(samples[read]);
    samples.erase(samples.begin() + static_cast<ptrdiff_t>(read));
  }
  Start();
  pusher_.PageArrived(0, false);
  Settle();
  EXPECT_EQ(StoredOf(0), std::vector(samples.begin() + 1, samples.end()));
}

TEST_F(PusherTest, AHardLinkedSampleIsPushedOnceUnderItsInode) {
  TellAll();
  Start();
  pusher_.PageArrived(0, false);
  ASSERT_TRUE(store_.WaitFor(At("005")));
  pusher_.Stop();
  EXPECT_EQ(At("hard"), At("005"));
  EXPECT_EQ(std::ranges::count(store_.stored(), At("005")), 1);
  for (const NodeNumber node : store_.stored()) EXPECT_TRUE(ValueOrDie(index().GetNode(node)).is_sample()) << node;
}

TEST_F(PusherTest, PiecesOfASampleOfSeveralExtentsAreStoredWhereTheyBelong) {
  TellAll();
  Start();
  for (const uint64_t page : {2, 1, 0}) pusher_.PageArrived(page, false);
  // A piece of it is the last extent of page 0.
  EXPECT_TRUE(store_.WaitFor(At("large"), ContentOf(At("large"))));
  pusher_.Stop();
  // What is stored of a page of the kernel's in two parts is never whole for it.
  for (const uint64_t offset : store_.offsets()) EXPECT_EQ(offset % kKernelPageBytes, 0U);
  EXPECT_TRUE(store_.BytesOf(At("100-empty")).empty());
}

TEST_F(PusherTest, ASampleOfSeveralExtentsThatIsBeingReadIsLeftToItsReader) {
  TellAll();
  const Node large = ValueOrDie(index().GetNode(At("large")));
  view_.BeginRead(At("large"), ValueOrDie(FindRun(index(), large, 0)).extent.value());
  Start();
  for (const uint64_t page : {2, 1, 0}) pusher_.PageArrived(page, false);
  ASSERT_TRUE(store_.WaitFor(SamplesOf(0).back()));
  pusher_.Stop();
  EXPECT_TRUE(store_.BytesOf(At("large")).empty());
}

// Its reader is at the page of the kernel's that both pieces share, and would meet the store there.
TEST_F(PusherTest, ASampleWhoseSeamIsBeingReadIsLeftToItsReader) {
  TellAll();
  view_.BeginSeamRead(At("large"));
  Start();
  for (const uint64_t page : {2, 1, 0}) pusher_.PageArrived(page, false);
  ASSERT_TRUE(store_.WaitFor(SamplesOf(0).back()));
  pusher_.Stop();
  EXPECT_TRUE(store_.BytesOf(At("large")).empty());
}

TEST_F(PusherTest, APageIsHandedOnWhenTheKernelHasNearlyAllOfIt) {
  const auto samples = SamplesOf(0);
  const size_t few = samples.size() / 10;
  for (size_t i = 0; i < samples.size() / 2; ++i) view_.Told(samples[i]);
  Start();
  pusher_.PageArrived(0, false);
  Settle();
  EXPECT_EQ(residency_.figures().handed_on_pages, 0U) << "half of it is unknown to the kernel";
  for (size_t i = 0; i < samples.size() - few; ++i) view_.Told(samples[i]);
  pusher_.PageArrived(0, false);
  Settle();
  EXPECT_EQ(residency_.figures().handed_on_pages, 1U);
}

TEST_F(PusherTest, NothingIsPushedAndNoControlLeftOutWhileTheBudgetSaysNo) {
  for (const NodeNumber node : SamplesOf(0)) view_.Told(node);
  SetAvailable(0);
  Start();
  pusher_.PageArrived(0, true);
  while (residency_.figures().pages == 0) std::this_thread::yield();
  pusher_.Stop();
  EXPECT_EQ(store_.calls(), 0U);
  for (const NodeNumber node : SamplesOf(0)) EXPECT_FALSE(IsSettled(node));
  EXPECT_EQ(residency_.figures().control_pages, 0U);
}

TEST_F(PusherTest, APageThatIsGoneIsLeftAlone) {
  TellAll();
  const auto arena = ValueOrDie(Arena::Create(16, HugePages::kOff));
  const auto engine = ValueOrDie(OpenFileSource(pack().volume_fds(), {.io = IoKind::kThreads}));
  const auto other = std::make_unique<SampleReader>(pack(), *arena, *engine, kOptions);
  MakeResident(*other, 1);  // page 1 alone
  Pusher pusher(index(), other->cache(), view_, store_);
  OkOrDie(pusher.Start(1));
  pusher.PageArrived(0, false);
  pusher.PageArrived(1, false);
  EXPECT_TRUE(store_.WaitFor(SamplesOf(1).back()));
  pusher.Stop();
  EXPECT_EQ(StoredOf(0), std::vector<NodeNumber>());
  other->Drain();
}

TEST_F(PusherTest, APageIsLookedThroughAgainWhenItIsRead) {
  const auto samples = SamplesOf(0);
  for (size_t i = 0; i < 10; ++i) view_.Told(samples[i]);
  Start();
  pusher_.PageArrived(0, false);
  Settle();
  EXPECT_EQ(StoredOf(0).size(), 9U);
  // Soon after a look that found something; and the control of the page stays the only one.
  EXPECT_EQ(ReadsUntilPushed(samples[10]), 2);
  EXPECT_EQ(ReadsUntilPushed(samples[11]), 2);
  EXPECT_EQ(residency_.figures().control_pages, 1U);
}

TEST_F(PusherTest, ThePatienceGrowsWithEachLookInVain) {
  const auto samples = SamplesOf(0);
  view_.Told(samples[0]);
  Start();
  pusher_.PageArrived(0, false);
  Settle();
  for (int reads = 0; reads < 14; ++reads) {  // looks at the 2nd, 6th and 14th
    pusher_.PageRead(0);
    Settle();
  }
  EXPECT_EQ(ReadsUntilPushed(samples[1]), 16);
  EXPECT_EQ(ReadsUntilPushed(samples[2]), 2) << "it was not in vain";
}

TEST_F(PusherTest, ARefusedSampleIsTriedAgainLater) {
  const auto samples = SamplesOf(0);
  view_.Told(samples[0]);
  view_.Told(samples[1]);
  store_.Answer(-ENOENT);
  Start();
  pusher_.PageArrived(0, false);
  ASSERT_TRUE(store_.WaitForCalls(1));
  store_.Answer(0);
  pusher_.PageArrived(0, false);
  EXPECT_TRUE(store_.WaitFor(samples[1]));
}

TEST_F(PusherTest, StopWaitsForTheStoreUnderWayAndNothingIsStoredAfterwards) {
  TellAll();
  store_.Hold();
  Start(3);
  for (const uint64_t page : {0, 1, 2}) pusher_.PageArrived(page, false);
  ASSERT_TRUE(store_.WaitForCalls(2));
  auto stopped = std::async(std::launch::async, [&] { pusher_.Stop(); });
  // It may take as long as it likes to find out that it must wait: that it returned would be wrong at any time.
  EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  store_.Resume();
  stopped.get();
  const uint64_t calls = store_.calls();
  EXPECT_LE(store_.stored().size(), 3U) << "each thread ends with the sample that it is at";
  pusher_.PageArrived(0, false);
  pusher_.PageRead(1);
  EXPECT_EQ(store_.calls(), calls);
  pusher_.Stop();
}

// For the sanitizers: pages arrive and are read, inodes come and go, while four threads push.
TEST_F(PusherTest, WhatIsStoredIsRightWhateverHappensMeanwhile) {
  Start(4);
  {
    std::vector<std::jthread> kernel;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      kernel.emplace_back([this, seed] {
        std::mt19937_64 random(seed);
        while (store_.calls() < 2000) {
          const NodeNumber node = random() % index().node_count();
          switch (random() % 6) {
            case 0:
              pusher_.PageArrived(random() % 3, random() % 2 == 0);
              break;
            case 1:
              view_.Forgotten(node);
              break;
            case 2:
              if (ValueOrDie(index().GetNode(node)).kind == NodeKind::kFile) BeginRead(node);
              pusher_.PageRead(random() % 3);
              break;
            default:
              view_.Told(node);
              break;
          }
        }
      });
    }
  }
  pusher_.Stop();
  for (const NodeNumber node : store_.stored()) EXPECT_TRUE(store_.BytesOf(node) == ContentOf(node)) << node;
}

}  // namespace
}  // namespace quire
