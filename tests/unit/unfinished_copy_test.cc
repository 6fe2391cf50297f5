// SPDX-License-Identifier: Apache-2.0
// Goal: a copy that was begun is gone on with exactly as far as a record of its own origin tells, whatever became of
// it.
#include "tools/fetch/unfinished_copy.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "format/pack/geometry.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint64_t kSector = 4096;
const CopyOrigin kOrigin = {.state = "http://x/p, ETag \"1\"", .contents = "sum 1", .pack_bytes = 5 * kPageBytes + 77};

struct Opened {
  std::unique_ptr<UnfinishedCopy> copy;
  std::vector<std::string> told;
};

Opened Open(const TemporaryFolder& folder, const CopyOrigin& origin = kOrigin) {
  Opened opened;
  opened.copy = ValueOrDie(UnfinishedCopy::Open(folder / "copy", false, origin,
                                                [&](const std::string& sentence) { opened.told.push_back(sentence); }));
  return opened;
}

void Write(UnfinishedCopy& copy, uint64_t page) {
  const std::string bytes = Noise(copy.PageBytes(page), page);
  OkOrDie(copy.WritePage(page, std::as_bytes(std::span(bytes))));
}

std::string Unfinished(const TemporaryFolder& folder) { return folder / ".copy.quire-fetch"; }

// Pages 1 and 3 are told of by both records, page 4 by the newer one.
void Begin(const TemporaryFolder& folder) {
  const auto opened = Open(folder);
  Write(*opened.copy, 1);
  Write(*opened.copy, 3);
  OkOrDie(opened.copy->Record());
  Write(*opened.copy, 4);
  OkOrDie(opened.copy->Record());
  Write(*opened.copy, 0);
}

using Pages = std::vector<uint64_t>;

TEST(UnfinishedCopy, IsGoneOnWithAsFarAsItWasRecorded) {
  const TemporaryFolder folder;
  Begin(folder);
  const auto opened = Open(folder);
  EXPECT_EQ(opened.copy->MissingPages(), (Pages{0, 2, 5}));
  EXPECT_TRUE(opened.told.empty());
  for (const uint64_t page : opened.copy->MissingPages()) Write(*opened.copy, page);
  OkOrDie(opened.copy->Finish());
  std::string wanted;
  for (uint64_t page = 0; page < opened.copy->page_count(); ++page) wanted += Noise(opened.copy->PageBytes(page), page);
  EXPECT_TRUE(ReadFile(folder / "copy") == wanted);
  EXPECT_FALSE(std::filesystem::exists(Unfinished(folder)));
}

TEST(UnfinishedCopy, LeavesNothingWhereNoPageWasRecorded) {
  const TemporaryFolder folder;
  {
    const auto opened = Open(folder);
    Write(*opened.copy, 0);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// A record is written over the older one: where power was lost meanwhile, the other one is whole.
TEST(UnfinishedCopy, ARecordThatIsTornGivesWayToTheOneBefore) {
  for (const uint64_t back : {1U, 4000U, 5000U, 8191U}) {
    for (const bool is_newer : {true, false}) {
      const TemporaryFolder folder;
      Begin(folder);
      std::string bytes = ReadFile(Unfinished(folder));
      // The records of this copy are the second and third, so that the newer one stands last.
      bytes[bytes.size() - (is_newer ? 0 : 2 * kSector) - back] ^= 1;
      WriteFile(Unfinished(folder), bytes);
      const auto opened = Open(folder);
      EXPECT_EQ(opened.copy->MissingPages(), is_newer ? (Pages{0, 2, 4, 5}) : (Pages{0, 2, 5})) << back;
    }
  }
}

TEST(UnfinishedCopy, OfAnotherOriginBeginsAnewAndTellsWhose) {
  for (const int changed : {0, 1, 2}) {
    const TemporaryFolder folder;
    Begin(folder);
    CopyOrigin other = kOrigin;
    if (changed == 0) other.state = "http://x/p, ETag \"2\"";
    if (changed == 1) other.contents = "sum 2";
    if (changed == 2) other.pack_bytes += kPageBytes;
    const auto opened = Open(folder, other);
    EXPECT_EQ(opened.copy->MissingPages().size(), opened.copy->page_count());
    ASSERT_EQ(opened.told.size(), 1U);
    EXPECT_NE(opened.told[0].find(kOrigin.state), std::string::npos) << opened.told[0];
  }
}

TEST(UnfinishedCopy, PagesThatWereForgottenAreMissing) {
  const TemporaryFolder folder;
  Begin(folder);
  {
    const auto opened = Open(folder);
    opened.copy->Forget(Pages{3, 4});
    EXPECT_EQ(opened.copy->MissingPages(), (Pages{0, 2, 3, 4, 5}));
    OkOrDie(opened.copy->Record());
  }
  EXPECT_EQ(Open(folder).copy->MissingPages(), (Pages{0, 2, 3, 4, 5}));
}

TEST(UnfinishedCopy, HasOneProcessAtATime) {
  const TemporaryFolder folder;
  const auto opened = Open(folder);
  const auto second = UnfinishedCopy::Open(folder / "copy", false, kOrigin, [](const auto&) {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().system_errno, EWOULDBLOCK);
}

}  // namespace
}  // namespace quire
