// SPDX-License-Identifier: Apache-2.0
// Reads the members of an archive by libarchive. Their bytes are compressed, or lie there in pieces, so they are
// unpacked into a file, in which the runs of the members lie.
//
// Kept of a member is what tar_reader.h keeps. Where an archive has no owners they are 0, and where it has no time it
// is that of 1970. Times that have no zone, as those of DOS in a zip, are taken as local time.
#pragma once

#include <memory>
#include <string>

#include "format/import/archive.h"
#include "format/unpack/archive_stream.h"
#include "format/unpack/unpacked_file.h"

namespace quire {

class LibarchiveReader final : public ArchiveReader {
 public:
  // `unpacked` outlives the reader. `on_fault` is told of what a pack does not hold, `on_damage` of what it would hold
  // and cannot be read: members that are encrypted, broken or cut off, and the rest of an archive that is.
  LibarchiveReader(std::unique_ptr<ArchiveStream> stream, UnpackedFile& unpacked, OnFault on_fault, OnFault on_damage);

  // Errors are kSystem and kInterrupted.
  Result<bool> Next(Member& member) override;

 private:
  Result<bool> TakeMember(archive_entry* entry, Member& member);
  Result<void> SetAttributes(archive_entry* entry, Member& member) const;
  void SetXattrs(archive_entry* entry, Member& member) const;
  Result<void> Unpack(archive_entry* entry, Member& member);
  Result<void> UnpackBlock(const ArchiveStream::Block& block, Member& member);

  const std::unique_ptr<ArchiveStream> stream_;
  const Libarchive& library_;
  UnpackedFile& unpacked_;
  const OnFault on_fault_;
  const OnFault on_damage_;
};

}  // namespace quire
