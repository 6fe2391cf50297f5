// SPDX-License-Identifier: Apache-2.0
// How an archive is read: which of the readers takes it.
#pragma once

#include <cstdint>

#include "format/file.h"
#include "format/result.h"

namespace quire {

struct ArchiveForm {
  enum class Reader : uint8_t {
    kNone,     // it is no archive
    kInPlace,  // OpenArchive: its members lie in it as they are
    kMembers,  // LibarchiveReader
  };
  Reader reader = Reader::kNone;
  bool is_indexed = false;     // OpenArchive takes it as well, and serves members that are deflated
  bool is_compressed = false;  // as a whole: what the reader takes comes out of the compression

  [[nodiscard]] bool is_unpacked() const { return is_compressed || reader == Reader::kMembers; }
};

// kCorrupt for a file that is compressed and broken from its begin, or compressed and no archive; kUnsupported where
// only libarchive could tell and is not there; kSystem.
Result<ArchiveForm> FindArchiveForm(const File& file, uint64_t size_bytes);

}  // namespace quire
