// SPDX-License-Identifier: Apache-2.0
// Goal: whatever a .beton file says, what is served of it lies in its data, the lengths agree, and reading it ends.
#include <sys/mman.h>
#include <unistd.h>

#include "format/import/beton_reader.h"
#include "format/import/made_content.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

void CheckMember(const Member& member, uint64_t file_bytes) {
  Require(member.kind == MemberKind::kFile && member.codec == Codec::kStored, "all members are stored files");
  Require(member.mode == 0644 && member.target.empty() && member.xattrs.empty() && !member.crc32, "and plain ones");
  Require(!member.path.empty() && !member.path.contains('\0'), "a path is text");
  Require(member.content.size() <= MadeContent::kMaxPieceBytes, "what is made fits one extent");
  Require(member.runs.size() <= 1, "data is one run");
  uint64_t bytes = member.content.size();
  for (const MemberRun& run : member.runs) {
    Require(run.file_offset == bytes && run.length_bytes > 0, "data follows what is made");
    Require(run.offset >= kBetonHeaderBytes + kBetonFieldBytes, "data lies behind the tables");
    Require(run.offset <= file_bytes && run.length_bytes <= file_bytes - run.offset, "data lies in the file");
    bytes += run.length_bytes;
  }
  Require(bytes == member.size_bytes, "a file has no holes");
}

void Use(const File& file, uint64_t file_bytes) {
  uint64_t faults = 0;
  auto reader = BetonReader::Open(file, file_bytes, ValueOrDie(SampleTemplate::Parse(kDefaultSampleTemplate)),
                                  [&](std::string_view, std::string_view reason) {
                                    Require(!reason.empty(), "a fault says why");
                                    ++faults;
                                  });
  if (!reader) {
    Require(reader.error().code != ErrorCode::kSystem && !reader.error().message.empty(), "a refusal says why");
    return;
  }
  // The shortest value has 8 bytes in the metadata. Beside values, fields and both tables may be told.
  const uint64_t most = file_bytes / 8 + kMaxBetonFields + 2;
  uint64_t members = 0;
  Member member;
  while (ValueOrDie((*reader)->Next(member))) {
    Require(++members + faults <= most, "no more is told than there is metadata for");
    CheckMember(member, file_bytes);
  }
  Require(members + faults <= most, "no more is told than there is metadata for");
  const uint64_t faults_at_end = faults;
  Require(!ValueOrDie((*reader)->Next(member)) && faults == faults_at_end, "the end stays the end");
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
