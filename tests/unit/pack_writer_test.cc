// SPDX-License-Identifier: Apache-2.0
// Goal: duplicates are stored once, and a sample that cannot be read takes its own names with it and nothing else.
#include "format/write/pack_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <set>

#include "format/pack/path_resolver.h"
#include "format/pack/sample_content.h"
#include "format/pack/verifier.h"
#include "format/write/duplicates.h"
#include "format/write/tree_scanner.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

// A directory in which some samples fail when they are packed, from an offset on.
class FailingSource final : public SampleSource {
 public:
  FailingSource(const SampleSource& good, const IndexTables& tables, std::map<std::string, uint64_t> failing, int error)
      : good_(good), tables_(tables), failing_(std::move(failing)), error_(error) {}
  [[nodiscard]] Result<void> Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const override {
    const auto failing = failing_.find(tables_.PathOf(node));
    if (failing != failing_.end() && file_offset >= failing->second) return SystemError(error_, "read");
    return good_.Read(node, file_offset, into);
  }

 private:
  const SampleSource& good_;
  const IndexTables& tables_;
  const std::map<std::string, uint64_t> failing_;  // from which offset
  const int error_;
};

class PackWriterTest : public testing::Test {
 protected:
  void Put(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(folder_ / path).parent_path());
    WriteFile(folder_ / path, content);
    contents_[path] = content;
  }
  Result<Superblock> WriteIt(bool deduplicate, const std::map<std::string, uint64_t>& failing, bool skip,
                             int error = EIO) {
    IndexTables tables(scratch_.path());
    WorkerPool pool(jobs_);
    const SourceRoot root = ValueOrDie(SourceRoot::Open(folder_.path()));
    const ScanOptions scan{.on_unreadable = [](const auto&, const auto&) { FAIL(); }};
    Spool<SourceIdentity> identities(scratch_.path());
    const ScannedTree tree = ValueOrDie(ScanTree(root, scan, pool, tables, identities));
    const DirectorySource directory(root, tables, identities);
    Spool<NodeNumber> samples(scratch_.path());
    OkOrDie(OrderSamples({}, tables, samples));
    std::vector<Duplicate> duplicates;
    if (deduplicate) duplicates = ValueOrDie(FindDuplicates(tables, samples, tree.sparse, directory, pool, nullptr));
    const FailingSource source(directory, tables, failing, error);
    const auto output = ValueOrDie(OutputFile::Create(pack_path_, true));
    PackProgress progress;
    const PackWriterOptions options{
        .skip_unreadable = skip,
        .compression = compression_ ? &*compression_ : nullptr,
        .report = &report_,
        .on_unreadable = [this](const std::string& path, const std::string&) { told_.insert(path); },
        .progress = &progress};
    return WritePack(
        {.tables = tables, .samples = samples, .sparse = tree.sparse, .duplicates = duplicates, .source = source},
        options, pool, *output);
  }
  // The pack is sound and holds all but `missing`.
  void ExpectWithout(const std::set<std::string>& missing) {
    const auto pack = ValueOrDie(Pack::Open(pack_path_));
    pack->OpenVolumes({});
    WorkerPool pool(2);
    ValueOrDie(VerifyPack(
        *pack, pool, {.on_fault = [](const Fault& fault) { ADD_FAILURE() << fault.path << ": " << fault.message; }}));
    for (const auto& [path, content] : contents_) {
      const auto read = ReadSampleAt(*pack, path);
      if (missing.contains(path)) {
        EXPECT_EQ(read.error().code, ErrorCode::kNotFound) << path;
      } else {
        EXPECT_TRUE(read.value() == content) << path;
      }
    }
  }

  TemporaryFolder folder_;
  TemporaryFolder scratch_;
  std::string pack_path_ = scratch_ / "t.quire";
  std::map<std::string, std::string> contents_;
  std::set<std::string> told_;
  unsigned jobs_ = 4;
  std::optional<Compression> compression_;
  CompressionReport report_;
};

TEST_F(PackWriterTest, EqualSamplesAreStoredOnce) {
  Put("a", Noise(5000, 1));
  Put("d/a", Noise(5000, 1));
  Put("d/b", Noise(5000, 2));
  Put("big1", Noise(3 * kPageBytes + 5, 3));
  Put("big2", Noise(3 * kPageBytes + 5, 3));
  Put("e1", "");
  Put("e2", "");
  EXPECT_EQ(WriteIt(true, {}, false).value().stored_bytes, 5000 + 5000 + 3 * kPageBytes + 5);
  ExpectWithout({});
}

