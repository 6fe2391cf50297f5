// SPDX-License-Identifier: Apache-2.0
// Goal: whatever a zip archive says, what is served of it lies in it, each byte once at most, and reading it ends. What
// is inflated of its members is as long as they say, from wherever it is read.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "format/import/zip_reader.h"
#include "format/pack/decoded_volume.h"
#include "format/pack/geometry.h"
#include "format/pack/inflate.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint64_t kMostInflatedBytes = 5 << 20;  // so that an execution takes milliseconds

void CheckMember(const Member& member, uint64_t archive_bytes, std::vector<MemberRun>& runs) {
  Require((member.mode & ~07777U) == 0, "a mode has the bits of access only");
  Require(member.kind != MemberKind::kHardLink && member.xattrs.empty(), "zip has no hard links and attributes");
  Require((member.kind == MemberKind::kSymlink) == !member.target.empty(), "symlinks have a target, and only they");
  Require(member.target.size() <= kMaxTargetBytes && !member.target.contains('\0'), "a target can be one");
  if (member.kind != MemberKind::kFile) {
    Require(member.runs.empty() && member.size_bytes == 0 && !member.crc32, "only files have data");
    return;
  }
  Require(member.crc32.has_value(), "a file has a sum");
  Require(member.runs.size() == (member.size_bytes == 0 ? 0 : 1), "a file of some bytes is one run");
  Require(!member.runs.empty() || member.codec == Codec::kStored, "a file of no bytes is stored");
  for (const MemberRun& run : member.runs) {
    Require(run.file_offset == 0 && run.length_bytes > 0, "a run is the whole file");
    Require(run.offset <= archive_bytes && run.length_bytes <= archive_bytes - run.offset, "a run lies in the archive");
    if (member.codec == Codec::kStored)
      Require(run.length_bytes == member.size_bytes, "a stored member has as many bytes as its run");
    else
      Require(!FaultOfDeflated(member.size_bytes, run.length_bytes), "deflate can make so many bytes");
    runs.push_back(run);
  }
}

// The bytes are the same from wherever they are read, or cannot be read from there on.
void Inflate(const File& file, const Member& member) {
  const MemberRun& run = member.runs.front();
  if (member.size_bytes > kMostInflatedBytes) return;
  LongMembers long_members;
  DecodedVolume volume(
      0, 0, 1,
      [&](uint64_t) -> Result<CodedMember> {
        return CodedMember{.size_bytes = member.size_bytes,
                           .stored_offset = run.offset,
                           .stored_bytes = run.length_bytes,
                           .sum = *member.crc32};
      },
      [&](uint64_t offset, std::span<std::byte> into) { return file.ReadExactly(offset, into); }, long_members);
  std::vector<std::byte> whole(member.size_bytes);
  const auto is_whole = volume.Read(0, whole).has_value();
  const uint64_t middle = member.size_bytes / 2;
  std::vector<std::byte> half(member.size_bytes - middle);
  const auto is_half_whole = volume.Read(middle, half).has_value();
  Require(is_whole == is_half_whole, "damage is found by whoever reads to the end");
  Require(!is_whole || std::ranges::equal(half, std::span(whole).subspan(middle)), "the same bytes");
}

void Use(const File& file, uint64_t archive_bytes) {
  uint64_t faults = 0;
  auto reader = ZipReader::Open(file, archive_bytes, [&](std::string_view, std::string_view reason) {
    Require(!reason.empty(), "a fault says why");
    ++faults;
  });
  if (!reader) {
    Require(reader.error().code != ErrorCode::kSystem && !reader.error().message.empty(), "a refusal says why");
    return;
  }
  // One fault may be that of the whole archive.
  const uint64_t most_entries = archive_bytes / kZipCentralBytes;
  uint64_t members = 0;
  std::vector<MemberRun> runs;
  Member member;
  while (ValueOrDie((*reader)->Next(member))) {
    ++members;
    Require(members + faults <= most_entries, "no more is told than there are entries");
    CheckMember(member, archive_bytes, runs);
    if (member.codec == Codec::kDeflate) Inflate(file, member);
  }
  Require(members + faults <= most_entries + 1, "no more is told than there are entries");
  const uint64_t faults_at_end = faults;
  Require(!ValueOrDie((*reader)->Next(member)) && faults == faults_at_end, "the end stays the end");
  std::ranges::sort(runs, {}, &MemberRun::offset);
  for (size_t i = 1; i < runs.size(); ++i)
    Require(runs[i - 1].offset + runs[i - 1].length_bytes <= runs[i].offset, "no byte is served twice");
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const quire::File file(memfd_create("input", MFD_CLOEXEC));
  quire::Require(ftruncate(file.fd(), 0) == 0, "a file in memory can be emptied");
  quire::OkOrDie(file.WriteAll(0, {reinterpret_cast<const std::byte*>(data), size}));
  quire::Use(file, size);
  return 0;
}
