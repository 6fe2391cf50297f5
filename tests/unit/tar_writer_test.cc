// SPDX-License-Identifier: Apache-2.0
// Goal: what is written of a member is read back as it was, and a member that fits a plain header has nothing else.
// Method: random members, drawn around the limits of each field, through the reader of archives; and pinned layouts.
#include "format/export/tar_writer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <random>

#include "format/coding.h"
#include "format/file.h"
#include "format/import/tar_header.h"
#include "format/import/tar_reader.h"
#include "format/pack/records.h"
#include "format/write/index_tables.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint64_t kOctalSizes = uint64_t{1} << 33;  // the first that eleven digits do not hold

// A member, and what its attributes point to.
struct Drawn {
  TarMember member;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

class Drawer {
 public:
  explicit Drawer(uint32_t seed) : chance_(seed) {}

  Drawn Draw(size_t number) {
    Drawn drawn;
    TarMember& member = drawn.member;
    member.kind = static_cast<MemberKind>(Below(4));
    member.path = fmt::format("./{}{}", number, DrawPath());
    if (member.kind == MemberKind::kSymlink || member.kind == MemberKind::kHardLink) member.target = "t" + DrawPath();
    member.mode = Below(010000);
    member.uid = Below(2) == 0 ? Below(07777777 + 2) : static_cast<uint32_t>(chance_());
    member.gid = Below(2) == 0 ? 07777777 : static_cast<uint32_t>(chance_());
    member.mtime = DecodeMtime(chance_() % EncodeMtime({.tv_sec = int64_t{1} << 34, .tv_nsec = 0}));
    if (Below(2) == 0) member.mtime.tv_nsec = 0;
    if (member.kind == MemberKind::kFile) DrawData(member);
    if (member.kind != MemberKind::kHardLink) {
      for (uint32_t i = Below(3); i > 0; --i)
        drawn.xattrs.emplace_back(fmt::format("user.{}%=\n{}", i, Bytes(Below(20))), Bytes(Below(200)));
    }
    return drawn;
  }

 private:
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(chance_() % bound); }

  std::string Bytes(size_t count) {
    std::string bytes;
    while (bytes.size() < count) bytes += static_cast<char>(1 + Below(255));
    return bytes;
  }

  // Components of any bytes but '/', around the lengths that the fields hold.
  std::string DrawPath() {
    std::string path;
    for (uint32_t i = Below(4); i > 0; --i) path += "/" + Bytes(1 + Below(Below(2) == 0 ? 10 : 160));
    for (size_t at = 1; at < path.size(); ++at)
      if (path[at] == '/' && (path[at - 1] == '/' || at + 1 == path.size())) path[at] = 'x';
    return path;
  }

  void DrawData(TarMember& member) {
    member.size_bytes = Below(3000);
    if (Below(2) == 0) return;
    member.is_sparse = true;
    uint64_t end = 0;
    for (uint32_t i = Below(60); i > 0; --i) {
      const uint64_t hole_bytes = kTarBlockBytes * (1 + chance_() % (Below(9) == 0 ? kOctalSizes : 100));
      const uint64_t length_bytes = kTarBlockBytes * (1 + Below(3));
      member.data.push_back({.file_offset = end + hole_bytes, .length_bytes = length_bytes});
      end += hole_bytes + length_bytes;
    }
    member.size_bytes = end + (Below(2) == 0 ? 0 : Below(9999));
    // The data may end with the file, within a block.
    if (!member.data.empty() && member.size_bytes == end && Below(2) == 0) {
      member.size_bytes -= 100;
      member.data.back().length_bytes -= 100;
    }
  }

  std::mt19937_64 chance_;
};

std::string Archive(const TarMember& member, TarFormat format) {
  std::string archive;
  AppendTarHeader(member, format, archive);
  const uint64_t data_bytes = TarDataBytes(member);
  archive.append(data_bytes + TarPaddingBytes(data_bytes), 'd');
  return archive;
}

void ExpectSame(const Drawn& drawn, TarFormat format, const Member& read) {
  const TarMember& member = drawn.member;
  EXPECT_EQ(read.kind, member.kind);
  EXPECT_EQ(read.path, member.path + (member.kind == MemberKind::kDirectory ? "/" : ""));
  EXPECT_EQ(read.target, member.target);
  EXPECT_EQ(read.mode, member.mode);
  EXPECT_EQ(read.uid, member.uid);
  EXPECT_EQ(read.gid, member.gid);
  EXPECT_EQ(read.size_bytes, member.size_bytes);
  const bool is_exact = format == TarFormat::kPax;
  EXPECT_EQ(read.mtime, EncodeMtime({.tv_sec = member.mtime.tv_sec, .tv_nsec = is_exact ? member.mtime.tv_nsec : 0}));
  std::string list;
  auto sorted = drawn.xattrs;
  std::ranges::sort(sorted);
  if (is_exact)
    for (const auto& [name, value] : sorted) list += EncodeXattr(name, value);
  EXPECT_EQ(read.xattrs, list);
  if (!member.is_sparse) return;
  ASSERT_EQ(read.runs.size(), member.data.size());
  for (size_t i = 0; i < read.runs.size(); ++i) {
    EXPECT_EQ(read.runs[i].file_offset, member.data[i].file_offset);
    EXPECT_EQ(read.runs[i].length_bytes, member.data[i].length_bytes);
  }
}

