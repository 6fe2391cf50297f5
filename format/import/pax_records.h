// SPDX-License-Identifier: Apache-2.0
// The records of a pax header, decoded from untrusted bytes: "LENGTH KEY=VALUE\n", as POSIX.1-2017 has them under pax,
// and those that GNU tar, star and libarchive have added for sparse files and extended attributes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/import/archive.h"
#include "format/result.h"

namespace quire {

// Paths, times and what programs keep in extended attributes take some KiB; so does a map of a sparse file, and a long
// one stands in the data (pax sparse 1.0). A header is held in memory whole, hence a limit.
inline constexpr uint64_t kMaxPaxBytes = 1 << 20;
// Twice what a system call takes: a path that a mount could show, and as many bytes again of "./" and "//" in it.
inline constexpr size_t kMaxTarPathBytes = 8192;

// What a global header says of all members behind it, and a local one of the next. Texts point into the header.
struct PaxValues {
  std::optional<std::string_view> path;
  std::optional<std::string_view> link_target;
  std::optional<uint64_t> size_bytes;
  std::optional<timespec> mtime;
  std::optional<int64_t> uid;
  std::optional<int64_t> gid;
};

struct PaxXattr {
  std::string name;
  std::string value;
  bool is_schily = false;  // and not of libarchive's own form
  size_t number = 0;       // in the order of the header
};

struct PaxRecords {
  PaxValues values;

  // Of a sparse file, which has a size.
  std::optional<std::string_view> sparse_name;
  std::optional<uint64_t> sparse_size;  // of the whole file
  uint64_t sparse_major = 0;            // from 1 on, the map stands at the start of the data
  uint64_t sparse_minor = 0;
  bool has_sparse_map = false;
  std::vector<MemberRun> sparse_map;  // without their places in the archive

  // Those of user.* that Linux could keep: others are left out. A name may stand here more than once.
  std::vector<PaxXattr> xattrs;

  // Memory is kept for the next header. The values become `inherited`.
  void Reset(const PaxValues& inherited);
};

// Adds what `bytes` says to `records`: a value takes the place of an earlier one, and an empty one takes it away. The
// error (kCorrupt) names the record at fault; what stood before it is in `records`. REQUIRES: `bytes` has at most
// kMaxPaxBytes, and outlives what is in `records`.
Result<void> DecodePaxRecords(std::string_view bytes, PaxRecords& records);

// Replaces `list` by the list of an index, sorted by name; see EncodeXattr. An attribute in both forms is taken from
// SCHILY.xattr, and one that is there twice in one form from the last. Sorts `xattrs`.
void EncodePaxXattrs(std::vector<PaxXattr>& xattrs, std::string& list);

// Decimal digits and nothing else, in 63 bits.
std::optional<uint64_t> DecodeDecimal(std::string_view text);

}  // namespace quire
