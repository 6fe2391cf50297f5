// SPDX-License-Identifier: Apache-2.0
// Goal: what a tar archive holds is told as the program that wrote it meant it, byte by byte; and whatever an archive
// says, what is whole is told and the rest is named.
// Method: archives that GNU tar, Python and bsdtar write of a folder, compared with the folder; and headers made by
// hand.
#include "format/import/tar_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "format/coding.h"
#include "format/import/sparse_map.h"
#include "format/pack/records.h"
#include "format/write/index_tables.h"
#include "tests/support/count_allocations.h"
#include "tests/support/forged_tar.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

struct ReadMember {
  Member member;
  std::string content;  // of a file
};

struct ReadArchive {
  std::vector<ReadMember> members;
  std::vector<std::pair<std::string, std::string>> faults;  // path, reason

  [[nodiscard]] const ReadMember& at(const std::string& path) const {
    for (const ReadMember& read : members) {
      if (read.member.path == path) return read;
    }
    ADD_FAILURE() << "no " << path;
    static const ReadMember kNone;
    return kNone;
  }
  [[nodiscard]] std::vector<std::string> paths() const {
    std::vector<std::string> paths;
    paths.reserve(members.size());
    for (const ReadMember& read : members) paths.push_back(read.member.path);
    return paths;
  }
};

// Sparse files larger than this are not read: their runs are looked at.
constexpr uint64_t kMaxContentBytes = 64 << 20;

std::string ContentOf(const File& file, const Member& member) {
  std::string content(member.size_bytes, '\0');
  for (const MemberRun& run : member.runs)
    OkOrDie(file.ReadExactly(run.offset,
                             std::as_writable_bytes(std::span(content)).subspan(run.file_offset, run.length_bytes)));
  return content;
}

ReadArchive ReadAll(const File& file) {
  struct stat status = {};
  EXPECT_EQ(fstat(file.fd(), &status), 0);
  ReadArchive archive;
  const auto reader = ValueOrDie(TarReader::Open(
      file, static_cast<uint64_t>(status.st_size),
      [&](std::string_view path, std::string_view reason) { archive.faults.emplace_back(path, reason); }));
  Member member;
  while (ValueOrDie(reader->Next(member)))
    archive.members.push_back({member, member.size_bytes <= kMaxContentBytes ? ContentOf(file, member) : ""});
  EXPECT_FALSE(ValueOrDie(reader->Next(member))) << "the end stays the end";
  return archive;
}

ReadArchive ReadAll(const std::string& path) { return ReadAll(ValueOrDie(File::Open(path, O_RDONLY))); }

class ForgedFile {
 public:
  explicit ForgedFile(std::string_view bytes) : file_(memfd_create("archive", MFD_CLOEXEC)) {
    OkOrDie(file_.WriteAll(0, AsBytes(bytes)));
  }
  [[nodiscard]] const File& file() const { return file_; }

 private:
  File file_;
};

ReadArchive ReadForged(std::string_view bytes) { return ReadAll(ForgedFile(bytes).file()); }

Error OpenError(std::string_view bytes) {
  const ForgedFile forged(bytes);
  const auto reader = TarReader::Open(forged.file(), bytes.size(), [](auto, auto) {});
  EXPECT_FALSE(reader.has_value());
  return reader ? Error{} : reader.error();
}

// The only fault of an archive.
std::pair<std::string, std::string> OnlyFault(const ReadArchive& archive) {
  EXPECT_EQ(archive.faults.size(), 1U);
  return archive.faults.empty() ? std::pair<std::string, std::string>() : archive.faults.front();
}

// That the member "bad" of `bytes` is not served, for a reason with `reason` in it, and that "good", which stands
// behind it, is.
void ExpectLeftOut(const std::string& bytes, std::string_view reason) {
  const auto archive = ReadForged(bytes + TarMember({.name = "good"}, "good") + kTarEnd);
  EXPECT_EQ(archive.paths(), std::vector<std::string>{"good"});
  EXPECT_EQ(archive.at("good").content, "good");
  const auto fault = OnlyFault(archive);
  EXPECT_EQ(fault.first, "bad");
  EXPECT_TRUE(fault.second.contains(reason)) << fault.second;
}