TEST_F(PackWriterTest, HolesAreNotSharedWithZeros) {
  const std::string zeros(kPageBytes + 4096, '\0');
  Put("dense", zeros);
  const File file = ValueOrDie(File::Open(folder_ / "sparse", O_CREAT | O_RDWR, 0600));
  ASSERT_EQ(ftruncate(file.fd(), static_cast<off_t>(zeros.size())), 0);
  contents_["sparse"] = zeros;
  EXPECT_EQ(WriteIt(true, {}, false).value().stored_bytes, zeros.size());
  const auto pack = ValueOrDie(Pack::Open(pack_path_));
  const Index& index = pack->index();
  const auto stored = [&](const char* path) {
    return GetStoredBytes(index, ValueOrDie(index.GetNode(ValueOrDie(ResolvePath(index, path, LastSymlink::kKeep)))))
        .value();
  };
  EXPECT_EQ(stored("dense"), zeros.size());
  EXPECT_EQ(stored("sparse"), 0U);
}

TEST_F(PackWriterTest, AFailureWithoutSkippingWritesNothing) {
  Put("a", "1");
  Put("b", "2");
  const auto packed = WriteIt(false, {{"b", 0}}, false);
  ASSERT_FALSE(packed.has_value());
  EXPECT_EQ(packed.error().code, ErrorCode::kUnreadable);
  EXPECT_EQ(told_, std::set<std::string>{"b"});
  EXPECT_FALSE(std::filesystem::exists(pack_path_));
}

// The next sample would meet the same: the pack would be without all that are left.
TEST_F(PackWriterTest, TooManyOpenFilesAreNoFaultOfASample) {
  Put("a", "1");
  Put("b", "2");
  for (const int error : {EMFILE, ENFILE}) {
    const auto packed = WriteIt(false, {{"b", 0}}, true, error);
    ASSERT_FALSE(packed.has_value());
    EXPECT_EQ(packed.error().system_errno, error);
    EXPECT_TRUE(packed.error().message.starts_with("b: ")) << packed.error().message;
    EXPECT_EQ(told_, std::set<std::string>());
    EXPECT_FALSE(std::filesystem::exists(pack_path_));
  }
}