class EveryFormat : public testing::TestWithParam<TarFormat> {};
INSTANTIATE_TEST_SUITE_P(TarWriter, EveryFormat, testing::Values(TarFormat::kPax, TarFormat::kGnu));

TEST_P(EveryFormat, MembersAreReadBackAsTheyWere) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Drawer drawer(seed);
    std::vector<Drawn> members;
    std::string archive;
    for (size_t i = 0; i < 50; ++i) {
      members.push_back(drawer.Draw(i));
      for (const auto& [name, value] : members.back().xattrs)
        members.back().member.xattrs.push_back({.name = name, .value = AsBytes(value)});
      archive += Archive(members.back().member, GetParam());
      // Views of short strings do not survive a move of these.
      members.back().member.xattrs.clear();
    }
    archive.append(TarEndBytes(archive.size()), '\0');
    EXPECT_EQ(archive.size() % 10240, 0U);
    const File file(memfd_create("archive", MFD_CLOEXEC));
    OkOrDie(file.WriteAll(0, AsBytes(archive)));
    const auto reader =
        ValueOrDie(TarReader::Open(file, archive.size(), [&](std::string_view path, std::string_view reason) {
          ADD_FAILURE() << "seed " << seed << ": " << path << ": " << reason;
        }));
    Member read;
    for (const Drawn& drawn : members) {
      ASSERT_TRUE(ValueOrDie(reader->Next(read)));
      ExpectSame(drawn, GetParam(), read);
      if (HasFailure()) FAIL() << "seed " << seed;
    }
    EXPECT_FALSE(ValueOrDie(reader->Next(read)));
  }
}

size_t HeaderBytes(const TarMember& member) {
  std::string archive;
  AppendTarHeader(member, TarFormat::kPax, archive);
  return archive.size();
}

TEST(TarWriter, WhatFitsHasAPlainHeader) {
  TarMember member{.path = std::string(100, 'n'), .mode = 07777, .uid = 07777777, .gid = 07777777};
  member.mtime.tv_sec = 077777777777;
  member.size_bytes = kOctalSizes - 1;
  EXPECT_EQ(HeaderBytes(member), kTarBlockBytes);
  member.path = std::string(155, 'p') + '/' + std::string(100, 'n');
  EXPECT_EQ(HeaderBytes(member), kTarBlockBytes);
  for (const auto& change : std::vector<void (*)(TarMember&)>{
           [](TarMember& changed) { changed.path += 'n'; }, [](TarMember& changed) { changed.uid += 1; },
           [](TarMember& changed) { changed.gid += 1; }, [](TarMember& changed) { changed.size_bytes += 1; },
           [](TarMember& changed) { changed.mtime.tv_sec += 1; }, [](TarMember& changed) { changed.mtime.tv_sec = -1; },
           [](TarMember& changed) { changed.mtime.tv_nsec = 1; },
           [](TarMember& changed) { changed.target.resize(101, 't'); },
           [](TarMember& changed) { changed.path = std::string(101, 'n'); }}) {
    TarMember changed = member;
    change(changed);
    EXPECT_EQ(HeaderBytes(changed), 3 * kTarBlockBytes);
  }
}

TEST(TarWriter, TheLayoutIsPinned) {
  std::string archive;
  AppendTarHeader({.path = "./a",
                   .mode = 0644,
                   .uid = 1,
                   .gid = 2,
                   .mtime = {.tv_sec = 8, .tv_nsec = 500'000'000},
                   .size_bytes = 9},
                  TarFormat::kPax, archive);
  ASSERT_EQ(archive.size(), 3 * kTarBlockBytes);
  EXPECT_EQ(archive.substr(0, 13), std::string("PaxHeaders/a\0", 13));
  EXPECT_EQ(archive.substr(512, 14), std::string("13 mtime=8.5\n\0", 14));
  const std::string header = archive.substr(1024);
  EXPECT_EQ(header.substr(0, 4), std::string("./a\0", 4));
  EXPECT_EQ(header.substr(100, 48), std::string("0000644\0"
                                                "0000001\0"
                                                "0000002\0"
                                                "00000000011\0"
                                                "00000000010\0",
                                                48));
  EXPECT_EQ(header.substr(156, 1), "0");
  EXPECT_EQ(header.substr(257, 8), std::string("ustar\0"
                                               "00",
                                               8));
}

}  // namespace
}  // namespace quire
