// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/archive_form.h"

#include "format/import/tar_reader.h"
#include "format/import/zip_directory.h"
#include "format/unpack/archive_stream.h"

namespace quire {
namespace {

struct ZipMethods {
  bool is_zip = false;
  bool are_all_stored = true;
  bool are_all_indexed = true;  // stored or deflated
};

// Members that are encrypted are told as faults by all readers.
Result<ZipMethods> FindZipMethods(const File& file, uint64_t size_bytes) {
  const auto directory = FindZipDirectory(file, size_bytes);
  if (!directory && directory.error().code == ErrorCode::kSystem) return std::unexpected(directory.error());
  ZipMethods methods{.is_zip = directory.has_value()};
  if (!directory) return methods;
  ZipDirectoryWalk walk(file, *directory);
  ZipEntry entry;
  while (methods.are_all_indexed) {
    const auto has_entry = walk.Next(entry);
    if (!has_entry) return std::unexpected(has_entry.error());
    if (!*has_entry) break;
    const bool is_stored = entry.method == kZipStored || entry.method == kZipAes;
    methods.are_all_stored = methods.are_all_stored && is_stored;
    methods.are_all_indexed = is_stored || entry.method == kZipDeflated;
  }
  return methods;
}

Result<bool> IsTar(const File& file, uint64_t size_bytes) {
  const auto tar = TarReader::Open(file, size_bytes, [](std::string_view, std::string_view) {});
  if (tar) return true;
  if (tar.error().code == ErrorCode::kSystem) return std::unexpected(tar.error());
  return false;
}

}  // namespace

Result<ArchiveForm> FindArchiveForm(const File& file, uint64_t size_bytes) {
  const auto is_tar = IsTar(file, size_bytes);
  if (!is_tar) return std::unexpected(is_tar.error());
  if (*is_tar) return ArchiveForm{.reader = ArchiveForm::Reader::kInPlace};
  const auto zip = FindZipMethods(file, size_bytes);
  if (!zip) return std::unexpected(zip.error());
  if (zip->is_zip && zip->are_all_stored) return ArchiveForm{.reader = ArchiveForm::Reader::kInPlace};
  if (zip->is_zip && zip->are_all_indexed)
    return ArchiveForm{.reader = ArchiveForm::Reader::kMembers, .is_indexed = true};
  const auto stream = ArchiveStream::Open(file, size_bytes, ArchiveStream::View::kMembers, {});
  if (!stream) return std::unexpected(stream.error());
  const auto first = (*stream)->Next();
  if (!first && first.error().code == ErrorCode::kSystem) return std::unexpected(first.error());
  const std::string_view compression = (*stream)->compression();
  const bool is_compressed = !compression.empty();
  if ((*stream)->is_tar() && is_compressed)
    return ArchiveForm{.reader = ArchiveForm::Reader::kInPlace, .is_compressed = true};
  if ((*stream)->is_archive() && !(*stream)->is_tar())
    return ArchiveForm{.reader = ArchiveForm::Reader::kMembers, .is_compressed = is_compressed};
  if (is_compressed)
    return Corrupt("this is compressed by {}, and no archive is in it: {}", compression,
                   first ? "it is empty" : first.error().message);
  return ArchiveForm();
}

}  // namespace quire