// NOLINTBEGIN(cert-env33-c): the commands are this file's own, and a shell runs them in their folder.
void RunCommand(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

bool HasProgram(const std::string& name) { return std::system(("command -v " + name + " >/dev/null").c_str()) == 0; }
// NOLINTEND(cert-env33-c)

// A folder with every kind of entry that short names can have.
class TarOfPrograms : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "tree/dir/empty");
    for (const size_t bytes : {0, 1, 511, 512, 513, 100'000})
      WriteFile(folder_ / fmt::format("tree/dir/{}", bytes), Noise(bytes, bytes));
    WriteFile(folder_ / "tree/größe \n\"x", "name");
    std::filesystem::create_symlink("dir/1", folder_ / "tree/link");
    std::filesystem::create_hard_link(folder_ / "tree/dir/513", folder_ / "tree/second");
    chmod((folder_ / "tree/dir/1").c_str(), 04751);
    SetTime("dir/512", {.tv_sec = 1'234'567'890, .tv_nsec = 123'456'789});
  }

  void AddLongNames() {
    const std::string deep = "tree/" + std::string(120, 'd') + "/" + std::string(120, 'e');
    std::filesystem::create_directories(folder_ / deep);
    WriteFile(folder_ / (deep + "/" + std::string(200, 'f')), "deep");
    std::filesystem::create_symlink(std::string(300, 't'), folder_ / "tree/far");
  }

  // Of 8 MiB, with 5000 bytes at each of `pieces` places.
  void AddSparseFile(const std::string& name, uint64_t pieces) {
    const File file = ValueOrDie(File::Open(folder_ / ("tree/" + name), O_CREAT | O_RDWR, 0644));
    ASSERT_EQ(ftruncate(file.fd(), 8 << 20), 0);
    for (uint64_t i = 0; i < pieces; ++i) OkOrDie(file.WriteAll((64 << 10) * (2 * i + 1), AsBytes(Noise(5000, i))));
  }

  void SetTime(const std::string& name, timespec time) const {
    const std::array<timespec, 2> times = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, (folder_ / ("tree/" + name)).c_str(), times.data(), AT_SYMLINK_NOFOLLOW), 0);
  }

  // Makes an archive of the tree by GNU tar.
  ReadArchive ByTar(const std::string& options) {
    RunCommand(fmt::format("cd '{}' && tar --numeric-owner --sort=name {} -cf out.tar tree", folder_.path(), options));
    return ReadAll(folder_ / "out.tar");
  }

  ReadArchive ByPython(const std::string& statements) {
    WriteFile(folder_ / "make.py", "import io, os, tarfile\nout = 'out.tar'\n" + statements);
    RunCommand(fmt::format("cd '{}' && /usr/bin/python3 make.py", folder_.path()));
    return ReadAll(folder_ / "out.tar");
  }

  // That `archive` has all of the tree and nothing else.
  void ExpectTree(const ReadArchive& archive, bool has_ns) const {
    for (const auto& [path, reason] : archive.faults) ADD_FAILURE() << path << ": " << reason;
    size_t entries = 1;
    for ([[maybe_unused]] const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "tree"))
      ++entries;
    EXPECT_EQ(archive.members.size(), entries);
    for (const ReadMember& read : archive.members) ExpectEntry(archive, read, has_ns);
  }

  void ExpectEntry(const ReadArchive& archive, const ReadMember& read, bool has_ns) const {
    const Member& member = read.member;
    struct stat status = {};
    ASSERT_EQ(lstat((folder_ / member.path).c_str(), &status), 0) << member.path;
    EXPECT_EQ(member.mode, status.st_mode & 07777) << member.path;
    EXPECT_EQ(member.uid, status.st_uid);
    EXPECT_EQ(member.gid, status.st_gid);
    timespec mtime = status.st_mtim;
    if (!has_ns) mtime.tv_nsec = 0;
    EXPECT_EQ(member.mtime, EncodeMtime(mtime)) << member.path;
    EXPECT_EQ(S_ISDIR(status.st_mode), member.kind == MemberKind::kDirectory) << member.path;
    if (S_ISLNK(status.st_mode)) {
      EXPECT_EQ(member.kind, MemberKind::kSymlink);
      EXPECT_EQ(member.target, std::filesystem::read_symlink(folder_ / member.path));
    }
    if (!S_ISREG(status.st_mode)) return;
    if (member.kind == MemberKind::kHardLink) {
      EXPECT_EQ(archive.at(member.target).content, ReadFile(folder_ / member.path)) << member.path;
    } else {
      EXPECT_EQ(member.kind, MemberKind::kFile);
      EXPECT_EQ(read.content, ReadFile(folder_ / member.path)) << member.path;
    }
  }

  TemporaryFolder folder_;
};

TEST_F(TarOfPrograms, EveryFormatOfGnuTarIsTheFolder) {
  for (const std::string format : {"v7", "oldgnu", "gnu", "ustar", "pax"}) {
    SCOPED_TRACE(format);
    ExpectTree(ByTar("--format=" + format), format == "pax");
  }
}

TEST_F(TarOfPrograms, LongNamesAndTargetsAreWhole) {
  AddLongNames();
  for (const std::string format : {"oldgnu", "gnu", "pax"}) {
    SCOPED_TRACE(format);
    ExpectTree(ByTar("--format=" + format), format == "pax");
  }
}

TEST_F(TarOfPrograms, APrefixOfUstarIsPartOfThePath) {
  const std::string deep = "tree/" + std::string(90, 'd');
  std::filesystem::create_directories(folder_ / deep);
  WriteFile(folder_ / (deep + "/" + std::string(90, 'f')), "deep");
  ExpectTree(ByTar("--format=ustar"), false);
}

TEST_F(TarOfPrograms, EachSparseFormIsTheFolderAndHasItsHoles) {
  AddSparseFile("none", 0);
  AddSparseFile("few", 3);
  AddSparseFile("many", 60);  // more than a header of the old form has room for, and one block behind it
  AddSparseFile(std::string(180, 'l'), 5);
  for (const std::string form : {"--format=gnu", "--format=oldgnu", "--format=pax --sparse-version=0.0",
                                 "--format=pax --sparse-version=0.1", "--format=pax --sparse-version=1.0"}) {
    SCOPED_TRACE(form);
    const auto archive = ByTar("--sparse " + form);
    ExpectTree(archive, form.contains("pax"));
    EXPECT_EQ(archive.at("tree/none").member.runs.size(), 0U);
    EXPECT_EQ(archive.at("tree/few").member.runs.size(), 3U);
    EXPECT_EQ(archive.at("tree/many").member.runs.size(), 60U);
  }
}

TEST_F(TarOfPrograms, IncrementalArchivesAreTheFolder) {
  for (const std::string format : {"oldgnu", "gnu", "pax"}) {
    SCOPED_TRACE(format);
    ExpectTree(ByTar("--incremental --format=" + format), format == "pax");
  }
}

TEST_F(TarOfPrograms, AVolumeLabelIsNoMember) { ExpectTree(ByTar("--format=gnu --label=photos"), false); }

TEST_F(TarOfPrograms, AGlobalHeaderHoldsForAll) {
  for (const ReadMember& read : ByTar("--format=pax --pax-option=gid=4242").members)
    EXPECT_EQ(read.member.gid, 4242U) << read.member.path;
}

