// SPDX-License-Identifier: Apache-2.0
// The blocks of a tar archive that is written: all that stands around the bytes of its members. The sources are
// POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header", and GNU tar's manual 1.35, "Basic Tar
// Format", "Storing Sparse Files" (pax form 1.0, old GNU form) and what GNU tar writes for `--xattrs`.
//
// A header is a plain one of ustar where all of a member fits. What does not stands in records before it, and the
// header has the number 0 or the beginning of the path in its place. Names are written as they are, whatever their
// bytes: without hdrcharset=BINARY, as GNU tar does, since readers take a record that is no UTF-8 as bytes. There are
// no names of users and groups. Nothing depends on the machine, the time or the process: equal members are equal bytes.
//
// Functions of memory alone: any thread, nothing fails.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "format/import/archive.h"
#include "format/pack/index.h"

namespace quire {

// kGnu is for programs that know no pax: it has seconds only, and no extended attributes.
enum class TarFormat : uint8_t { kPax, kGnu };

// Bytes of a file that are no hole.
struct TarRange {
  uint64_t file_offset = 0;
  uint64_t length_bytes = 0;
  bool operator==(const TarRange&) const = default;
};

struct TarMember {
  MemberKind kind = MemberKind::kFile;
  std::string path;         // "." or "./a/b" or "a/b": without a '/' at its end
  std::string target = {};  // of a symlink; of a hard link the path of a member that stands before it
  uint32_t mode = 0;        // 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  timespec mtime = {};
  uint64_t size_bytes = 0;          // of a file
  std::vector<Xattr> xattrs = {};   // of no hard link, whose file has them
  bool is_sparse = false;           // then these are stored, and nothing else:
  std::vector<TarRange> data = {};  // in order; all begin and end at whole blocks, but for the end of the file
};

// Bytes of `member` that follow its header, without what fills up the last block.
uint64_t TarDataBytes(const TarMember& member);

// Appends all that stands before these. REQUIRES: path and target have no NUL and are not empty where they count.
void AppendTarHeader(const TarMember& member, TarFormat format, std::string& archive);

// How many zeros fill up the last block of `data_bytes`.
uint64_t TarPaddingBytes(uint64_t data_bytes);

// How many zeros end an archive of `archive_bytes`: two blocks of them, and what fills up the last record, which has 20
// blocks by default.
uint64_t TarEndBytes(uint64_t archive_bytes);

}  // namespace quire
