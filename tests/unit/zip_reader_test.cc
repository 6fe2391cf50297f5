// SPDX-License-Identifier: Apache-2.0
// Goal: what programs put into zip archives comes out of them byte by byte, and nothing that a hostile archive says
// makes the reader serve bytes twice, bytes outside of the archive, or what another program would see otherwise.
// Method: archives of the programs that are here, compared with the files, and forged ones with one field that lies.
#include "format/import/zip_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "format/import/zip_names.h"
#include "format/pack/geometry.h"
#include "format/pack/records.h"
#include "tests/support/count_allocations.h"
#include "tests/support/forged_zip.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

struct Fault {
  std::string path;
  std::string reason;
};

struct Listing {
  std::vector<Member> members;
  std::vector<Fault> faults;
  std::string error;  // of Open, else empty

  [[nodiscard]] std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    paths.reserve(members.size());
    for (const Member& member : members) paths.push_back(member.path);
    return paths;
  }
};

Listing ListFile(const File& file, uint64_t size_bytes) {
  Listing listing;
  auto reader = ZipReader::Open(file, size_bytes, [&](std::string_view path, std::string_view reason) {
    listing.faults.push_back({std::string(path), std::string(reason)});
  });
  if (!reader) {
    listing.error = reader.error().message;
    return listing;
  }
  Member member;
  while (ValueOrDie((*reader)->Next(member))) listing.members.push_back(member);
  return listing;
}

Listing List(const std::string& archive) {
  const File file(memfd_create("archive", MFD_CLOEXEC));
  OkOrDie(file.WriteAll(0, AsBytes(archive)));
  return ListFile(file, archive.size());
}

std::string DataOf(const std::string& archive, const Member& member) {
  std::string data;
  for (const MemberRun& run : member.runs) data += archive.substr(run.offset, run.length_bytes);
  return data;
}

// That the one member of `zip` is refused for a reason that has `words`.
void ExpectRefused(const ForgedZip& zip, std::string_view words) {
  const Listing listing = List(zip.bytes);
  EXPECT_EQ(listing.error, "");
  EXPECT_TRUE(listing.members.empty());
  ASSERT_EQ(listing.faults.size(), 1U);
  EXPECT_EQ(listing.faults[0].path, "a");
  EXPECT_NE(listing.faults[0].reason.find(words), std::string::npos) << listing.faults[0].reason;
}

ForgedZip OneMember(const ForgedZipMember& member = {.name = "a", .data = "hello"}) {
  ForgedZip zip;
  zip.Add(member).Finish();
  return zip;
}

// The one member of `zip`; the test has failed where there is another number of them.
Member OnlyMember(const ForgedZip& zip) {
  const Listing listing = List(zip.bytes);
  EXPECT_EQ(listing.error, "");
  EXPECT_EQ(listing.members.size(), 1U);
  for (const Fault& fault : listing.faults) ADD_FAILURE() << fault.path << ": " << fault.reason;
  return listing.members.empty() ? Member{} : listing.members.front();
}

int64_t SecondsOf(const Member& member) { return DecodeMtime(member.mtime).tv_sec; }

// Where fields lie in the records: APPNOTE 4.3.7, 4.3.12, 4.3.16.
constexpr size_t kLocalFlagsAt = 6;
constexpr size_t kLocalMethodAt = 8;
constexpr size_t kLocalSumAt = 14;
constexpr size_t kLocalStoredAt = 18;
constexpr size_t kLocalSizeAt = 22;
constexpr size_t kLocalExtraBytesAt = 28;
constexpr size_t kEntryStoredAt = 20;
constexpr size_t kEntrySizeAt = 24;
constexpr size_t kEntryDiskAt = 34;
constexpr size_t kEntryOffsetAt = 42;
constexpr size_t kEndDiskAt = 4;
constexpr size_t kEndDirectoryBytesAt = 12;

// ---- Archives of programs -------------------------------------------------------------------------------------------