TEST_F(TarOfPrograms, TimesBefore1970AreKept) {
  SetTime("dir/1", {.tv_sec = -2, .tv_nsec = 250'000'000});
  ExpectTree(ByTar("--format=gnu"), false);
  ExpectTree(ByTar("--format=pax"), true);
}

TEST_F(TarOfPrograms, XattrsOfUsersAreKept) {
  const std::string path = folder_ / "tree/dir/1";
  const std::string value("a\0b\n", 4);
  if (setxattr(path.c_str(), "user.b", value.data(), value.size(), 0) != 0) GTEST_SKIP() << "no xattrs in " << path;
  ASSERT_EQ(setxattr(path.c_str(), "user.a=%", "", 0, 0), 0);
  const auto archive = ByTar("--xattrs --format=pax");
  ExpectTree(archive, true);
  EXPECT_EQ(archive.at("tree/dir/1").member.xattrs, EncodeXattr("user.a=%", "") + EncodeXattr("user.b", value));
}

TEST_F(TarOfPrograms, ArchivesBehindOneAnotherAreOne) {
  const auto once = ByTar("--format=pax").paths();
  RunCommand(fmt::format("cd '{}' && cp out.tar first && cat first >>out.tar", folder_.path()));
  const auto twice = ReadAll(folder_ / "out.tar");
  EXPECT_TRUE(twice.faults.empty());
  EXPECT_EQ(twice.members.size(), 2 * once.size());
}

TEST_F(TarOfPrograms, AnArchiveWithoutItsEndIsWhole) {
  static_cast<void>(ByTar("--format=ustar --exclude=second --exclude=link"));
  // The last member has 4 bytes: what fills up its block is missing too.
  const std::string bytes = ReadFile(folder_ / "out.tar");
  WriteFile(folder_ / "out.tar", bytes.substr(0, bytes.rfind("name") + 4));
  std::filesystem::remove(folder_ / "tree/second");
  std::filesystem::remove(folder_ / "tree/link");
  ExpectTree(ReadAll(folder_ / "out.tar"), false);
}

TEST_F(TarOfPrograms, DevicesAndFifosAreNamed) {
  ASSERT_EQ(mkfifo((folder_ / "tree/fifo").c_str(), 0644), 0);
  const auto archive = ByTar("--format=pax");
  EXPECT_EQ(OnlyFault(archive), std::pair(std::string("tree/fifo"), std::string("a FIFO, which a pack does not hold")));
  std::filesystem::remove(folder_ / "tree/fifo");
  EXPECT_EQ(archive.at("tree/link").member.target, "dir/1");
}