TEST_F(PackWriterTest, SkippingTakesEveryNameOfWhatFailed) {
  for (int i = 0; i < 50; ++i) Put(fmt::format("d{}/{:02}", i % 3, i), Noise(40'000 + i * 1000, i));
  Put("big-bad", Noise(2 * kPageBytes + 7, 100));
  Put("big-good", Noise(2 * kPageBytes + 7, 101));
  Put("same1", "same");
  Put("same2", "same");
  std::filesystem::create_hard_link(folder_ / "big-bad", folder_ / "d0/zz-link-to-bad");
  std::filesystem::create_hard_link(folder_ / "big-good", folder_ / "d0/zz-link-to-good");
  contents_["d0/zz-link-to-bad"] = contents_["big-bad"];
  contents_["d0/zz-link-to-good"] = contents_["big-good"];
  ASSERT_TRUE(WriteIt(true, {{"big-bad", 0}, {"same1", 0}, {"d1/10", 0}, {"d1/13", 0}}, true).has_value());
  const std::set<std::string> gone = {"big-bad", "d0/zz-link-to-bad", "same1", "same2", "d1/10", "d1/13"};
  EXPECT_EQ(told_, gone);
  ExpectWithout(gone);
}

TEST_F(PackWriterTest, NothingOfASampleThatFailedLateIsLeft) {
  for (int i = 0; i < 5; ++i) Put(fmt::format("a{}", i), Noise(300'000, i));
  Put("bad", Noise(3 * kPageBytes + 5000, 100));
  for (int i = 0; i < 5; ++i) Put(fmt::format("z{}", i), Noise(300'000, 10 + i));
  ASSERT_TRUE(WriteIt(false, {{"bad", 2 * kPageBytes}}, true).has_value());
  ExpectWithout({"bad"});
  const std::string pack = ReadFile(pack_path_);
  for (uint64_t at = 0; at < contents_["bad"].size(); at += kPageBytes)
    EXPECT_EQ(pack.find(contents_["bad"].substr(at, 64)), pack.npos) << at;
  EXPECT_NE(pack.find(contents_["z4"].substr(0, 64)), pack.npos);
}

TEST_F(PackWriterTest, HolesOfRealFilesAreFound) {
  std::string content(5 * kPageBytes + 100, '\0');
  content.replace(kPageBytes, 8192, Noise(8192, 1));
  const File file = ValueOrDie(File::Open(folder_ / "sparse", O_CREAT | O_RDWR, 0600));
  ASSERT_EQ(ftruncate(file.fd(), static_cast<off_t>(content.size())), 0);
  OkOrDie(file.WriteAll(kPageBytes, std::as_bytes(std::span(content)).subspan(kPageBytes, 8192)));
  contents_["sparse"] = content;
  EXPECT_EQ(WriteIt(false, {}, false).value().stored_bytes, 8192U);
  ExpectWithout({});
}

// Samples of all sizes, of which some are worth compressing.
class CompressedPackTest : public PackWriterTest {
 protected:
  CompressedPackTest() {
    compression_.emplace();
    for (int i = 0; i < 60; ++i) {
      const size_t bytes = 20 + static_cast<size_t>(i) * i * 211;  // to 734 KB
      Put(fmt::format("d{}/{:02}.txt", i % 3, i), Text(bytes, i));
      Put(fmt::format("d{}/{:02}.jpg", i % 3, i), Noise(bytes, i));
    }
    Put("empty", "");
    Put("large.txt", Text(2 * kPageBytes + 300'007, 1));
    Put("large.jpg", Noise(2 * kPageBytes + 300'007, 1));
    Put("between.txt", Text((1 << 20) + 5, 2));
    Put("frame.txt", Text(kFrameBytes, 3));
    Put("more than a frame.txt", Text(kFrameBytes + 1, 4));
  }
};

TEST_F(CompressedPackTest, SamplesAreTheSameAsTheyWere) {
  const Superblock superblock = WriteIt(false, {}, false).value();
  ExpectWithout({});
  EXPECT_EQ(superblock.stored_bytes, superblock.sample_bytes);
  EXPECT_GT(superblock.records(Section::kCodedMembers), 60U);
  EXPECT_LT(report_.coded_bytes, report_.sample_bytes / 2);
  EXPECT_EQ(report_.sample_bytes + report_.left_bytes, superblock.sample_bytes);
  EXPECT_EQ(report_.samples + report_.left_samples + 1, superblock.samples) << "all but the empty one";
  // Probes tell noise, but for samples that are no larger than one.
  EXPECT_GT(report_.left_bytes, 15 * report_.vain_bytes);
}

TEST_F(CompressedPackTest, EachExtentLiesInOneFrame) {
  WriteIt(false, {}, false).value();
  const auto pack = ValueOrDie(Pack::Open(pack_path_));
  pack->OpenVolumes({});
  const Index& index = pack->index();
  for (uint64_t number = 0; number < index.extent_count(); ++number) {
    const Extent extent = index.GetExtent(number).value();
    if (extent.volume == 0) continue;
    const auto member = pack->FindMember(extent.volume, extent.offset).value();
    ASSERT_TRUE(member.has_value());
    EXPECT_GE(extent.offset, member->offset);
    EXPECT_LE(extent.offset + extent.length_bytes, member->offset + member->size_bytes);
  }
}

TEST_F(CompressedPackTest, ThePackIsTheSameForAnyNumberOfThreads) {
  const auto written = [&] {
    WriteIt(false, {}, false).value();
    return ReadFile(pack_path_);
  };
  const std::string first = written();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(written() == first);
  jobs_ = 1;
  EXPECT_TRUE(written() == first);
}

TEST_F(CompressedPackTest, APackOfWhatIsNotWorthItIsAnOrdinaryOne) {
  std::erase_if(contents_, [&](const auto& content) {
    const bool is_worth_it = content.first.ends_with(".txt");
    if (is_worth_it) std::filesystem::remove(folder_ / content.first);
    return is_worth_it;
  });
  WriteIt(false, {}, false).value();
  const std::string compressed = ReadFile(pack_path_);
  compression_.reset();
  WriteIt(false, {}, false).value();
  EXPECT_TRUE(ReadFile(pack_path_) == compressed);
}

TEST_F(CompressedPackTest, SmallSamplesThatFollowEachOtherShareFrames) {
  for (int i = 0; i < 500; ++i) Put(fmt::format("small/{:03}.txt", i), Text(1000 + i, i));
  const uint64_t together = WriteIt(false, {}, false).value().records(Section::kCodedMembers);
  ExpectWithout({});
  compression_->is_each_alone = true;
  const Superblock alone = WriteIt(false, {}, false).value();
  ExpectWithout({});
  EXPECT_GT(alone.records(Section::kCodedMembers), together + 450);
  EXPECT_EQ(alone.samples, contents_.size());
}

TEST_F(CompressedPackTest, ASmallSampleThatFailsIsLeftOutOfItsFrame) {
  for (int i = 0; i < 100; ++i) Put(fmt::format("small/{:03}.txt", i), Text(1000 + i, i));
  const std::set<std::string> gone = {"small/000.txt", "small/040.txt", "small/041.txt", "small/099.txt"};
  ASSERT_TRUE(
      WriteIt(false, {{"small/000.txt", 0}, {"small/040.txt", 0}, {"small/041.txt", 0}, {"small/099.txt", 0}}, true)
          .has_value());
  EXPECT_EQ(told_, gone);
  ExpectWithout(gone);
}

TEST_F(CompressedPackTest, DuplicatesShareFrames) {
  Put("z/again.txt", contents_["large.txt"]);
  Put("z/small.txt", contents_["d1/10.txt"]);
  Put("z/again.jpg", contents_["large.jpg"]);
  const Superblock superblock = WriteIt(true, {}, false).value();
  ExpectWithout({});
  EXPECT_EQ(superblock.sample_bytes - superblock.stored_bytes,
            2 * contents_["large.txt"].size() + contents_["d1/10.txt"].size());
}

TEST_F(CompressedPackTest, HolesStayHoles) {
  std::string content(5 * kPageBytes + 100, '\0');
  content.replace(kPageBytes, 700'000, Text(700'000, 1));
  content.replace(3 * kPageBytes + 4096, 8192, Text(8192, 2));
  const File file = ValueOrDie(File::Open(folder_ / "sparse", O_CREAT | O_RDWR, 0600));
  ASSERT_EQ(ftruncate(file.fd(), static_cast<off_t>(content.size())), 0);
  const auto bytes = std::as_bytes(std::span(content));
  OkOrDie(file.WriteAll(kPageBytes, bytes.subspan(kPageBytes, 700'000)));
  OkOrDie(file.WriteAll(3 * kPageBytes + 4096, bytes.subspan(3 * kPageBytes + 4096, 8192)));
  contents_["sparse"] = content;
  const Superblock superblock = WriteIt(false, {}, false).value();
  EXPECT_GT(superblock.sample_bytes - superblock.stored_bytes, 4 * kPageBytes);
  ExpectWithout({});
}

TEST_F(CompressedPackTest, SkippingTakesWhatFailed) {
  const std::set<std::string> gone = {"large.txt", "large.jpg", "d1/10.txt", "d1/13.jpg", "d2/59.txt", "d2/59.jpg"};
  std::map<std::string, uint64_t> failing;
  for (const std::string& path : gone) failing[path] = path.starts_with("large") ? kPageBytes : 0;
  ASSERT_TRUE(WriteIt(true, failing, true).has_value());
  EXPECT_EQ(told_, gone);
  ExpectWithout(gone);
}

TEST_F(CompressedPackTest, AFailureWithoutSkippingWritesNothingAndTellsAllThatFail) {
  const std::map<std::string, uint64_t> failing = {{"large.txt", 0}, {"large.jpg", 0}, {"d1/10.txt", 0},
                                                   {"d1/13.jpg", 0}, {"d2/59.jpg", 0}, {"d0/00.txt", 0}};
  const auto packed = WriteIt(false, failing, false);
  ASSERT_FALSE(packed.has_value());
  EXPECT_EQ(packed.error().code, ErrorCode::kUnreadable);
  EXPECT_FALSE(std::filesystem::exists(pack_path_));
  for (const auto& [path, offset] : failing) EXPECT_TRUE(told_.contains(path)) << path;
  EXPECT_EQ(told_.size(), failing.size());
}

TEST_F(CompressedPackTest, TooManyOpenFilesEndIt) {
  for (const char* path : {"d1/10.txt", "between.txt", "d2/59.jpg"}) {
    const auto packed = WriteIt(false, {{path, 0}}, true, EMFILE);
    ASSERT_FALSE(packed.has_value());
    EXPECT_EQ(packed.error().system_errno, EMFILE) << path;
    EXPECT_EQ(told_, std::set<std::string>()) << path;
  }
}

TEST_F(CompressedPackTest, NothingOfASampleThatFailedLateIsLeft) {
  // A frame that lies as it is, which would be found.
  std::string bad = Text(3 << 20, 100);
  bad.replace(0, kFrameBytes, Noise(kFrameBytes, 100));
  Put("bad.txt", bad);
  ASSERT_TRUE(WriteIt(false, {}, false).has_value());
  ASSERT_NE(ReadFile(pack_path_).find(bad.substr(0, 64)), std::string::npos);
  ASSERT_TRUE(WriteIt(false, {{"bad.txt", 2 << 20}}, true).has_value());
  ExpectWithout({"bad.txt"});
  EXPECT_EQ(ReadFile(pack_path_).find(bad.substr(0, 64)), std::string::npos);
}

TEST_F(PackWriterTest, WhereNothingIsLeftOfWhatWasCompressedThePackIsSound) {
  compression_.emplace();
  Put("a.jpg", Noise(50'000, 1));
  Put("bad.txt", Text(3 << 20, 1));
  ASSERT_TRUE(WriteIt(false, {{"bad.txt", 1 << 20}}, true).has_value());
  ExpectWithout({"bad.txt"});
}

}  // namespace
}  // namespace quire
