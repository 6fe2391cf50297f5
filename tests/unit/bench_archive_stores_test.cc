// SPDX-License-Identifier: Apache-2.0
// Goal: what the builders of tar, zip and LMDB wrote is read back byte for byte, in path order, whatever the names and
// sizes; and what is no such file, or only a part of one, is an error that names it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "format/coding.h"
#include "tests/bench/stores/archive_stores.h"
#include "tests/support/memory_tree.h"

namespace quire::bench {
namespace {

struct Format {
  const char* name;
  Result<void> (*build)(const SampleList&, const std::string&, const Stop&);
  Result<std::unique_ptr<SampleStore>> (*open)(const std::string&);
};

constexpr std::array<Format, 3> kFormats = {{
    {"tar", BuildTar, OpenTarStore},
    {"zip", BuildZip, OpenZipStore},
    {"lmdb", BuildLmdb, OpenLmdbStore},
}};

bool Never() { return false; }

class ArchiveStores : public testing::TestWithParam<Format> {
 protected:
  void Put(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(samples_.root + "/" + path).parent_path());
    WriteFile(samples_.root + "/" + path, content);
    samples_.paths.push_back(path);
    contents_.push_back(content);
  }

  Result<void> Build() { return GetParam().build(samples_, out_, Never); }

  Result<std::unique_ptr<SampleStore>> OpenAndList() {
    auto store = GetParam().open(out_);
    if (!store) return store;
    if (auto listed = (*store)->List(); !listed) return Propagate(std::move(listed));
    return store;
  }

  // Opening, listing or reading any sample fails, and the message names the file.
  void ExpectRefused(const std::string& what) {
    auto store = OpenAndList();
    for (uint64_t i = 0; store && i < (*store)->sample_count(); ++i) {
      const auto reader = (*store)->NewReader();
      const auto bytes = reader ? (*reader)->Read(i) : Result<uint64_t>(std::unexpected(reader.error()));
      if (!bytes) store = std::unexpected(bytes.error());
    }
    ASSERT_FALSE(store.has_value()) << what;
    EXPECT_NE(store.error().message.find(out_), std::string::npos) << what << ": " << store.error().message;
    EXPECT_GT(store.error().message.size(), out_.size() + 2) << what;
  }

  const TemporaryFolder folder_;
  const std::string out_ = folder_ / "out";
  SampleList samples_ = {.root = folder_ / "samples", .paths = {}};
  std::vector<std::string> contents_;
};

// Reads a sample into memory that the test can see.
std::string BytesOf(const SampleStore& store, uint64_t sample, uint64_t size) {
  const auto reader = ValueOrDie(store.NewReader());
  EXPECT_EQ(ValueOrDie(reader->Read(sample)), size) << sample;
  return std::string(AsText(reader->bytes()));
}

TEST_P(ArchiveStores, EverySampleIsReadBackInOrder) {
  const std::string long_name(255, 'n');
  Put("\n", "newline");
  Put("-dash", "dash");
  Put("back\\slash", "");
  Put("deep/" + long_name + "/" + long_name + "/" + std::string(200, '\xff'), Noise(1, 1));
  Put("empty", "");
  Put("invalid \xff\xfe utf-8", Noise(511, 2));
  Put(std::string(99, 'a'), Noise(512, 3));
  Put(std::string(100, 'a'), Noise(513, 4));
  Put(std::string(101, 'a'), Noise(4096, 5));
  Put("trailing ", Noise(100000, 6));
  Put("\xc3\xbcn\xc3\xaf", Noise(5 << 20, 7));
  Put("zz", "last");
  OkOrDie(Build());
  const auto store = ValueOrDie(OpenAndList());
  ASSERT_EQ(store->sample_count(), contents_.size());
  for (uint64_t i = 0; i < contents_.size(); ++i)
    EXPECT_TRUE(BytesOf(*store, i, contents_[i].size()) == contents_[i]) << i << ": " << samples_.paths[i];
}

TEST_P(ArchiveStores, SeventyThousandSamples) {
  std::filesystem::create_directories(samples_.root);
  constexpr uint64_t kSamples = 70000;  // more than a zip without zip64 can count
  for (uint64_t i = 0; i < kSamples; ++i) samples_.paths.push_back(fmt::format("{:05}", i));
  for (const std::string& path : samples_.paths) WriteFile(samples_.root + "/" + path, path);
  OkOrDie(Build());
  const auto store = ValueOrDie(OpenAndList());
  ASSERT_EQ(store->sample_count(), kSamples);
  const auto order = ValueOrDie(store->PageOrder());
  ASSERT_EQ(order.size(), kSamples);
  EXPECT_TRUE(std::ranges::is_sorted(order));
  for (const uint64_t sample : {uint64_t{0}, uint64_t{65535}, uint64_t{65536}, kSamples - 1})
    EXPECT_EQ(BytesOf(*store, sample, 5), samples_.paths[sample]);
}

TEST_P(ArchiveStores, ReadersReadAtOnce) {
  for (int i = 0; i < 200; ++i)
    Put(fmt::format("{:03}", i), Noise(static_cast<size_t>(i) * 100, static_cast<uint64_t>(i)));
  OkOrDie(Build());
  const auto store = ValueOrDie(OpenAndList());
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      const auto reader = ValueOrDie(store->NewReader());
      for (uint64_t i = 0; i < contents_.size(); ++i) {
        ASSERT_EQ(ValueOrDie(reader->Read(i)), contents_[i].size());
        ASSERT_EQ(AsText(reader->bytes()), contents_[i]);
      }
    });
  }
}