TEST_F(TarOfPrograms, EveryFormatOfPythonIsTheFolder) {
  // Python has times as floating-point numbers.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "tree"))
    SetTime(entry.path().lexically_relative(folder_ / "tree"), {.tv_sec = 1'234'567'890, .tv_nsec = 500'000'000});
  SetTime("", {.tv_sec = 1, .tv_nsec = 0});
  for (const std::string format : {"USTAR", "GNU", "PAX"}) {
    SCOPED_TRACE(format);
    ExpectTree(ByPython(fmt::format("with tarfile.open(out, 'w', format=tarfile.{}_FORMAT) as tar: tar.add('tree')\n",
                                    format)),
               format == "PAX");
  }
}

TEST_F(TarOfPrograms, NumbersThatOctalDigitsDoNotHoldAreWhole) {
  for (const std::string format : {"GNU", "PAX"}) {
    SCOPED_TRACE(format);
    const auto archive = ByPython(
        fmt::format("with tarfile.open(out, 'w', format=tarfile.{}_FORMAT) as tar:\n"
                    "  info = tarfile.TarInfo('x'); info.uid = 4294967294; info.gid = 3000000; info.mtime = -5\n"
                    "  tar.addfile(info)\n",
                    format));
    const Member& member = archive.at("x").member;
    EXPECT_EQ(member.uid, 4'294'967'294U);
    EXPECT_EQ(member.gid, 3'000'000U);
    EXPECT_EQ(member.mtime, EncodeMtime({.tv_sec = -5, .tv_nsec = 0}));
  }
}

TEST_F(TarOfPrograms, EveryFormatOfBsdtarIsTheFolder) {
  if (!HasProgram("bsdtar")) GTEST_SKIP() << "there is no bsdtar here";
  const std::string path = folder_ / "tree/dir/1";
  const bool has_xattrs = setxattr(path.c_str(), "user.b", "value", 5, 0) == 0;
  AddSparseFile("few", 3);
  for (const std::string format : {"gnutar", "pax", "ustar", "v7"}) {
    SCOPED_TRACE(format);
    RunCommand(fmt::format("cd '{}' && LC_ALL=C.UTF-8 bsdtar --format={} -cf out.tar tree", folder_.path(), format));
    const auto archive = ReadAll(folder_ / "out.tar");
    ExpectTree(archive, format == "pax");
    if (format != "pax") continue;
    EXPECT_EQ(archive.at("tree/few").member.runs.size(), 3U);
    EXPECT_EQ(archive.at("tree/dir/1").member.xattrs, has_xattrs ? EncodeXattr("user.b", "value") : "");
  }
}

TEST(TarReader, WhatIsNoArchiveIsRefused) {
  EXPECT_EQ(OpenError("").code, ErrorCode::kCorrupt);
  EXPECT_EQ(OpenError("short").code, ErrorCode::kCorrupt);
  EXPECT_EQ(OpenError(std::string(4096, 'x')).code, ErrorCode::kCorrupt);
  EXPECT_EQ(OpenError(std::string(512, '\0')).code, ErrorCode::kCorrupt);
  EXPECT_EQ(OpenError(std::string(1024, '\0') + Noise(4096, 1)).code, ErrorCode::kCorrupt) << "a disk's image, say";
  std::string wrong_sum = TarBlock({});
  wrong_sum[0] ^= 1;
  EXPECT_EQ(OpenError(wrong_sum).code, ErrorCode::kCorrupt);
}

TEST(TarReader, ACompressedArchiveIsNamedWithItsRemedy) {
  const std::vector<std::pair<std::string, std::string>> kinds = {{"\x1f\x8b", "'gzip -d'"},
                                                                  {"\x28\xb5\x2f\xfd", "'zstd -d'"},
                                                                  {std::string("\xfd\x37zXZ\0", 6), "'xz -d'"},
                                                                  {"BZh9", "'bzip2 -d'"},
                                                                  {"\x04\x22\x4d\x18", "'lz4 -d'"}};
  for (const auto& [magic, remedy] : kinds) {
    const Error error = OpenError(magic + Noise(2000, 7));
    EXPECT_EQ(error.code, ErrorCode::kUnsupported) << remedy;
    EXPECT_TRUE(error.message.contains(remedy)) << error.message;
  }
  EXPECT_EQ(ReadForged(TarMember({.name = "BZh"}, "x")).at("BZh").content, "x") << "a name is no magic";
}

TEST(TarReader, AnArchiveWithoutMembersIsEmpty) {
  const auto archive = ReadForged(std::string(10'240, '\0'));
  EXPECT_TRUE(archive.members.empty());
  EXPECT_TRUE(archive.faults.empty());
}

TEST(TarReader, ATypeThatNobodyDefinedIsAFile) {
  for (const char type : {'0', '\0', '7', 'Z', '~'}) {
    const auto archive = ReadForged(TarMember({.name = "a", .type = type}, "data") + kTarEnd);
    EXPECT_EQ(archive.at("a").content, "data") << type;
    EXPECT_EQ(archive.at("a").member.kind, MemberKind::kFile);
  }
}

TEST(TarReader, AnOldFileWithASlashAtItsEndIsADirectory) {
  const auto archive =
      ReadForged(TarBlock({.name = "a/", .type = '\0', .magic = ""}) + TarMember({.name = "a/b"}, "b") + kTarEnd);
  EXPECT_EQ(archive.at("a/").member.kind, MemberKind::kDirectory);
  EXPECT_EQ(archive.at("a/b").content, "b");
}

TEST(TarReader, StarsPrefixEndsBeforeItsTimes) {
  const TarFields fields = {
      .name = "b", .prefix = "a", .patches = {{476, "07265557145 07265557145 "}, {508, std::string("tar\0", 4)}}};
  EXPECT_EQ(ReadForged(TarBlock(fields) + kTarEnd).paths(), std::vector<std::string>{"a/b"});
  TarFields full = fields;
  full.prefix = std::string(131, 'p');
  EXPECT_EQ(ReadForged(TarBlock(full) + kTarEnd).paths(), std::vector<std::string>{std::string(131, 'p') + "/b"});
}

TEST(TarReader, SumsOfSignedBytesAreGood) {
  std::string block = TarBlock({.name = "\xe4\xf6\xfc"});
  const auto told = std::stoul(block.substr(148, 6), nullptr, 8);
  block.replace(148, 6, fmt::format("{:06o}", told - 3UL * 256));
  EXPECT_EQ(ReadForged(block + kTarEnd).paths(), std::vector<std::string>{"\xe4\xf6\xfc"});
}

TEST(TarReader, NumbersThatOldProgramsWroteAreRead) {
  const auto archive = ReadForged(
      TarBlock({.name = "a",
                .patches = {{100, std::string("\0   644\0", 8)}, {108, std::string(8, ' ')}, {136, "77777777777"}}}) +
      kTarEnd);
  EXPECT_EQ(archive.at("a").member.mode, 0644U);
  EXPECT_EQ(archive.at("a").member.uid, 0U);
  EXPECT_EQ(archive.at("a").member.mtime, EncodeMtime({.tv_sec = 077777777777, .tv_nsec = 0}));
}

TEST(TarReader, ZerosEndAPaxHeader) {
  const auto archive =
      ReadForged(PaxHeader(PaxRecord("uid", "7") + std::string(20, '\0')) + TarBlock({.name = "a"}) + kTarEnd);
  EXPECT_EQ(archive.at("a").member.uid, 7U);
}

TEST(TarReader, PaxRecordsTakeThePlaceOfFields) {
  const std::string records = PaxRecord("path", "long") + PaxRecord("uid", "5") + PaxRecord("gid", "-2") +
                              PaxRecord("mtime", "-1.0000000001") + PaxRecord("comment", "x") + PaxRecord("size", "4");
  const auto archive =
      ReadForged(PaxHeader(records) + TarBlock({}) + TarData("data") + TarMember({.name = "next"}, "n") + kTarEnd);
  const ReadMember& read = archive.at("long");
  EXPECT_EQ(read.content, "data");
  EXPECT_EQ(read.member.uid, 5U);
  EXPECT_EQ(read.member.gid, 4'294'967'294U);
  EXPECT_EQ(read.member.mtime, EncodeMtime({.tv_sec = -2, .tv_nsec = 999'999'999}));
  EXPECT_EQ(archive.at("next").member.uid, 1000U) << "a local header holds for one member";
}

TEST(TarReader, AnEmptyPaxValueTakesAGlobalOneAway) {
  const auto archive = ReadForged(PaxHeader(PaxRecord("uid", "7") + PaxRecord("path", "all"), 'g') +
                                  PaxHeader(PaxRecord("uid", "") + PaxRecord("path", "")) + TarBlock({.name = "a"}) +
                                  TarBlock({.name = "b"}) + kTarEnd + TarBlock({.name = "c"}) + kTarEnd);
  EXPECT_EQ(archive.at("a").member.uid, 1000U);
  EXPECT_EQ(archive.at("all").member.uid, 7U);
  EXPECT_EQ(archive.at("c").member.uid, 1000U) << "another archive";
}

TEST(TarReader, ALaterGlobalHeaderKeepsWhatItDoesNotName) {
  const auto archive =
      ReadForged(PaxHeader(PaxRecord("linkpath", std::string(50, 't')), 'g') + PaxHeader(PaxRecord("uid", "7"), 'g') +
                 TarBlock({.name = "a", .type = '2', .target = "x"}) + kTarEnd);
  EXPECT_EQ(archive.at("a").member.target, std::string(50, 't'));
  EXPECT_EQ(archive.at("a").member.uid, 7U);
}

TEST(TarReader, SchilysXattrsComeBeforeLibarchives) {
  const std::string records =
      PaxRecord("SCHILY.xattr.user.both", "raw") + PaxRecord("LIBARCHIVE.xattr.user.both", "eA") +
      PaxRecord("LIBARCHIVE.xattr.user.%c3%bc%3D", "YWI") + PaxRecord("LIBARCHIVE.xattr.user.p", "YWI=") +
      PaxRecord("SCHILY.xattr.security.capability", "no") + PaxRecord("SCHILY.xattr.user.", "no") +
      PaxRecord("SCHILY.xattr.user." + std::string(250, 'n'), "fits") +
      PaxRecord("SCHILY.xattr.user." + std::string(251, 'n'), "no") +
      PaxRecord("SCHILY.xattr.user.v", std::string(65'536, 'v')) +
      PaxRecord("SCHILY.xattr.user.w", std::string(65'537, 'w'));
  const auto archive = ReadForged(PaxHeader(records) + TarBlock({.name = "a"}) + TarBlock({.name = "b"}) + kTarEnd);
  EXPECT_EQ(archive.at("a").member.xattrs,
            EncodeXattr("user.both", "raw") + EncodeXattr("user." + std::string(250, 'n'), "fits") +
                EncodeXattr("user.p", "ab") + EncodeXattr("user.v", std::string(65'536, 'v')) +
                EncodeXattr("user.\u00fc=", "ab"));
  EXPECT_TRUE(archive.at("b").member.xattrs.empty());
}

TEST(TarReader, TheLastOfTwoLongNamesCounts) {
  const auto long_name = [](const std::string& name) {
    return TarMember({.name = "././@LongLink", .type = 'L', .magic = kGnuTarMagic}, name + '\0');
  };
  const auto archive = ReadForged(long_name("first") + long_name("second") + TarBlock({.magic = kGnuTarMagic}) +
                                  TarBlock({.name = "own"}) + kTarEnd);
  EXPECT_EQ(archive.paths(), (std::vector<std::string>{"second", "own"}));
}

TEST(TarReader, DataOfAHardLinkAreSkipped) {
  const TarFields link = {.name = "b", .type = '1', .target = "a"};
  TarFields sized = link;
  sized.size_bytes = 600;
  const std::string data = TarData(std::string(600, 'd'));
  const std::string next = TarMember({.name = "c"}, "c") + kTarEnd;
  const std::vector<std::pair<std::string, std::string>> forms = {
      {"pax", PaxHeader(PaxRecord("mtime", "1")) + TarBlock(sized) + data},
      {"pax with an archive as data",
       PaxHeader(PaxRecord("mtime", "1")) + TarBlock(sized) + TarData(TarMember({.name = "inner"}, "12345678"))},
      {"ustar with data", TarBlock(sized) + data},
      {"ustar without data", TarBlock(sized)},
      {"no size", TarBlock(link)}};
  for (const auto& [name, bytes] : forms) {
    SCOPED_TRACE(name);
    const auto archive = ReadForged(bytes + next);
    EXPECT_TRUE(archive.faults.empty());
    EXPECT_EQ(archive.paths(), (std::vector<std::string>{"b", "c"}));
    EXPECT_EQ(archive.at("b").member.size_bytes, 0U);
    EXPECT_EQ(archive.at("b").member.target, "a");
  }
}

TEST(TarReader, DirectoriesAndSymlinksHaveNoDataWhateverTheirSize) {
  const auto archive = ReadForged(TarBlock({.name = "d", .type = '5', .size_bytes = 4096}) +
                                  TarBlock({.name = "l", .type = '2', .size_bytes = 1, .target = "t"}) +
                                  TarBlock({.name = "f"}) + kTarEnd);
  EXPECT_TRUE(archive.faults.empty());
  EXPECT_EQ(archive.members.size(), 3U);
}

TEST(TarReader, WhatNoPackHoldsIsNamed) {
  ExpectLeftOut(TarBlock({.name = "bad", .type = '3'}), "device");
  ExpectLeftOut(TarBlock({.name = "bad", .type = '4', .size_bytes = 7}), "device");
  ExpectLeftOut(TarBlock({.name = "bad", .type = '6'}), "FIFO");
  ExpectLeftOut(TarMember({.name = "bad", .type = 'M', .magic = kGnuTarMagic}, "rest"), "another volume");
}

TEST(TarReader, ABrokenHeaderIsNamedAndTheNextOneFound) {
  std::string broken = TarMember({.name = "lost"}, std::string(2000, 'd'));
  broken[0] = 'L';
  const auto archive = ReadForged(TarMember({.name = "a"}, "1") + broken + TarMember({.name = "b"}, "2") + kTarEnd);
  EXPECT_EQ(archive.paths(), (std::vector<std::string>{"a", "b"}));
  const std::string reason = OnlyFault(archive).second;
  EXPECT_TRUE(reason.contains("broken header at byte 1024, behind 'a'")) << reason;
  EXPECT_TRUE(reason.contains("the next one is at byte 3584")) << reason;
}

TEST(TarReader, WithoutAMagicNothingIsTakenForTheNextHeader) {
  const auto archive = ReadForged(TarBlock({.name = "a"}) + std::string(512, 'x') +
                                  TarBlock({.name = "old", .magic = ""}) + TarBlock({.name = "b"}) + kTarEnd);
  EXPECT_EQ(archive.paths(), (std::vector<std::string>{"a", "b"}));
}

TEST(TarReader, ASizeThatIsNoNumberIsABrokenHeader) {
  for (const std::string& size : {std::string("0000000000x"), std::string(12, '\xff'), "\x80" + std::string(11, '\xff'),
                                  "\x81" + std::string(11, '\0')}) {
    const auto archive = ReadForged(TarBlock({.name = "a"}) + TarBlock({.name = "bad", .patches = {{124, size}}}) +
                                    TarBlock({.name = "b"}) + kTarEnd);
    EXPECT_EQ(archive.paths(), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(OnlyFault(archive).second.contains("broken header at byte 512"));
  }
}

TEST(TarReader, NoHeaderIsSearchedForFarBehindABrokenOne) {
  const std::string good = TarBlock({.name = "a"});
  const std::string next = TarBlock({.name = "b"});
  EXPECT_EQ(ReadForged(good + std::string(TarReader::kMaxSearchBytes, 'x') + next).members.size(), 2U);
  const auto archive = ReadForged(good + std::string(TarReader::kMaxSearchBytes + 512, 'x') + next);
  EXPECT_EQ(archive.members.size(), 1U);
  EXPECT_TRUE(OnlyFault(archive).second.contains("the rest is not read"));
}

TEST(TarReader, WhatStandsBehindTheEndIsNamedOnce) {
  const auto archive = ReadForged(TarBlock({.name = "a"}) + kTarEnd + Noise(100'000, 3) + TarBlock({.name = "b"}));
  EXPECT_EQ(archive.paths(), std::vector<std::string>{"a"});
  EXPECT_TRUE(OnlyFault(archive).second.contains("at byte 1536")) << OnlyFault(archive).second;
  EXPECT_EQ(ReadForged(TarBlock({.name = "a"}) + kTarEnd + "x").faults.size(), 1U);
}

TEST(TarReader, ASingleBlockOfZerosEndsNothing) {
  const std::string zeros(512, '\0');
  EXPECT_EQ(ReadForged(TarBlock({.name = "a"}) + zeros + TarBlock({.name = "b"}) + zeros).members.size(), 2U);
  const auto archive = ReadForged(TarBlock({.name = "a"}) + zeros + std::string(512, 'x') + TarBlock({.name = "b"}));
  EXPECT_EQ(archive.members.size(), 2U);
  EXPECT_TRUE(OnlyFault(archive).second.contains("broken header at byte 1024"));
}

TEST(TarReader, ZerosAreNotReadForHours) {
  const ForgedFile forged(TarBlock({.name = "a"}));
  ASSERT_EQ(ftruncate(forged.file().fd(), 512 + TarReader::kMaxZeroBytes), 0);
  EXPECT_TRUE(ReadAll(forged.file()).faults.empty());
  ASSERT_EQ(ftruncate(forged.file().fd(), int64_t{1} << 42), 0);
  EXPECT_TRUE(OnlyFault(ReadAll(forged.file())).second.contains("64 MiB of zeros at byte 512"));
}

TEST(TarReader, ACutMemberIsNotServed) {
  const std::string whole = TarMember({.name = "a"}, "1") + TarMember({.name = "b"}, std::string(700, 'd'));
  for (size_t bytes = 513; bytes <= whole.size(); ++bytes) {
    const auto archive = ReadForged(std::string_view(whole).substr(0, bytes));
    SCOPED_TRACE(bytes);
    const bool has_b = bytes >= 1536 + 700;
    EXPECT_EQ(archive.members.size(), has_b ? 2U : 1U);
    EXPECT_EQ(archive.faults.size(), has_b || bytes <= 1024 ? 0U : 1U);
    if (archive.faults.empty()) continue;
    EXPECT_TRUE(archive.faults.front().second.contains("cut"));
    EXPECT_EQ(archive.faults.front().first, bytes >= 1536 ? "b" : "");
  }
}

TEST(TarReader, ASizeBehindTheArchiveIsACut) {
  for (const std::string& size :
       {std::string("77777777777"), std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)}) {
    const auto archive =
        ReadForged(TarBlock({.name = "a"}) + TarBlock({.name = "bad", .patches = {{124, size}}}) + kTarEnd);
    EXPECT_EQ(archive.paths(), std::vector<std::string>{"a"});
    EXPECT_EQ(OnlyFault(archive).first, "bad");
  }
  const auto archive =
      ReadForged(PaxHeader(PaxRecord("size", "9223372036854775807")) + TarBlock({.name = "bad"}) + kTarEnd);
  EXPECT_EQ(OnlyFault(archive).first, "bad");
}

TEST(TarReader, AHeaderWithoutItsMemberIsNamed) {
  for (const std::string& end : {std::string(), kTarEnd}) {
    EXPECT_EQ(ReadForged(PaxHeader(PaxRecord("path", "x")) + end).faults.size(), 1U);
    const auto archive = ReadForged(TarMember({.name = "././@LongLink", .type = 'L'}, "name") + end);
    EXPECT_EQ(OnlyFault(archive).first, "name");
  }
}

TEST(TarReader, AMalformedPaxHeaderLeavesItsMemberOut) {
  for (const std::string records : {"no length", "5 a=b", "99 a=b\n", "0 a=b\n", "6 a=bc\n", "5 ab\n",
                                    "18446744073709551621 a=b\n", "-5 a=b\n", " 6 a=b\n", "5 =b\n"})
    ExpectLeftOut(PaxHeader(records) + TarMember({.name = "bad"}, "data"), "no record at its byte 0");
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{{"size", "-1"},
                                                                                   {"size", "9223372036854775808"},
                                                                                   {"uid", "1.5"},
                                                                                   {"gid", "x"},
                                                                                   {"mtime", "1e9"},
                                                                                   {"mtime", "."},
                                                                                   {"path", std::string("a\0b", 3)},
                                                                                   {"GNU.sparse.map", "1,2,3"},
                                                                                   {"GNU.sparse.numbytes", "1"},
                                                                                   {"GNU.sparse.major", ""},
                                                                                   {"LIBARCHIVE.xattr.user.x", "A"},
                                                                                   {"LIBARCHIVE.xattr.user.x", "AA~="}})
    ExpectLeftOut(PaxHeader(PaxRecord(key, value)) + TarMember({.name = "bad"}, "data"), key);
}

TEST(TarReader, AnOwnerOfMoreThan32BitsIsNamed) {
  ExpectLeftOut(PaxHeader(PaxRecord("uid", "4294967296")) + TarBlock({.name = "bad"}), "uid is 4294967296");
  ExpectLeftOut(PaxHeader(PaxRecord("gid", "-2147483649")) + TarBlock({.name = "bad"}), "gid is -2147483649");
  ExpectLeftOut(TarBlock({.name = "bad", .patches = {{108, "88888888"}}}), "uid is no number");
  ExpectLeftOut(TarBlock({.name = "bad", .patches = {{100, "rwxr-xr-"}}}), "mode is no number");
  ExpectLeftOut(TarBlock({.name = "bad", .patches = {{136, "yesterday   "}}}), "time is no number");
}

TEST(TarReader, WhatIsTooLongLeavesItsMemberOut) {
  ExpectLeftOut(PaxHeader(PaxRecord("comment", std::string(kMaxPaxBytes, 'c'))) + TarMember({.name = "bad"}, "data"),
                "pax header has");
  ExpectLeftOut(PaxHeader(PaxRecord("linkpath", std::string(kMaxTarPathBytes + 1, 'p'))) +
                    TarBlock({.name = "bad", .type = '2', .target = "x"}),
                "linkpath has");
  ExpectLeftOut(
      TarMember({.type = 'K'}, std::string(kMaxTarPathBytes + 1, 'n')) + TarBlock({.name = "bad", .type = '2'}),
      "name of its target has 8193 bytes");
  const auto archive =
      ReadForged(TarMember({.type = 'L'}, std::string(kMaxTarPathBytes, 'n')) + TarBlock({}) + kTarEnd);
  EXPECT_EQ(archive.paths(), std::vector<std::string>{std::string(kMaxTarPathBytes, 'n')});
}

TEST(TarReader, ALinkToNothingIsNamed) { ExpectLeftOut(TarBlock({.name = "bad", .type = '2'}), "link to nothing"); }

std::string SparseEntries(const std::vector<std::pair<uint64_t, uint64_t>>& pieces) {
  std::string entries;
  for (const auto& [offset, length] : pieces) entries += fmt::format("{:011o} {:011o} ", offset, length);
  return entries;
}

TarFields OldSparse(uint64_t size, const std::vector<std::pair<uint64_t, uint64_t>>& pieces) {
  return {.name = "bad",
          .type = 'S',
          .magic = kGnuTarMagic,
          .patches = {{386, SparseEntries(pieces)}, {483, fmt::format("{:011o} ", size)}}};
}

TEST(TarReader, SparseMapsThatContradictThemselvesAreNamed) {
  const std::string data(1024, 'd');
  ExpectLeftOut(TarMember(OldSparse(9000, {{4096, 512}, {0, 512}}), data), "not in order");
  ExpectLeftOut(TarMember(OldSparse(9000, {{0, 512}, {511, 512}}), data), "not in order");
  ExpectLeftOut(TarMember(OldSparse(9000, {{0, 512}, {8600, 512}}), data), "behind its end");
  ExpectLeftOut(TarMember(OldSparse(9000, {{0, 512}, {9001, 512}}), data), "behind its end");
  ExpectLeftOut(TarMember(OldSparse(9000, {{0, 512}, {4096, 1024}}), data), "more than the 1024 bytes");
  ExpectLeftOut(TarMember(OldSparse(9000, {{0, 512}}), data), "512 bytes, and 1024 are stored");
  ExpectLeftOut(TarMember(OldSparse(9000, {{0, 100}, {4096, 924}}), data), "no whole blocks");
  TarFields no_number = OldSparse(9000, {{0, 512}, {4096, 512}});
  no_number.patches.emplace_back(386, "x");
  ExpectLeftOut(TarMember(no_number, data), "no number");
  TarFields no_size = OldSparse(9000, {{0, 512}, {4096, 512}});
  no_size.patches.emplace_back(483, "x");
  ExpectLeftOut(TarMember(no_size, data), "size is no number");
  TarFields of_star = OldSparse(9000, {{0, 512}, {4096, 512}});
  of_star.magic = kPosixTarMagic;
  ExpectLeftOut(TarMember(of_star, data), "star's own form");
}

TEST(TarReader, ABrokenSparseMapHidesNoMemberBehindIt) {
  TarFields fields = OldSparse(9000, {{4096, 512}, {0, 512}});
  fields.patches.emplace_back(482, "\1");
  fields.size_bytes = 1024;
  std::string more(512, '\0');
  more.replace(0, 24, SparseEntries({{8192, 0}}));
  ExpectLeftOut(TarBlock(fields) + more + std::string(1024, 'd'), "not in order");
  const auto cut = ReadForged(TarBlock(fields) + more.substr(0, 300));
  EXPECT_TRUE(OnlyFault(cut).second.contains("cut"));
}

TEST(TarReader, PiecesThatFollowEachOtherAreOneRun) {
  const TarFields fields = OldSparse(9000, {{512, 512}, {1024, 512}, {9000, 0}});
  const auto archive = ReadForged(TarMember(fields, std::string(1024, 'd')) + kTarEnd);
  const Member& member = archive.at("bad").member;
  ASSERT_EQ(member.runs.size(), 1U);
  EXPECT_EQ(member.runs[0].file_offset, 512U);
  EXPECT_EQ(member.runs[0].offset, 512U);
  EXPECT_EQ(member.runs[0].length_bytes, 1024U);
  EXPECT_EQ(member.size_bytes, 9000U);
}

TEST(TarReader, SparseMapsInDataThatAreNoneAreNamed) {
  const std::string header = PaxHeader(PaxRecord("GNU.sparse.major", "1") + PaxRecord("GNU.sparse.minor", "0") +
                                       PaxRecord("GNU.sparse.realsize", "9000"));
  const std::vector<std::pair<std::string, std::string>> maps = {{"1\n0\n512", "behind its data"},
                                                                 {"x\n", "no number"},
                                                                 {"\n", "no number"},
                                                                 {"-1\n", "no number"},
                                                                 {std::string(30, '1'), "no number"},
                                                                 {"1048577\n", "1048577 pieces"},
                                                                 {"99999999999999999999\n", "no number"},
                                                                 {"", "behind its data"},
                                                                 {"2\n0\n512\n0\n512\n", "more than the 0 bytes"}};
  for (const auto& [map, reason] : maps) ExpectLeftOut(header + TarMember({.name = "bad"}, map), reason);
  const auto archive = ReadForged(header + TarMember({.name = "a"}, TarData("1\n4096\n3\n") + "abc") + kTarEnd);
  EXPECT_EQ(archive.at("a").content.substr(4096, 4), std::string("abc\0", 4));
}

TEST(TarReader, SparseRecordsThatContradictEachOtherAreNamed) {
  ExpectLeftOut(PaxHeader(PaxRecord("GNU.sparse.map", "0,4")) + TarMember({.name = "bad"}, "data"), "without its size");
  ExpectLeftOut(PaxHeader(PaxRecord("GNU.sparse.major", "1")) + TarMember({.name = "bad"}, "data"), "without its size");
  ExpectLeftOut(PaxHeader(PaxRecord("GNU.sparse.major", "2") + PaxRecord("GNU.sparse.realsize", "4")) +
                    TarMember({.name = "bad"}, "data"),
                "form 2.0");
  ExpectLeftOut(PaxHeader(PaxRecord("GNU.sparse.size", "9") +
                          PaxRecord("GNU.sparse.map", "0,4,9223372036854775807,9223372036854775807")) +
                    TarMember({.name = "bad"}, "data"),
                "behind its end");
  ExpectLeftOut(PaxHeader(PaxRecord("SCHILY.realsize", "9")) + TarMember({.name = "bad"}, "data"), "star's own form");
}

TEST(TarReader, AMapOfMorePiecesThanTheLimitIsNamed) {
  TarFields fields = OldSparse(9000, {});
  fields.patches.emplace_back(482, "\1");
  std::string block(512, '\0');
  for (size_t i = 0; i < 21; ++i) block.replace(i * 24, 24, SparseEntries({{0, 0}}));
  block[504] = 1;
  std::string bytes = TarBlock(fields);
  for (size_t pieces = 0; pieces <= kMaxSparsePieces; pieces += 21) bytes += block;
  block[504] = 0;
  ExpectLeftOut(bytes + block, "more than 1048576 pieces");
}

TEST(TarReader, DataIsNotReadThrough) {
  const auto bytes_read = [] {
    std::ifstream counters("/proc/self/io");
    std::string key;
    uint64_t value = 0;
    while (counters >> key >> value && key != "rchar:") {
    }
    return value;
  };
  constexpr uint64_t kMembers = 100;
  constexpr uint64_t kMemberBytes = uint64_t{4} << 30;
  const ForgedFile forged("");
  for (uint64_t i = 0; i < kMembers; ++i)
    OkOrDie(forged.file().WriteAll(i * (kMemberBytes + 512), AsBytes(TarBlock({.size_bytes = kMemberBytes}))));
  ASSERT_EQ(ftruncate(forged.file().fd(), kMembers * (kMemberBytes + 512)), 0);
  const uint64_t before = bytes_read();
  EXPECT_EQ(ReadAll(forged.file()).members.size(), kMembers);
  EXPECT_LT(bytes_read() - before, kMembers * 2 * HeaderWindow::kLeastBytes);
}

TEST(TarReader, AMemberThatIsUsedAgainCostsNoAllocation) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer allocates";
  std::string bytes;
  for (int i = 0; i < 1000; ++i)
    bytes += PaxHeader(PaxRecord("path", std::string(200, 'p')) + PaxRecord("mtime", "1.5")) +
             TarMember({.magic = kGnuTarMagic}, std::string(i, 'd')) + TarMember({.type = 'L'}, std::string(200, 'l')) +
             TarBlock({.type = '2', .target = "t"});
  const ForgedFile forged(bytes);
  const auto reader = ValueOrDie(TarReader::Open(forged.file(), bytes.size(), [](auto, auto) {}));
  Member member;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ValueOrDie(reader->Next(member)));
  const AllocationCounter counter;
  int members = 10;
  while (ValueOrDie(reader->Next(member))) ++members;
  EXPECT_EQ(members, 2000);
  EXPECT_EQ(counter.count(), 0U);
}

TEST(TarReader, AFileThatBecomesShorterIsAnError) {
  const std::string bytes = TarMember({.name = "a"}, std::string(1 << 20, 'd')) + TarBlock({.name = "b"});
  const ForgedFile forged(bytes);
  const auto reader = ValueOrDie(TarReader::Open(forged.file(), bytes.size(), [](auto, auto) {}));
  Member member;
  ASSERT_TRUE(ValueOrDie(reader->Next(member)));
  ASSERT_EQ(ftruncate(forged.file().fd(), 1 << 20), 0);
  const auto read = reader->Next(member);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kUnreadable);
}

}  // namespace
}  // namespace quire
