// SPDX-License-Identifier: Apache-2.0
// The central directory of a zip archive: where it is, and its entries one after the other. Section numbers are those
// of PKWARE's APPNOTE.TXT 6.3.10.
#pragma once

#include <cstdint>
#include <string>

#include "format/file.h"
#include "format/import/file_window.h"
#include "format/import/zip_records.h"
#include "format/result.h"

namespace quire {

struct ZipDirectory {
  uint64_t offset = 0;  // in the file
  uint64_t size_bytes = 0;
  uint64_t base = 0;           // where the archive begins in the file: all offsets in the archive count from here
  uint64_t entries = 0;        // as the end record says
  bool counts_modulo = false;  // without zip64, programs that have more than 65535 entries write the rest modulo 65536

  // Whether the directory may have `count` entries.
  [[nodiscard]] bool MayHave(uint64_t count) const {
    return counts_modulo ? static_cast<uint16_t>(count) == entries : count == entries;
  }
};

// Searches for the end record (4.3.16) from the end of the first `size_bytes` of `file` on, and takes the zip64 record
// (4.3.14) where there is one. Up to 65535 bytes of comment may follow the record, and so may its signature by chance:
// the record taken is the last that is consistent, which is to say that
//  - its comment ends with the file, or, where no such record is, within it: something else was put behind the archive,
//  - nothing lies on another disk,
//  - a central directory of its size ends where the record begins or before, and begins with an entry.
// Where bytes stand before the archive, as in one that extracts itself, offsets may count from the archive's begin.
// Errors: kCorrupt where there is no such record, kUnsupported for one part of a split archive, kSystem.
Result<ZipDirectory> FindZipDirectory(const File& file, uint64_t size_bytes);

// Goes through the entries, of which it keeps a piece in memory. Not thread-safe.
class ZipDirectoryWalk {
 public:
  // `file` outlives the walk.
  ZipDirectoryWalk(const File& file, const ZipDirectory& directory);

  // Puts the next entry into `entry`, whose views are valid until the next call. False behind the last one, and where
  // the directory is cut or broken, which fault() then tells. The error is kSystem.
  Result<bool> Next(ZipEntry& entry);

  // Empty where the directory has been whole so far.
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  Result<bool> Read(ZipEntry& entry);

  FileWindow window_;
  uint64_t at_;
  uint64_t end_;
  std::string fault_;
};

}  // namespace quire