TEST_P(ArchiveStores, WhatIsThereIsNotReplaced) {
  Put("a", "a");
  WriteFile(out_, "somebody's");
  EXPECT_FALSE(Build().has_value());
  EXPECT_EQ(ReadFile(out_), "somebody's");
}

TEST_P(ArchiveStores, AMissingSampleIsNamedAndNothingIsLeft) {
  Put("a", "a");
  samples_.paths.emplace_back("gone\n");
  const auto built = Build();
  ASSERT_FALSE(built.has_value());
  EXPECT_NE(built.error().message.find("gone\\n"), std::string::npos) << built.error().message;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "more than the samples";
}

TEST_P(ArchiveStores, AnInterruptedBuildLeavesNothing) {
  for (int i = 0; i < 50; ++i) Put(fmt::format("{:02}", i), Noise(100000, static_cast<uint64_t>(i)));
  int asked = 0;
  const auto built = GetParam().build(samples_, out_, [&asked] { return ++asked > 10; });
  ASSERT_FALSE(built.has_value());
  EXPECT_EQ(built.error().code, ErrorCode::kInterrupted) << built.error().message;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "more than the samples";
}

TEST_P(ArchiveStores, EveryTruncationIsRefused) {
  for (int i = 0; i < 5; ++i) Put(fmt::format("{}", i), Noise(3000 * static_cast<size_t>(i), static_cast<uint64_t>(i)));
  OkOrDie(Build());
  const std::string whole = ReadFile(out_);
  for (size_t bytes = 0; bytes < whole.size(); bytes += 256) {
    WriteFile(out_, whole.substr(0, bytes));
    ExpectRefused(fmt::format("{} of {} bytes", bytes, whole.size()));
  }
}

TEST_P(ArchiveStores, WhatIsNoContainerIsRefused) {
  WriteFile(out_, Noise(100000, 1));
  ExpectRefused("noise");
  WriteFile(out_, std::string(100000, '\0'));
  if (std::string_view(GetParam().name) != "tar") ExpectRefused("zeros");  // to a tar the mark of its end
  std::filesystem::remove(out_);
  ExpectRefused("nothing");
  std::filesystem::create_directory(out_);
  ExpectRefused("a directory");
}

INSTANTIATE_TEST_SUITE_P(Formats, ArchiveStores, testing::ValuesIn(kFormats),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace quire::bench
