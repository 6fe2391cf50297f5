// SPDX-License-Identifier: Apache-2.0
// What an importer reads of an archive: its members, and where in the archive their bytes lie. The importer of each
// kind of archive gives these, and member_tree.h makes a tree of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

enum class MemberKind : uint8_t { kFile, kDirectory, kSymlink, kHardLink };

// Bytes of a member that lie in the archive. What no run covers reads as zeros.
struct MemberRun {
  uint64_t file_offset = 0;  // in the member
  uint64_t offset = 0;       // in the archive
  uint64_t length_bytes = 0;
};

struct Member {
  MemberKind kind = MemberKind::kFile;
  // As the archive has it, with a leading '/' or './' too. Not checked: MemberTree says which paths may be.
  std::string path;
  std::string target;  // of a symlink; of a hard link the path of a member that stands before it
  uint32_t mode = 0;   // 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t mtime = 0;            // see EncodeMtime
  uint64_t size_bytes = 0;       // of a file, as a reader of it sees it: of a deflated one that of the inflated bytes
  Codec codec = Codec::kStored;  // kStored for all but files, and for files of no bytes
  // Bytes that a file has before those of the archive, and that the archive does not have as they are; stored files
  // only, and at most MadeContent::kMaxPieceBytes.
  std::string content;
  // Of a stored file: in the order of file_offset, none of no bytes, none overlapping another in the file, the content
  // or what is behind its end. Of a deflated file: exactly one, which holds the whole stream; its file_offset is 0, and
  // its length_bytes counts the compressed bytes, which may be more or fewer than size_bytes. Of a hard link: where
  // size_bytes is not 0, those that the file has from then on which it names, as the last one of a file brings them in
  // a cpio. Of others: none.
  std::vector<MemberRun> runs;
  std::string xattrs;             // an encoded list of those of user.*, sorted by name; see EncodeXattr
  std::optional<uint32_t> crc32;  // of all size_bytes of a file, as zip has it: of the inflated bytes
};

// Reads the members of one archive in its order. Not thread-safe.
class ArchiveReader {
 public:
  // Called for what cannot be served: a member that is not understood, or the rest of an archive that is cut or broken.
  // `path`: that of the member, or empty.
  using OnFault = std::function<void(std::string_view path, std::string_view reason)>;

  ArchiveReader() = default;
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;
  virtual ~ArchiveReader() = default;

  // Puts the next member into `member`, of which all fields are set; false behind the last one. Every run lies inside
  // the archive. After a fault that ends an archive early false is returned. An error is what ends the work: reading
  // failed (kSystem), or this is no such archive (kCorrupt, kUnsupported; at the first call only).
  virtual Result<bool> Next(Member& member) = 0;

  // What sums the archive itself has of its files: kCrc32 where each Member has one, or kNone.
  [[nodiscard]] virtual SumKind sum_kind() const { return SumKind::kNone; }
};

}  // namespace quire