// The exit status of `command` of sh, run in `folder`.
int RunShell(const std::string& folder, const std::string& command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  std::string shell = "/bin/sh";
  std::string option = "-c";
  std::string text = "export LC_ALL=C.UTF-8; " + command;
  char* arguments[] = {shell.data(), option.data(), text.data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawn(&child, "/bin/sh", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failed != 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class ProgramArchive : public testing::Test {
 protected:
  ProgramArchive() {
    const std::map<std::string, std::string> files = {{"empty", ""},
                                                      {"hello.txt", "hello"},
                                                      {"noise", Noise(300'000, 1)},
                                                      {"text", std::string(200'000, 'x') + "end"},
                                                      {"deep/er/grün", Noise(70'000, 2)},
                                                      {"deep/er/空", "sky"},
                                                      {"deep/run.sh", "#!/bin/sh\n"}};
    std::filesystem::create_directories(tree() + "/deep/er");
    std::filesystem::create_directories(tree() + "/void");
    for (const auto& [path, content] : files) WriteFile(tree() + "/" + path, content);
    chmod((tree() + "/deep/run.sh").c_str(), 0750);
    chmod((tree() + "/hello.txt").c_str(), 0444);
    const std::vector<timespec> times(2, {.tv_sec = 1'000'000'001, .tv_nsec = 0});
    utimensat(AT_FDCWD, (tree() + "/hello.txt").c_str(), times.data(), 0);
  }

  // Runs `command` in the tree; it makes `archive`. Skips the test where `program` is not here.
  void Make(const std::string& program, const std::string& command) {
    if (RunShell(folder_.path(), "command -v " + program) != 0) GTEST_SKIP() << "there is no " << program << " here";
    ASSERT_EQ(RunShell(tree(), command), 0) << command;
    bytes_ = ReadFile(archive());
    const File file = ValueOrDie(File::Open(archive(), O_RDONLY));
    listing_ = ListFile(file, bytes_.size());
    ASSERT_EQ(listing_.error, "");
    for (const Fault& fault : listing_.faults) ADD_FAILURE() << fault.path << ": " << fault.reason;
  }

  enum class Modes : uint8_t { kKept, kLost };
  enum class Times : uint8_t { kToTheSecond, kLost };

  // Compares all files and directories of the tree with the members.
  void ExpectTree(Modes modes, Times times) {
    if (IsSkipped()) return;
    std::map<std::string, const Member*> by_path;
    for (const Member& member : listing_.members) {
      std::string path = member.path;
      if (path.ends_with('/')) path.pop_back();
      if (path.starts_with("./")) path = path.substr(2);
      by_path[path] = &member;
    }
    size_t files = 0;
    std::string pairs;  // of a deflated stream and the file that it came from
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree())) {
      const std::string path = entry.path().lexically_relative(tree()).string();
      ASSERT_TRUE(by_path.contains(path) || entry.is_directory()) << path;
      if (!by_path.contains(path)) continue;  // some programs have no directories
      const Member& member = *by_path[path];
      struct stat status = {};
      ASSERT_EQ(lstat(entry.path().c_str(), &status), 0);
      if (modes == Modes::kKept) {
        EXPECT_EQ(member.mode, status.st_mode & 07777) << path;
      }
      if (times == Times::kToTheSecond) {
        EXPECT_EQ(SecondsOf(member), status.st_mtim.tv_sec) << path;
      }
      if (entry.is_directory()) {
        EXPECT_EQ(member.kind, MemberKind::kDirectory) << path;
        continue;
      }
      if (entry.is_symlink()) {
        EXPECT_EQ(member.kind, MemberKind::kSymlink) << path;
        EXPECT_EQ(member.target, std::filesystem::read_symlink(entry.path()).string());
        continue;
      }
      ++files;
      ASSERT_EQ(member.kind, MemberKind::kFile) << path;
      const std::string content = ReadFile(entry.path().string());
      ASSERT_EQ(member.size_bytes, content.size()) << path;
      EXPECT_EQ(member.crc32, Crc32(AsBytes(content))) << path;
      if (member.codec == Codec::kStored) {
        EXPECT_TRUE(DataOf(bytes_, member) == content) << path;
        continue;
      }
      ++deflated_;
      ASSERT_EQ(member.runs.size(), 1U);
      const std::string stream = folder_ / fmt::format("stream-{}", deflated_);
      WriteFile(stream, DataOf(bytes_, member));
      pairs += stream + "\n" + entry.path().string() + "\n";
    }
    EXPECT_EQ(files, 7U);
    WriteFile(folder_ / "pairs", pairs);
    EXPECT_EQ(RunShell(folder_.path(),
                       "/usr/bin/python3 -c 'import zlib\n"
                       "lines = open(\"pairs\").read().splitlines()\n"
                       "for stream, original in zip(lines[::2], lines[1::2]):\n"
                       "    inflate = zlib.decompressobj(-15)\n"
                       "    assert inflate.decompress(open(stream, \"rb\").read()) == open(original, \"rb\").read()\n"
                       "    assert inflate.eof and not inflate.unused_data'"),
              0)
        << "the deflated streams are not those of the files";
  }

  [[nodiscard]] std::string tree() const { return folder_ / "tree"; }
  [[nodiscard]] std::string archive() const { return folder_ / "archive.zip"; }

  TemporaryFolder folder_;
  std::string bytes_;
  Listing listing_;
  size_t deflated_ = 0;
};

TEST_F(ProgramArchive, OfInfoZipStored) {
  Make("zip", "zip -q -r -0 ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
  EXPECT_EQ(deflated_, 0U);
}

TEST_F(ProgramArchive, OfInfoZipDeflated) {
  Make("zip", "zip -q -r ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
  EXPECT_TRUE(IsSkipped() || deflated_ >= 1);
}

TEST_F(ProgramArchive, OfInfoZipHasOwnersAndTargets) {
  std::filesystem::create_symlink("deep/er/none", tree() + "/link");
  Make("zip", "zip -q -r -y ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
  for (const Member& member : listing_.members) {
    EXPECT_EQ(member.uid, getuid());
    EXPECT_EQ(member.gid, getgid());
  }
}

TEST_F(ProgramArchive, OfInfoZipWithoutExtraFieldsHasTimesOfDos) {
  Make("zip", "TZ=UTC zip -q -r -X ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kLost);
  const auto hello = std::ranges::find(listing_.members, "hello.txt", &Member::path);
  ASSERT_TRUE(IsSkipped() || hello != listing_.members.end());
  if (!IsSkipped()) {
    EXPECT_LE(std::abs(SecondsOf(*hello) - 1'000'000'001), 1);
  }
}

// To a pipe: sums and sizes stand behind the data.
TEST_F(ProgramArchive, OfInfoZipStreamed) {
  Make("zip", "zip -q -r - . | cat >../archive.zip");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

TEST_F(ProgramArchive, OfInfoZipWithUtf8Names) {
  Make("zip", "zip -q -r -UN=UTF8 ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

TEST_F(ProgramArchive, OfInfoZipThatExtractsItself) {
  Make("zip", "zip -q -r -0 ../inner.zip . && (head -c 100000 /dev/zero; cat ../inner.zip) >../archive.zip");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

TEST_F(ProgramArchive, OfInfoZipThatExtractsItselfWithAdjustedOffsets) {
  Make("zip",
       "zip -q -r -0 ../inner.zip . && (head -c 100000 /dev/zero; cat ../inner.zip) >../archive.zip && "
       "zip -q -A ../archive.zip");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

TEST_F(ProgramArchive, OfInfoZipWithZip64) {
  Make("zip", "zip -q -r -fz ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
  EXPECT_TRUE(IsSkipped() || bytes_.contains("PK\6\6"));
}

TEST_F(ProgramArchive, OfInfoZipWithDeletedMembers) {
  Make("zip", "touch zz && zip -q -r -0 ../archive.zip . && zip -q -d ../archive.zip zz && rm zz");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

TEST_F(ProgramArchive, OfInfoZipEncryptedIsRefused) {
  if (RunShell(folder_.path(), "command -v zip") != 0) GTEST_SKIP() << "there is no zip here";
  ASSERT_EQ(RunShell(tree(), "zip -q -P secret ../archive.zip hello.txt noise"), 0);
  const Listing listing = List(ReadFile(archive()));
  EXPECT_TRUE(listing.members.empty());
  ASSERT_EQ(listing.faults.size(), 2U);
  EXPECT_NE(listing.faults[0].reason.find("encrypted"), std::string::npos);
}

TEST_F(ProgramArchive, OfInfoZipBzip2IsRefusedByName) {
  if (RunShell(tree(), "zip -q -Z bzip2 ../archive.zip text") != 0) GTEST_SKIP() << "no zip with bzip2 is here";
  const Listing listing = List(ReadFile(archive()));
  EXPECT_TRUE(listing.members.empty());
  ASSERT_EQ(listing.faults.size(), 1U);
  EXPECT_NE(listing.faults[0].reason.find("bzip2"), std::string::npos);
}

TEST_F(ProgramArchive, OfInfoZipSplitIsRefusedWithRemedy) {
  if (RunShell(folder_.path(), "command -v zip") != 0) GTEST_SKIP() << "there is no zip here";
  ASSERT_EQ(RunShell(tree(), "zip -q -r -0 -s 100k ../archive.zip ."), 0);
  EXPECT_NE(List(ReadFile(archive())).error.find("zip -s 0"), std::string::npos);
}

constexpr std::string_view kPythonWriter =
    "/usr/bin/python3 -c 'import os, sys, zipfile\n"
    "method = zipfile.ZIP_STORED if \"stored\" in sys.argv else zipfile.ZIP_DEFLATED\n"
    "class Pipe:\n"
    "    def __init__(self, file): self.file = file\n"
    "    def write(self, data): return self.file.write(data)\n"
    "    def flush(self): self.file.flush()\n"
    "file = open(\"../archive.zip\", \"wb\")\n"
    "with zipfile.ZipFile(Pipe(file) if \"streamed\" in sys.argv else file, \"w\", method) as archive:\n"
    "    for folder, folders, names in os.walk(\".\"):\n"
    "        for name in folders: archive.write(os.path.join(folder, name))\n"
    "        for name in names:\n"
    "            path = os.path.join(folder, name)\n"
    "            if \"zip64\" not in sys.argv: archive.write(path); continue\n"
    "            info = zipfile.ZipInfo.from_file(path)\n"
    "            info.compress_type = method\n"
    "            with archive.open(info, \"w\", force_zip64=True) as member: member.write(open(path, \"rb\").read())\n"
    "' ";

TEST_F(ProgramArchive, OfPythonStored) {
  Make("/usr/bin/python3", "TZ=UTC " + std::string(kPythonWriter) + "stored");
  ExpectTree(Modes::kKept, Times::kLost);
}

TEST_F(ProgramArchive, OfPythonDeflated) {
  Make("/usr/bin/python3", std::string(kPythonWriter) + "deflated");
  ExpectTree(Modes::kKept, Times::kLost);
  EXPECT_TRUE(IsSkipped() || deflated_ >= 1);
}

TEST_F(ProgramArchive, OfPythonStreamed) {
  Make("/usr/bin/python3", std::string(kPythonWriter) + "stored streamed");
  ExpectTree(Modes::kKept, Times::kLost);
}

TEST_F(ProgramArchive, OfPythonWithZip64) {
  Make("/usr/bin/python3", std::string(kPythonWriter) + "stored zip64");
  ExpectTree(Modes::kKept, Times::kLost);
}

// More entries than an end record can count.
TEST_F(ProgramArchive, OfPythonWithManyMembers) {
  Make("/usr/bin/python3",
       "/usr/bin/python3 -c 'import zipfile\n"
       "with zipfile.ZipFile(\"../archive.zip\", \"w\") as archive:\n"
       "    for i in range(70000): archive.writestr(str(i), str(i))'");
  if (IsSkipped()) return;
  ASSERT_EQ(listing_.members.size(), 70'000U);
  for (size_t i = 0; i < listing_.members.size(); ++i) {
    ASSERT_EQ(listing_.members[i].path, fmt::format("{}", i));
    ASSERT_EQ(DataOf(bytes_, listing_.members[i]), fmt::format("{}", i));
  }
}

TEST_F(ProgramArchive, OfJar) {
  Make("jar", "jar cf ../archive.zip .");
  ExpectTree(Modes::kLost, Times::kLost);
}

TEST_F(ProgramArchive, OfJarStored) {
  Make("jar", "jar c0f ../archive.zip .");
  ExpectTree(Modes::kLost, Times::kLost);
  EXPECT_EQ(deflated_, 0U);
}

TEST_F(ProgramArchive, OfSevenZip) {
  Make("7z", "7z a -tzip ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

TEST_F(ProgramArchive, OfSevenZipStored) {
  Make("7z", "7z a -tzip -mx=0 ../archive.zip .");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
  EXPECT_EQ(deflated_, 0U);
}

TEST_F(ProgramArchive, OfBsdtar) {
  std::filesystem::create_symlink("hello.txt", tree() + "/link");
  Make("bsdtar", "bsdtar --format zip --options zip:compression=store -cf ../archive.zip *");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

TEST_F(ProgramArchive, OfBsdtarDeflated) {
  Make("bsdtar", "bsdtar --format zip -cf ../archive.zip *");
  ExpectTree(Modes::kKept, Times::kToTheSecond);
}

// ---- Where the archive ends -----------------------------------------------------------------------------------------

TEST(ZipReader, AnEmptyArchiveHasNoMembers) {
  ForgedZip zip;
  zip.Finish();
  const Listing listing = List(zip.bytes);
  EXPECT_EQ(listing.error, "");
  EXPECT_TRUE(listing.members.empty() && listing.faults.empty());
}

TEST(ZipReader, RefusesWhatHasNoEndRecordAndSaysTheRemedy) {
  EXPECT_NE(List("").error.find("zip -FF"), std::string::npos);
  EXPECT_NE(List("PK\5\6").error.find("zip -FF"), std::string::npos);
  EXPECT_NE(List(Noise(100'000, 3)).error.find("zip -FF"), std::string::npos);
  const ForgedZip zip = OneMember();
  for (size_t cut = 1; cut < zip.bytes.size(); ++cut)
    EXPECT_NE(List(zip.bytes.substr(0, zip.bytes.size() - cut)).error, "") << cut;
}

TEST(ZipReader, FindsTheEndRecordBeforeTheLongestComment) {
  ForgedZip zip;
  zip.Add({.name = "a", .data = "hello"}).Finish(std::string(65535, 'c'));
  EXPECT_EQ(DataOf(zip.bytes, OnlyMember(zip)), "hello");
}

TEST(ZipReader, FindsTheEndRecordBeforeWhatWasAppended) {
  ForgedZip zip = OneMember();
  zip.bytes += std::string(1000, '\0');
  EXPECT_EQ(DataOf(zip.bytes, OnlyMember(zip)), "hello");
}

TEST(ZipReader, SignaturesInTheCommentAreNotTakenForTheEnd) {
  const std::string signature = Uint<4>(0x06054B50);
  // One whose comment ends the file but which has no directory, one whose comment does not, and one that is cut.
  const std::string without_directory =
      signature + Uint<4>(0) + Uint<2>(1) + Uint<2>(1) + Uint<4>(46) + Uint<4>(0) + Uint<2>(32);
  const std::string without_end = signature + std::string(16, '\0') + Uint<2>(3);
  ForgedZip zip;
  zip.Add({.name = "a", .data = "hello"}).Finish(without_directory + without_end + signature + "123456");
  EXPECT_EQ(DataOf(zip.bytes, OnlyMember(zip)), "hello");
}

TEST(ZipReader, OffsetsCountFromWhereTheArchiveBegins) {
  ForgedZip zip = OneMember();
  zip.bytes = std::string(1234, '#') + zip.bytes;
  const Member member = OnlyMember(zip);
  EXPECT_EQ(DataOf(zip.bytes, member), "hello");
}

TEST(ZipReader, OffsetsOfZip64CountFromWhereTheArchiveBegins) {
  ForgedZip zip;
  zip.bytes = std::string(1234, '#');
  zip.Add({.name = "a", .data = "hello"}).FinishDirectory().FinishZip64(1234);
  zip.Set<4>(zip.central_at[0] + kEntryOffsetAt, 0);
  EXPECT_EQ(DataOf(zip.bytes, OnlyMember(zip)), "hello");
}

TEST(ZipReader, BytesBetweenTheDirectoryAndItsEndAreIgnored) {
  ForgedZip zip;
  zip.Add({.name = "a", .data = "hello"}).FinishDirectory();
  const uint64_t directory_bytes = zip.end_at - zip.directory_at;
  zip.bytes += "between";
  zip.Finish();
  zip.Set<4>(zip.end_at + kEndDirectoryBytesAt, directory_bytes);
  EXPECT_EQ(DataOf(zip.bytes, OnlyMember(zip)), "hello");
}

TEST(ZipReader, RefusesACountThatTheDirectoryHasNoRoomFor) {
  ForgedZip zip = OneMember();
  zip.Set<4>(zip.end_at + 8, 3U << 16U | 3U);
  EXPECT_NE(List(zip.bytes).error, "");
}

TEST(ZipReader, RefusesADirectoryThatBeginsBehindItsPlace) {
  ForgedZip zip = OneMember();
  zip.bytes = zip.bytes.substr(10);
  EXPECT_NE(List(zip.bytes).error, "");
}

TEST(ZipReader, RefusesAnEndRecordThatZip64Contradicts) {
  ForgedZip zip;
  zip.Add({.name = "a", .data = "hello"}).FinishZip64();
  zip.Set<2>(zip.end_at + 10, 2);
  EXPECT_NE(List(zip.bytes).error, "");
}

TEST(ZipReader, RefusesSizesThatOverflow) {
  for (const uint64_t lie : {UINT64_MAX, UINT64_MAX - 55, uint64_t{1} << 63}) {
    for (const size_t field_at : {8, 16, 40, 48}) {  // of the record; 8 is in the locator
      ForgedZip zip;
      zip.Add({.name = "a", .data = "hello"}).FinishZip64();
      zip.Set<8>(field_at == 8 ? zip.end_at - 20 + 8 : zip.end_at - 76 + field_at, lie);
      const Listing listing = List(zip.bytes);
      // The record right before the locator is found too where only the locator lies.
      EXPECT_EQ(listing.error.empty(), field_at == 8) << field_at;
    }
  }
}

TEST(ZipReader, RefusesPartsOfASplitArchive) {
  ForgedZip zip = OneMember();
  zip.Set<2>(zip.end_at + kEndDiskAt, 1);
  EXPECT_NE(List(zip.bytes).error.find("zip -s 0"), std::string::npos);
  zip = OneMember();
  zip.Set<2>(zip.central_at[0] + kEntryDiskAt, 1);
  ExpectRefused(zip, "disk 2");
}

// ---- The central directory ------------------------------------------------------------------------------------------

ForgedZip Several(size_t count) {
  ForgedZip zip;
  for (size_t i = 0; i < count; ++i) zip.Add({.name = fmt::format("m{}", i), .data = Noise(i % 50, i)});
  zip.Finish();
  return zip;
}

TEST(ZipReader, ABrokenEntryEndsTheArchiveWithAFault) {
  ForgedZip zip = Several(10);
  zip.Set<4>(zip.central_at[4], 0);
  const Listing listing = List(zip.bytes);
  EXPECT_EQ(listing.Paths(), (std::vector<std::string>{"m0", "m1", "m2", "m3"}));
  ASSERT_EQ(listing.faults.size(), 1U);
  EXPECT_EQ(listing.faults[0].path, "");
  EXPECT_NE(listing.faults[0].reason.find(fmt::format("byte {}", zip.central_at[4])), std::string::npos);
}

TEST(ZipReader, AnEntryThatReachesBehindTheDirectoryEndsTheArchiveWithAFault) {
  ForgedZip zip = Several(3);
  zip.Set<2>(zip.central_at[2] + 30, 60'000);  // extra bytes
  const Listing listing = List(zip.bytes);
  EXPECT_EQ(listing.Paths(), (std::vector<std::string>{"m0", "m1"}));
  ASSERT_EQ(listing.faults.size(), 1U);
  EXPECT_NE(listing.faults[0].reason.find(fmt::format("byte {}", zip.central_at[2])), std::string::npos);
}

TEST(ZipReader, ACountThatIsNotThatOfTheEndRecordIsTold) {
  ForgedZip zip = Several(3);
  zip.Set<4>(zip.end_at + 8, 2U << 16U | 2U);
  const Listing listing = List(zip.bytes);
  EXPECT_EQ(listing.members.size(), 3U);
  ASSERT_EQ(listing.faults.size(), 1U);
  EXPECT_NE(listing.faults[0].reason.find("3 members, and its end record says 2"), std::string::npos);
}

TEST(ZipReader, ADigitalSignatureEndsTheDirectory) {
  ForgedZip zip;
  zip.Add({.name = "a", .data = "hello"}).FinishDirectory();
  zip.bytes += Uint<4>(kZipSumsSignature) + Uint<2>(3) + "sig";
  zip.end_at = zip.bytes.size();
  zip.Finish();
  OnlyMember(zip);
}

TEST(ZipReader, EntriesAreGivenInTheirOrderAndNotThatOfTheData) {
  ForgedZip zip = Several(300);
  // Every second entry changes its place with the one that mirrors it.
  std::vector<std::string> entries;
  for (size_t i = 0; i < 300; ++i) {
    const size_t end = i + 1 < 300 ? zip.central_at[i + 1] : zip.end_at;
    entries.push_back(zip.bytes.substr(zip.central_at[i], end - zip.central_at[i]));
  }
  for (size_t i = 0; i < 150; i += 2) std::swap(entries[i], entries[299 - i]);
  std::string directory;
  for (const std::string& entry : entries) directory += entry;
  zip.bytes.replace(zip.directory_at, directory.size(), directory);
  const Listing listing = List(zip.bytes);
  EXPECT_TRUE(listing.faults.empty());
  ASSERT_EQ(listing.members.size(), 300U);
  EXPECT_EQ(listing.members[0].path, "m299");
  EXPECT_EQ(listing.members[1].path, "m1");
  for (const Member& member : listing.members) {
    const size_t number = std::stoul(member.path.substr(1));
    EXPECT_EQ(DataOf(zip.bytes, member), Noise(number % 50, number));
  }
}

TEST(ZipReader, EntriesOfOnePathAreAllGiven) {
  ForgedZip zip;
  zip.Add({.name = "a", .data = "old"}).Add({.name = "a", .data = "new"}).Finish();
  const Listing listing = List(zip.bytes);
  ASSERT_EQ(listing.members.size(), 2U);
  EXPECT_EQ(DataOf(zip.bytes, listing.members[1]), "new");
}

// Names, extra fields and comments as long as they can be, so that entries do not end with the pieces in memory.
TEST(ZipReader, TheLongestRecordsAreRead) {
  ForgedZip zip;
  const std::string padding = ExtraField(0x9999, std::string(65'531, 'p'));
  for (size_t i = 0; i < 10; ++i)
    zip.Add({.name = std::string(65'535, static_cast<char>('a' + i)),
             .data = Noise(100 * i, i),
             .extra = padding,
             .local_extra = padding});
  zip.Finish();
  const Listing listing = List(zip.bytes);
  EXPECT_TRUE(listing.faults.empty());
  ASSERT_EQ(listing.members.size(), 10U);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(DataOf(zip.bytes, listing.members[i]), Noise(100 * i, i));
}

TEST(ZipReader, LargeMembersBetweenSmallOnesAreRead) {
  ForgedZip zip;
  for (size_t i = 0; i < 40; ++i)
    zip.Add({.name = fmt::format("m{}", i), .data = Noise(i % 4 == 3 ? 300'000 : i % 4 == 2 ? 60'000 : 10, i)});
  zip.Finish();
  const Listing listing = List(zip.bytes);
  EXPECT_TRUE(listing.faults.empty());
  ASSERT_EQ(listing.members.size(), 40U);
  for (size_t i = 0; i < 40; ++i) {
    const size_t bytes = i % 4 == 3 ? 300'000 : i % 4 == 2 ? 60'000 : 10;
    EXPECT_TRUE(DataOf(zip.bytes, listing.members[i]) == Noise(bytes, i)) << i;
  }
}

TEST(ZipReader, AllocatesNothingForAMember) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer allocates by itself";
  const ForgedZip zip = Several(1000);
  const File file(memfd_create("archive", MFD_CLOEXEC));
  OkOrDie(file.WriteAll(0, AsBytes(zip.bytes)));
  const auto reader = ValueOrDie(ZipReader::Open(file, zip.bytes.size(), [](auto, auto) { FAIL(); }));
  Member member;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ValueOrDie(reader->Next(member)));
  const AllocationCounter counter;
  size_t members = 10;
  while (ValueOrDie(reader->Next(member))) ++members;
  EXPECT_EQ(counter.count(), 0U);
  EXPECT_EQ(members, 1000U);
}

TEST(ZipReader, AnArchiveThatBecameShorterIsAFault) {
  const ForgedZip zip = Several(20'000);
  const File file(memfd_create("archive", MFD_CLOEXEC));
  OkOrDie(file.WriteAll(0, AsBytes(zip.bytes)));
  std::vector<std::string> reasons;
  const auto reader = ValueOrDie(ZipReader::Open(
      file, zip.bytes.size(), [&](std::string_view, std::string_view reason) { reasons.emplace_back(reason); }));
  ASSERT_EQ(ftruncate(file.fd(), static_cast<off_t>(zip.directory_at)), 0);
  Member member;
  EXPECT_FALSE(ValueOrDie(reader->Next(member)));
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_NE(reasons[0].find("central directory"), std::string::npos);
  EXPECT_FALSE(ValueOrDie(reader->Next(member)));
  EXPECT_EQ(reasons.size(), 1U) << "told once";
}

// ---- Zip64 fields ---------------------------------------------------------------------------------------------------

TEST(ZipReader, TheZip64FieldHasOnlyWhatTheEntryLeavesToIt) {
  ForgedZip zip;
  zip.Add({.name = "first", .data = "1"});
  // Of the sizes and the offset only the offset, and then the disk.
  zip.Add({.name = "a", .data = "hello", .extra = ExtraField(1, Uint<8>(zip.bytes.size()) + Uint<4>(0))});
  zip.FinishDirectory();
  zip.Set<4>(zip.central_at[1] + kEntryOffsetAt, 0xFFFFFFFF).Set<2>(zip.central_at[1] + kEntryDiskAt, 0xFFFF);
  zip.FinishZip64();
  const Listing listing = List(zip.bytes);
  EXPECT_TRUE(listing.faults.empty());
  ASSERT_EQ(listing.members.size(), 2U);
  EXPECT_EQ(DataOf(zip.bytes, listing.members[1]), "hello");
}

TEST(ZipReader, RefusesAZip64FieldThatIsTooShort) {
  ForgedZip zip = OneMember({.name = "a", .data = "hello", .extra = ExtraField(1, Uint<8>(5))});
  zip.Set<4>(zip.central_at[0] + kEntrySizeAt, 0xFFFFFFFF).Set<4>(zip.central_at[0] + kEntryStoredAt, 0xFFFFFFFF);
  ExpectRefused(zip, "zip64 field");
}

TEST(ZipReader, TheZip64FieldOfTheLocalHeaderIsCompared) {
  ForgedZip zip = OneMember({.name = "a", .data = "hello", .local_extra = ExtraField(1, Uint<8>(5) + Uint<8>(5))});
  zip.Set<4>(kLocalSizeAt, 0xFFFFFFFF).Set<4>(kLocalStoredAt, 0xFFFFFFFF);
  EXPECT_EQ(DataOf(zip.bytes, OnlyMember(zip)), "hello");
  zip.Set<8>(kZipLocalBytes + 1 + 4, 6);
  ExpectRefused(zip, "size of 6 bytes");
}

// ---- Names ----------------------------------------------------------------------------------------------------------

std::string PathOf(const ForgedZipMember& member) { return OnlyMember(OneMember(member)).path; }

TEST(ZipReader, NamesMarkedAsUtf8AreKept) {
  EXPECT_EQ(PathOf({.name = "gr\xC3\xBCn", .host = kZipHostFat, .flags = kZipNameIsUtf8}), "grün");
}

TEST(ZipReader, NamesOfUnixThatAreUtf8AreKept) { EXPECT_EQ(PathOf({.name = "gr\xC3\xBCn"}), "grün"); }

TEST(ZipReader, OtherNamesAreOfCodePage437) {
  EXPECT_EQ(PathOf({.name = "gr\x81n"}), "grün");
  EXPECT_EQ(PathOf({.name = "\xDB\xE1", .host = kZipHostFat}), "█ß");
  EXPECT_EQ(PathOf({.name = "gr\xC3\xBCn", .host = kZipHostFat}), "gr├╝n") << "UTF-8 by chance";
}

TEST(ZipReader, CodePage437IsThatOfUnicode) {
  std::string upper;
  for (int byte = 0x80; byte < 0x100; ++byte) upper += static_cast<char>(byte);
  std::string utf8;
  AppendCp437(upper, utf8);
  EXPECT_EQ(utf8,
            "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτ"
            "ΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0");
}

std::string UnicodePath(uint8_t version, std::string_view name, std::string_view path) {
  return ExtraField(0x7075, Uint<1>(version) + Uint<4>(Crc32(AsBytes(name))) + std::string(path));
}

TEST(ZipReader, TheUnicodePathFieldReplacesTheName) {
  EXPECT_EQ(PathOf({.name = "a", .extra = UnicodePath(1, "a", "ä")}), "ä");
}

TEST(ZipReader, AUnicodePathFieldOfAnotherNameIsIgnored) {
  EXPECT_EQ(PathOf({.name = "a", .extra = UnicodePath(1, "b", "ä")}), "a");
  EXPECT_EQ(PathOf({.name = "a", .extra = UnicodePath(2, "a", "ä")}), "a");
  EXPECT_EQ(PathOf({.name = "a", .extra = ExtraField(0x7075, "\1")}), "a");
}

TEST(ZipReader, BackslashesAreSlashesOfDosAndWindowsOnly) {
  for (const uint8_t host : {kZipHostFat, kZipHostHpfs, kZipHostNtfs, kZipHostVfat})
    EXPECT_EQ(PathOf({.name = "a\\b", .host = host}), "a/b");
  EXPECT_EQ(PathOf({.name = "a\\b"}), "a\\b");
}

// ---- Kinds, modes, owners, times ------------------------------------------------------------------------------------

MemberKind KindOf(const ForgedZipMember& member) { return OnlyMember(OneMember(member)).kind; }

TEST(ZipReader, DirectoriesAreKnownBySlashModeOrDosAttribute) {
  EXPECT_EQ(KindOf({.name = "d/"}), MemberKind::kDirectory);
  EXPECT_EQ(KindOf({.name = "d\\", .host = kZipHostFat, .attributes = 0}), MemberKind::kDirectory);
  EXPECT_EQ(KindOf({.name = "d", .attributes = 0040755U << 16U}), MemberKind::kDirectory);
  EXPECT_EQ(KindOf({.name = "d", .host = kZipHostFat, .attributes = 0x10}), MemberKind::kDirectory);
  EXPECT_EQ(KindOf({.name = "f", .attributes = 0100644U << 16U | 0x10}), MemberKind::kFile) << "the mode goes first";
}

TEST(ZipReader, RefusesADirectoryWithData) {
  ExpectRefused(OneMember({.name = "a", .data = "x", .attributes = 0040755U << 16U}), "directory with 1 bytes");
}

TEST(ZipReader, ModesAreThoseOfUnixHosts) {
  for (const uint8_t host : {kZipHostUnix, kZipHostDarwin})
    EXPECT_EQ(OnlyMember(OneMember({.name = "a", .host = host, .attributes = 0104750U << 16U})).mode, 04750U);
  const auto mode = [](std::string name, uint8_t host, uint32_t attributes) {
    return OnlyMember(OneMember({.name = std::move(name), .host = host, .attributes = attributes})).mode;
  };
  EXPECT_EQ(mode("a", kZipHostFat, 0100777U << 16U), 0644U);
  EXPECT_EQ(mode("a", kZipHostFat, 1), 0444U);
  EXPECT_EQ(mode("a/", kZipHostFat, 0), 0755U);
  EXPECT_EQ(mode("a/", kZipHostFat, 1), 0555U);
  EXPECT_EQ(mode("a", kZipHostUnix, 0), 0644U) << "no mode was told";
}

TEST(ZipReader, ASymlinkHasItsTarget) {
  const Member member = OnlyMember(OneMember({.name = "a", .data = "b/c", .attributes = 0120777U << 16U}));
  EXPECT_EQ(member.kind, MemberKind::kSymlink);
  EXPECT_EQ(member.target, "b/c");
  EXPECT_EQ(member.size_bytes, 0U);
  EXPECT_TRUE(member.runs.empty());
}

TEST(ZipReader, RefusesSymlinksWithoutAGoodTarget) {
  const uint32_t symlink = 0120777U << 16U;
  ExpectRefused(OneMember({.name = "a", .data = "", .attributes = symlink}), "target of 0 bytes");
  ExpectRefused(OneMember({.name = "a", .data = std::string(4096, 't'), .attributes = symlink}), "target of 4096");
  ExpectRefused(OneMember({.name = "a", .data = std::string(2, '\0'), .attributes = symlink}), "zero byte");
  ExpectRefused(OneMember({.name = "a", .data = "xx", .method = kZipDeflated, .attributes = symlink}), "is damaged");
  ForgedZip zip = OneMember({.name = "a", .data = "b/c", .attributes = symlink});
  zip.bytes[zip.directory_at - 1] ^= 1;
  ExpectRefused(zip, "does not have its sum");
  EXPECT_EQ(OnlyMember(OneMember({.name = "a", .data = std::string(4095, 't'), .attributes = symlink})).target.size(),
            4095U);
}

TEST(ZipReader, RefusesWhatIsNoFileDirectoryOrSymlink) {
  ExpectRefused(OneMember({.name = "a", .attributes = 0020600U << 16U}), "a device");
  ExpectRefused(OneMember({.name = "a", .attributes = 0060600U << 16U}), "a device");
  ExpectRefused(OneMember({.name = "a", .attributes = 0010600U << 16U}), "a FIFO");
  ExpectRefused(OneMember({.name = "a", .attributes = 0140600U << 16U}), "a socket");
  ExpectRefused(OneMember({.name = "a", .attributes = 0170600U << 16U}), "unknown type");
}

timespec TimeOf(const std::string& extra, uint16_t dos_date = 21U << 9U | 2U << 5U | 3U) {
  return DecodeMtime(OnlyMember(OneMember({.name = "a", .dos_date = dos_date, .extra = extra})).mtime);
}

TEST(ZipReader, TimesAreThoseOfTheExtraFields) {
  const std::string timestamp = ExtraField(0x5455, Uint<1>(1) + Uint<4>(1'000'000'000));
  const std::string unix1 = ExtraField(0x5855, Uint<4>(5) + Uint<4>(1'000'000'001));
  const uint64_t ticks = (uint64_t{1'000'000'002} + 11'644'473'600) * 10'000'000 + 1;
  const std::string ntfs = ExtraField(0x000A, Uint<4>(0) + Uint<2>(7) + Uint<2>(1) + "x" + Uint<2>(1) + Uint<2>(24) +
                                                  Uint<8>(ticks) + Uint<8>(0) + Uint<8>(0));
  EXPECT_EQ(TimeOf(timestamp).tv_sec, 1'000'000'000);
  EXPECT_EQ(TimeOf(unix1).tv_sec, 1'000'000'001);
  EXPECT_EQ(TimeOf(ntfs).tv_sec, 1'000'000'002);
  EXPECT_EQ(TimeOf(ntfs).tv_nsec, 100);
  EXPECT_EQ(TimeOf(ntfs + unix1).tv_sec, 1'000'000'001);
  EXPECT_EQ(TimeOf(ntfs + unix1 + timestamp).tv_sec, 1'000'000'000);
  EXPECT_EQ(TimeOf(ExtraField(0x5455, Uint<1>(1) + Uint<4>(0xFFFFFFFF))).tv_sec, -1);
}

TEST(ZipReader, FieldsWithoutATimeLeaveItToDosTime) {
  const int64_t dos = 981'173'106;  // 2001-02-03T04:05:06Z
  for (const std::string& extra :
       {std::string(), ExtraField(0x5455, Uint<1>(2) + Uint<4>(7)), ExtraField(0x5455, ""), ExtraField(0x5855, "1234"),
        ExtraField(0x000A, Uint<4>(0) + Uint<2>(1) + Uint<2>(24) + "short"),
        ExtraField(0x000A, Uint<4>(0) + Uint<2>(1) + Uint<2>(8) + Uint<8>(0)), std::string("\x55\x54\x05\0\1", 5)})
    EXPECT_EQ(TimeOf(extra).tv_sec, dos);
}

TEST(ZipReader, WhatIsNoDateIsTheNearestBefore) {
  EXPECT_EQ(TimeOf("", 0).tv_sec, 315'532'800 + 4 * 3600 + 5 * 60 + 6) << "1980-01-01";
  EXPECT_EQ(TimeOf("", 21U << 9U | 2U << 5U | 31U).tv_sec, 981'173'106 + 25 * 86'400) << "2001-02-28";
  EXPECT_EQ(DecodeDosTime(0xFFFF, 0xFFFF).tv_sec, 4'354'819'199) << "2107-12-31T23:59:59Z";
}

TEST(ZipReader, OwnersAreThoseOfTheNewFieldElseOfTheOldOnes) {
  const std::string unix_n = ExtraField(0x7875, "\1\4" + Uint<4>(100'000) + "\4" + Uint<4>(100'001));
  const std::string unix2 = ExtraField(0x7855, Uint<2>(7) + Uint<2>(8));
  const std::string unix1 = ExtraField(0x5855, Uint<8>(0) + Uint<2>(9) + Uint<2>(10));
  const auto owners = [](const std::string& extra, const std::string& local_extra) {
    const Member member = OnlyMember(OneMember({.name = "a", .extra = extra, .local_extra = local_extra}));
    return std::pair(member.uid, member.gid);
  };
  EXPECT_EQ(owners(unix_n, unix2), std::pair(100'000U, 100'001U));
  EXPECT_EQ(owners(ExtraField(0x7855, ""), unix2), std::pair(7U, 8U));
  EXPECT_EQ(owners("", unix1), std::pair(9U, 10U));
  EXPECT_EQ(owners("", unix1 + unix_n), std::pair(100'000U, 100'001U));
  EXPECT_EQ(owners(ExtraField(0x7875, "\1\5" + Uint<5>(uint64_t{1} << 32U) + "\1x"), ""), std::pair(0U, 0U));
  EXPECT_EQ(owners(ExtraField(0x7875, "\1\4" + Uint<2>(7)), ""), std::pair(0U, 0U));
}

// ---- What is refused ------------------------------------------------------------------------------------------------

TEST(ZipReader, RefusesEncryptedMembersWithARemedy) {
  for (const uint16_t flag : {kZipEncrypted, kZipStronglyEncrypted, kZipHeaderIsMasked})
    ExpectRefused(OneMember({.name = "a", .data = "hello", .flags = flag}), "encrypted: unpack");
  ExpectRefused(OneMember({.name = "a", .data = "hello", .method = kZipAes}), "encrypted: unpack");
}

TEST(ZipReader, RefusesOtherMethodsByName) {
  const std::map<uint16_t, std::string> names = {{1, "shrink"}, {6, "implode"}, {9, "deflate64"},
                                                 {12, "bzip2"}, {14, "lzma"},   {93, "zstd"},
                                                 {95, "xz"},    {98, "PPMd"},   {77, "unknown"}};
  for (const auto& [method, name] : names)
    ExpectRefused(OneMember({.name = "a", .data = "hello", .method = method}), fmt::format("{} ({})", method, name));
  ExpectRefused(OneMember({.name = "a", .data = "hello", .flags = kZipPatched}), "patch");
}

TEST(ZipReader, ADeflatedMemberHasOneRunOfItsStream) {
  const ForgedZip zip =
      OneMember({.name = "a", .data = "\x4B\x4C\x44\x05", .method = kZipDeflated, .size_bytes = 4000});
  const Member member = OnlyMember(zip);
  EXPECT_EQ(member.codec, Codec::kDeflate);
  EXPECT_EQ(member.size_bytes, 4000U);
  ASSERT_EQ(member.runs.size(), 1U);
  EXPECT_EQ(member.runs[0].file_offset, 0U);
  EXPECT_EQ(DataOf(zip.bytes, member), "\x4B\x4C\x44\x05");
}

TEST(ZipReader, ADeflatedMemberOfNoBytesIsAnEmptyFile) {
  const Member member =
      OnlyMember(OneMember({.name = "a", .data = std::string("\3\0", 2), .method = kZipDeflated, .size_bytes = 0}));
  EXPECT_EQ(member.codec, Codec::kStored);
  EXPECT_TRUE(member.runs.empty());
}

TEST(ZipReader, RefusesMoreThanDeflateCanMake) {
  const std::string data(10, 'd');
  EXPECT_EQ(OnlyMember(OneMember({.name = "a", .data = data, .method = kZipDeflated, .size_bytes = 10'320})).size_bytes,
            10'320U);
  ExpectRefused(OneMember({.name = "a", .data = data, .method = kZipDeflated, .size_bytes = 10'321}),
                "more than deflate can do");
  ExpectRefused(OneMember({.name = "a", .data = "", .method = kZipDeflated, .size_bytes = 1}),
                "more than deflate can do");
}

TEST(ZipReader, RefusesAStoredMemberOfTwoSizes) {
  ExpectRefused(OneMember({.name = "a", .data = "hello", .size_bytes = 4}), "has 4 bytes in 5");
}

TEST(ZipReader, RefusesALocalHeaderThatSaysOtherwise) {
  const auto with = [](auto bytes, size_t at, uint64_t value) {
    ForgedZip zip = OneMember();
    zip.Set<decltype(bytes)::value>(at, value);
    return zip;
  };
  const std::integral_constant<size_t, 1> one;
  const std::integral_constant<size_t, 2> two;
  const std::integral_constant<size_t, 4> four;
  ExpectRefused(with(four, 0, 0), "no local header at 0");
  ExpectRefused(with(one, kZipLocalBytes, 'b'), "another name");
  ExpectRefused(with(two, kLocalMethodAt, 8), "method 8");
  ExpectRefused(with(two, kLocalFlagsAt, kZipEncrypted), "encrypted");
  ExpectRefused(with(four, kLocalSumAt, 1), "the sum 00000001");
  ExpectRefused(with(four, kLocalStoredAt, 4), "4 stored bytes");
  ExpectRefused(with(four, kLocalSizeAt, 4), "a size of 4 bytes");
  ExpectRefused(with(four, kLocalSizeAt, 0xFFFFFFFF), "zip64 field of its local header");
  ExpectRefused(with(two, kLocalExtraBytesAt, 1), "into the central directory");
}

TEST(ZipReader, WhatStandsBehindTheDataIsNotComparedInTheHeader) {
  ForgedZip zip = OneMember({.name = "a", .data = "hello", .flags = kZipHasDescriptor});
  zip.Set<4>(kLocalSumAt, 0).Set<4>(kLocalStoredAt, 0).Set<4>(kLocalSizeAt, 0);
  EXPECT_EQ(DataOf(zip.bytes, OnlyMember(zip)), "hello");
}

TEST(ZipReader, RefusesDataOutsideOfTheArchive) {
  ForgedZip zip = OneMember();
  zip.Set<4>(zip.central_at[0] + kEntryOffsetAt, zip.directory_at);
  ExpectRefused(zip, "would not lie before the central directory");
  zip.Set<4>(zip.central_at[0] + kEntryOffsetAt, 0xFFFFFFFE);
  ExpectRefused(zip, "would not lie before the central directory");
  for (const uint64_t size : {uint64_t{6}, uint64_t{1} << 62U}) {
    zip = OneMember({.name = "a", .data = "hello", .extra = ExtraField(1, Uint<8>(size) + Uint<8>(size))});
    zip.Set<4>(zip.central_at[0] + kEntryStoredAt, 0xFFFFFFFF).Set<4>(zip.central_at[0] + kEntrySizeAt, 0xFFFFFFFF);
    ExpectRefused(zip, "into the central directory");
  }
}

TEST(ZipReader, RefusesSizesThatNoFileCanHave) {
  ForgedZip zip = OneMember({.name = "a", .data = "hello", .extra = ExtraField(1, Uint<8>(UINT64_MAX))});
  zip.Set<4>(zip.central_at[0] + kEntrySizeAt, 0xFFFFFFFF);
  ExpectRefused(zip, "more than a file can have");
}

// As in zip bombs of David Fifield: each member holds the headers of all that follow.
TEST(ZipReader, OfMembersThatOverlapOnlyTheLastIsServed) {
  ForgedZip inner;
  inner.Add({.name = "c", .data = "kernel"});
  ForgedZip middle;
  middle.Add({.name = "b", .data = inner.bytes});
  ForgedZip zip;
  zip.Add({.name = "a", .data = middle.bytes});
  const size_t b_at = zip.bytes.size() - middle.bytes.size();
  const size_t c_at = zip.bytes.size() - inner.bytes.size();
  const size_t end = zip.bytes.size();
  for (const bool is_reversed : {false, true}) {
    ForgedZip whole;
    std::vector<ForgedZipMember> members = {
        {.name = "a", .data = middle.bytes}, {.name = "b", .data = inner.bytes}, {.name = "c", .data = "kernel"}};
    std::vector<size_t> offsets = {0, b_at, c_at};
    if (is_reversed) std::ranges::reverse(members), std::ranges::reverse(offsets);
    for (const ForgedZipMember& member : members) whole.Add(member);
    whole.bytes = zip.bytes.substr(0, end);
    whole.local_at = offsets;
    whole.Finish();
    const Listing listing = List(whole.bytes);
    EXPECT_EQ(listing.Paths(), std::vector<std::string>{"c"});
    ASSERT_EQ(listing.faults.size(), 2U);
    for (const Fault& fault : listing.faults) EXPECT_NE(fault.reason.find("overlaps"), std::string::npos);
  }
}

TEST(ZipReader, MembersThatShareALocalHeaderAreRefused) {
  for (const size_t apart : {0, 1}) {
    ForgedZip zip;
    zip.Add({.name = "a", .data = "hello"});
    if (apart == 1) zip.Add({.name = "b", .data = "other"});
    zip.Add({.name = "a", .data = "hello"});
    zip.local_at.back() = 0;
    zip.Finish();
    const Listing listing = List(zip.bytes);
    EXPECT_EQ(listing.members.size(), apart);
    ASSERT_EQ(listing.faults.size(), 2U);
    EXPECT_NE(listing.faults[1].reason.find("same local header"), std::string::npos);
  }
}

TEST(ZipReader, EveryOneBitFlipIsServedInTheArchiveOrRefused) {
  ForgedZip zip;
  zip.Add({.name = "a", .data = "hello", .extra = ExtraField(0x5455, Uint<1>(1) + Uint<4>(1))})
      .Add({.name = "l", .data = "a", .attributes = 0120777U << 16U})
      .Add({.name = "z", .data = "\x4B\x4C\x44\x05", .method = kZipDeflated, .size_bytes = 4000})
      .FinishZip64();
  for (size_t bit = 0; bit < zip.bytes.size() * 8; ++bit) {
    std::string bytes = zip.bytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    uint64_t end = 0;
    for (const Member& member : List(bytes).members) {
      for (const MemberRun& run : member.runs) {
        ASSERT_GE(run.offset, end) << bit;
        end = run.offset + run.length_bytes;
        ASSERT_LE(end, zip.directory_at) << bit;
      }
    }
  }
}

}  // namespace
}  // namespace quire
