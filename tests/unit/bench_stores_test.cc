// SPDX-License-Identifier: Apache-2.0
// Goal: a directory and a pack of it hold the same samples in the same order, and each read brings the whole sample.
// Method: every sample has a size of its own, so the bytes that a read returns tell which one it was.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/support/memory_tree.h"
#include "tools/bench/machine.h"
#include "tools/bench/sample_store.h"

namespace quire::bench {
namespace {

// Path order is not the order of the paths as strings: "a/" comes where "a" does, before "a.txt".
const std::vector<std::pair<std::string, uint64_t>> kTree = {
    {"a/x", 10}, {"a/y/z", 20}, {"a.txt", 30}, {"b", 0}, {"c/large", 17'000'003}};

class Stores : public testing::Test {
 protected:
  Stores() {
    for (const auto& [path, bytes] : kTree) {
      const std::string content = Noise(bytes, bytes);
      std::filesystem::create_directories(std::filesystem::path(folder_ / "tree" / path).parent_path());
      WriteFile(folder_ / "tree" / path, content);
      tree_.AddFile(path, content);
    }
  }

  static std::vector<uint64_t> SizesRead(const SampleStore& store) {
    auto reader = ValueOrDie(store.NewReader());
    std::vector<uint64_t> sizes;
    sizes.reserve(store.sample_count());
    for (uint64_t i = 0; i < store.sample_count(); ++i) sizes.push_back(ValueOrDie(reader->Read(i)));
    return sizes;
  }

  struct Folder : TemporaryFolder {
    std::filesystem::path operator/(const std::string& name) const { return std::filesystem::path(path()) / name; }
  } folder_;
  MemoryTree tree_;
};

const std::vector<uint64_t> kSizes = {10, 20, 30, 0, 17'000'003};

TEST_F(Stores, ADirectoryHoldsItsFilesInPathOrder) {
  std::filesystem::create_symlink("a.txt", folder_ / "tree" / "link");
  auto store = ValueOrDie(OpenStore(folder_ / "tree"));
  OkOrDie(store->List());
  EXPECT_EQ(SizesRead(*store), kSizes);
}

TEST_F(Stores, APackHoldsThemInTheSameOrder) {
  tree_.WriteTo(folder_ / "tree.quire");
  auto store = ValueOrDie(OpenStore(folder_ / "tree.quire"));
  OkOrDie(store->List());
  EXPECT_EQ(SizesRead(*store), kSizes);
}

TEST_F(Stores, AHardLinkCountsAsASample) {
  tree_.AddHardLink("z", "a.txt");
  tree_.WriteTo(folder_ / "tree.quire");
  auto store = ValueOrDie(OpenStore(folder_ / "tree.quire"));
  OkOrDie(store->List());
  EXPECT_EQ(SizesRead(*store), (std::vector<uint64_t>{10, 20, 30, 0, 17'000'003, 30}));
}

TEST_F(Stores, PageOrderOfAShuffledPackFollowsItsPages) {
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const std::string path = folder_ / fmt::format("{}.quire", seed);
    tree_.WriteTo(path, {.order = PackOrder::kShuffle, .seed = seed, .list_file = {}});
    auto store = ValueOrDie(OpenStore(path));
    OkOrDie(store->List());
    // Every sample is noise of its own, which the pack holds in one place; the empty one lies nowhere.
    const std::string pack = ReadFile(path);
    std::vector<uint64_t> wanted = {0, 1, 2, 3, 4};
    std::ranges::sort(wanted, {}, [&](uint64_t sample) {
      return kSizes[sample] == 0 ? 0 : pack.find(Noise(kSizes[sample], kSizes[sample]).substr(0, 1000));
    });
    EXPECT_EQ(ValueOrDie(store->PageOrder()), wanted) << seed;
    orders.insert(wanted);
  }
  EXPECT_GT(orders.size(), 1U) << "no order but one was tried";
}

TEST_F(Stores, PageOrderOfADirectoryWithoutBlocksIsThatOfItsInodes) {
  // Made against path order.
  const TemporaryFolder folder;
  for (const char* name : {"d", "b", "c", "a"}) WriteFile(folder / name, name);
  auto store = ValueOrDie(OpenStore(folder.path()));
  OkOrDie(store->List());
  std::vector<uint64_t> wanted = {0, 1, 2, 3};
  const auto inode = [&](uint64_t sample) {
    struct stat status{};
    EXPECT_EQ(stat((folder / std::string(1, static_cast<char>('a' + sample))).c_str(), &status), 0);
    return status.st_ino;
  };
  std::ranges::sort(wanted, {}, inode);
  const auto mount = MountUnder(folder.path());
  if (!mount || mount->type != "tmpfs") GTEST_SKIP() << "files have blocks here";
  EXPECT_NE(wanted, (std::vector<uint64_t>{0, 1, 2, 3}));
  EXPECT_EQ(ValueOrDie(store->PageOrder()), wanted);
}

TEST_F(Stores, ListingAgainFindsWhatIsThereNow) {
  auto store = ValueOrDie(OpenStore(folder_ / "tree"));
  OkOrDie(store->List());
  WriteFile(folder_ / "tree" / "d", "1");
  OkOrDie(store->List());
  EXPECT_EQ(store->sample_count(), 6U);
}

TEST_F(Stores, AFileThatHasGoneIsAnErrorThatNamesIt) {
  auto store = ValueOrDie(OpenStore(folder_ / "tree"));
  OkOrDie(store->List());
  std::filesystem::remove(folder_ / "tree" / "a.txt");
  auto reader = ValueOrDie(store->NewReader());
  const auto read = reader->Read(2);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("a.txt: No such file"), std::string::npos) << read.error().message;
}

TEST_F(Stores, OtherPathsAreRefused) {
  EXPECT_EQ(OpenStore(folder_ / "missing").error().code, ErrorCode::kSystem);
  EXPECT_EQ(OpenStore(folder_ / "tree" / "a.txt").error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace quire::bench
