// SPDX-License-Identifier: Apache-2.0
// Reads the members of a zip archive, by PKWARE's APPNOTE.TXT 6.3.10 and Info-ZIP's extra fields; zip_records.h,
// zip_names.h and zip_directory.h name the sections. It is written by hand since libzip tells everything of a member
// but where in the archive its data lies (zip_stat_t has no offset), which is all that serving it in place needs.
//
// Of each member the central directory is believed, after the local header before its data was found to say the same:
// its signature, name, method and encryption, and its sum and sizes unless flag bit 3 puts them behind the data. What
// differs is refused, so that no two programs see two things in one archive.
//
// Served are stored members, with their runs, and deflated ones, as archive.h says. Told as faults and left out are:
// encrypted members, those of other methods, those on another disk, devices, FIFOs and sockets, members that declare
// more bytes than deflate can make of theirs (format/pack/inflate.h), and members whose local header and data reach
// into the next local header that an entry points to, or into the central directory. So no byte is served twice, which
// is what the zip bombs that overlap do. Where several entries have one path all are given: the last counts.
//
//  - Owner and mode: of a unix host (4.4.2.2) the mode is that of the external attributes; elsewhere, and where that is
//    0, it is 0644 (directories 0755), without the write bits where the DOS attribute says read-only. Owners are those
//    of Info-ZIP's fields, else 0.
//  - Directories are what ends in '/', what a unix mode says to be one, and else what the DOS attribute says to be one.
//  - Times are UTC: DecodeZipExtra says which fields count, and where there are none, DOS time is taken as UTC too,
//    since an archive does not tell its zone.
//
// Costs: Open() goes through the central directory once, to learn the order of the local headers, of which 8 bytes a
// member stay in memory; Next() goes through it again. Beside that there are 512 KiB of pieces of the archive. Nothing
// is allocated for a member but what its strings and runs need to grow.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "format/file.h"
#include "format/import/archive.h"
#include "format/import/file_window.h"
#include "format/import/zip_directory.h"
#include "format/import/zip_records.h"

namespace quire {

class ZipReader : public ArchiveReader {
 public:
  // 1 GiB of offsets. The largest archives of data sets have some 10 million.
  static constexpr uint64_t kMaxMembers = uint64_t{1} << 27;

  // `size_bytes`: of `file`, which outlives the reader. Blocks on reads of the file, as Next() does. Errors: kCorrupt
  // where this is no zip archive or its end is missing, kUnsupported for a part of a split archive and for too many
  // members, kSystem. Nothing is told to `on_fault` before the first Next().
  static Result<std::unique_ptr<ZipReader>> Open(const File& file, uint64_t size_bytes, OnFault on_fault);

  // In the order of the central directory. The error is kSystem.
  Result<bool> Next(Member& member) override;
  [[nodiscard]] SumKind sum_kind() const override { return SumKind::kCrc32; }

 private:
  ZipReader(const File& file, const ZipDirectory& directory, OnFault on_fault);

  Result<void> CollectHeaderOffsets();
  Result<void> Read(ZipEntry& entry, Member& member);
  Result<uint64_t> FindData(const ZipEntry& entry, ZipExtra& extra);
  Result<void> CheckNextHeader(const ZipEntry& entry, uint64_t data_end);
  Result<void> ReadTarget(const ZipEntry& entry, uint64_t data_at, Member& member) const;
  void TellEnd();

  const File& file_;
  const ZipDirectory directory_;
  const OnFault on_fault_;
  ZipDirectoryWalk walk_;
  FileWindow headers_;
  uint64_t last_header_at_ = 0;           // in the file
  std::vector<uint64_t> header_offsets_;  // of all entries, ascending
  size_t next_header_ = 0;                // in header_offsets_: behind that of the last member
  uint64_t entries_ = 0;                  // read so far
  bool has_ended_ = false;
};

}  // namespace quire
