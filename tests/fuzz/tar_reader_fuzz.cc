// SPDX-License-Identifier: Apache-2.0
// Goal: whatever an archive says, each member that is told has its bytes inside of it, in order and to itself, and the
// reader comes to an end. An input is an archive.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "format/coding.h"
#include "format/import/sparse_map.h"
#include "format/import/tar_reader.h"
#include "format/pack/geometry.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

const File& FileOf(std::span<const std::byte> input) {
  static const File file(memfd_create("input", MFD_CLOEXEC));
  if (ftruncate(file.fd(), 0) != 0) DieOf({ErrorCode::kSystem, errno, "ftruncate of a file in memory"});
  OkOrDie(file.WriteAll(0, input));
  return file;
}

// Returns the end of the member's bytes in the archive. `begin`: of what no earlier member has.
uint64_t CheckRuns(const Member& member, uint64_t begin, uint64_t archive_bytes) {
  Require(member.runs.size() <= kMaxSparsePieces, "there is a limit on runs");
  Require(member.kind == MemberKind::kFile || (member.runs.empty() && member.size_bytes == 0), "only files have bytes");
  Require(member.size_bytes <= kMaxSampleBytes, "there is a limit on sizes");
  uint64_t file_end = 0;
  for (const MemberRun& run : member.runs) {
    Require(run.length_bytes > 0, "no run is empty");
    Require(run.file_offset >= file_end, "runs are in order and overlap nowhere");
    Require(run.file_offset <= member.size_bytes && run.length_bytes <= member.size_bytes - run.file_offset,
            "runs lie in the file");
    Require(run.offset <= archive_bytes && run.length_bytes <= archive_bytes - run.offset, "runs lie in the archive");
    Require(run.offset >= begin, "no two runs have the same bytes");
    file_end = run.file_offset + run.length_bytes;
    begin = run.offset + run.length_bytes;
  }
  return begin;
}

void CheckXattrs(std::string_view list) {
  Require(list.size() <= kMaxXattrListBytes, "there is a limit on lists of attributes");
  std::string_view last;
  while (!list.empty()) {
    Require(list.size() >= kXattrHeaderBytes, "entries are whole");
    const uint64_t name_bytes = LoadUint<1>(AsBytes(list), 0);
    const uint64_t value_bytes = LoadUint<4>(AsBytes(list), 1);
    Require(list.size() - kXattrHeaderBytes >= name_bytes + value_bytes && value_bytes <= 65'536, "values are whole");
    const std::string_view name = list.substr(kXattrHeaderBytes, name_bytes);
    Require(name.starts_with("user.") && name > last, "names are of users, and in order");
    last = name;
    list.remove_prefix(kXattrHeaderBytes + name_bytes + value_bytes);
  }
}

void Use(std::span<const std::byte> input) {
  // Each header gives one of both at most, and the end of the archive two.
  uint64_t left = input.size() / kTarBlockBytes + 2;
  const auto count_one = [&left] { Require(left-- > 0, "no more comes out than headers are in"); };
  auto reader = TarReader::Open(FileOf(input), input.size(), [&](std::string_view, std::string_view reason) {
    count_one();
    Require(!reason.empty(), "a fault says why");
  });
  if (!reader) {
    Require(reader.error().code == ErrorCode::kCorrupt || reader.error().code == ErrorCode::kUnsupported,
            "a refusal is of the bytes");
    return;
  }
  Member member;
  uint64_t data_end = 0;
  while (true) {
    const auto has_member = (*reader)->Next(member);
    Require(has_member.has_value(), "behind the first header nothing is refused");
    if (!*has_member) break;
    count_one();
    Require(member.path.size() <= kMaxTarPathBytes && member.target.size() <= kMaxTarPathBytes, "names have a limit");
    const bool is_link = member.kind == MemberKind::kSymlink || member.kind == MemberKind::kHardLink;
    Require(is_link != member.target.empty(), "links have a target, and nothing else");
    Require(member.mode <= 07777 && !member.crc32, "a header tells a mode and no sum");
    data_end = CheckRuns(member, data_end, input.size());
    CheckXattrs(member.xattrs);
  }
  Require(!(*reader)->Next(member).value_or(true), "the end stays the end");
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  quire::Use({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
