// SPDX-License-Identifier: Apache-2.0
// Reads the headers of a tar archive and passes over the data, which stays where it is. Headers are read here and not
// by libarchive, which does not tell where the pieces of a sparse file lie, and which `quire` does not need otherwise.
//
// Read are V7, ustar, pax, GNU and star archives, one or several behind one another (as by `tar --ignore-zeros`), with
// or without the blocks of zeros at the end. Where programs differ:
// - A regular file whose path ends in '/' is a directory, as V7 had them. A type that nobody has defined is a regular
//   file, as POSIX says.
// - Directories and symlinks have no data, whatever size they tell, as POSIX says; GNU dumpdirs ('D') are directories,
//   and their lists are skipped.
// - A hard link that tells a size has data behind it if a pax header stands before it, or else if the next block is no
//   header: the file that it names has the same bytes, so these are skipped.
// - A path is that of GNU.sparse.name, path, a GNU long name, or the header, whichever of them is there first; of a
//   second pax header or long name before one member the last counts. A global header holds to the end of its archive;
//   extended attributes and sparse maps in it count for nothing.
// - Of extended attributes those of user.* are kept that Linux could store; all others are dropped and not told.
// - An owner's number below 0 is the 32-bit number of the same bits: old programs wrote -2 for `nobody`.
//
// Where a header is broken, the reader looks for the next one that has a magic within kMaxSearchBytes. What it finds
// may be a member of an archive that is itself a member, as GNU tar would find it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/file.h"
#include "format/import/archive.h"
#include "format/import/header_window.h"
#include "format/import/pax_records.h"
#include "format/import/tar_header.h"
#include "format/result.h"

namespace quire {

// Memory: below 64 MiB, most of it for the map of a sparse file with the most pieces, and below 1 MiB where files have
// few. A Member that is used again costs no allocation, unless it has extended attributes.
class TarReader : public ArchiveReader {
 public:
  // How far behind a broken header the next one is looked for: behind damage of a few sectors, and in the small files
  // that data sets are made of.
  static constexpr uint64_t kMaxSearchBytes = 1 << 20;
  // How far behind the end of an archive another one is looked for. Programs fill up to a record, of at most some MiB;
  // a device or a file that was made large beforehand may have zeros for hours.
  static constexpr uint64_t kMaxZeroBytes = 64 << 20;

  // `file` outlives this, and has size_bytes. Errors: kUnsupported where the file is compressed, kCorrupt where its
  // first block that is not zero is no header otherwise, and those of Next. REQUIRES: size_bytes <= kMaxSampleBytes.
  static Result<std::unique_ptr<TarReader>> Open(const File& file, uint64_t size_bytes, OnFault on_fault);

  // Errors: kSystem, and kUnreadable where the file has become shorter.
  Result<bool> Next(Member& member) override;

 private:
  TarReader(const File& file, uint64_t size_bytes, OnFault on_fault);

  // Goes from header to header: each returns whether header_ holds a valid one, which stands at at_; false at the end.
  Result<bool> FindFirstHeader();
  Result<bool> FindHeader();
  Result<bool> FindHeaderBehindZeros();
  Result<bool> FindHeaderBehindBrokenOne();
  Result<bool> LoadHeader();
  // The end of the zeros that begin at at_.
  Result<uint64_t> FindEndOfZeros();

  // What stands before a member and tells of it.
  Result<void> TakeExtension();
  Result<void> TakeGlobalRecords();
  // Whether `into` has the data of header_: not where the archive is cut, and not where they are more than `max_bytes`,
  // for which fault_ is set.
  Result<bool> TakeData(uint64_t max_bytes, std::string_view what, std::string& into);
  void ForgetExtensions();
  [[nodiscard]] bool HasExtensions() const { return has_pax_ || has_long_path_ || has_long_target_ || !fault_.empty(); }

  // What a type of header is for.
  struct TypeMeaning {
    std::optional<MemberKind> kind;
    bool has_data = true;            // as its size says
    std::string_view left_out = {};  // why no pack holds it; without a kind and this it is no loss
  };
  static TypeMeaning MeaningOf(char type);

  // Whether `member` is the member of header_, whole; what is wrong with it was told otherwise.
  Result<bool> ReadMember(Member& member);
  // Each sets a part of it. The error says why it cannot be served (kCorrupt, kUnsupported), or is one of reading.
  void SetPath(Member& member) const;
  Result<void> SetAttributes(Member& member);
  Result<void> SetTarget(Member& member) const;
  Result<void> SetRuns(uint64_t stored_bytes, Member& member);
  Result<void> SetPaxSparseRuns(uint64_t stored_bytes, Member& member);
  // Sets data_at_ behind the map, whatever the error is.
  Result<void> ReadOldSparseMap(std::vector<MemberRun>& pieces);
  // The bytes of the map.
  Result<uint64_t> ReadSparseMapInData(uint64_t stored_bytes, std::vector<MemberRun>& pieces);
  Result<uint64_t> StoredBytes(const TypeMeaning& meaning);

  // Sets at_ behind the data at data_at_; false, and told, where the archive ends before it.
  bool PassData(std::string_view path, uint64_t stored_bytes);
  void Fault(std::string_view path, std::string_view reason) const { on_fault_(path, reason); }
  [[nodiscard]] std::string BehindLastMember() const;
  [[nodiscard]] bool HasBlockAt(uint64_t offset) const {
    return offset <= window_.size_bytes() && window_.size_bytes() - offset >= kTarBlockBytes;
  }

  const OnFault on_fault_;
  HeaderWindow window_;
  TarHeader header_;
  uint64_t at_ = 0;       // of header_, and behind its data once that is passed
  uint64_t data_at_ = 0;  // of the data of header_
  bool is_done_ = false;
  std::string last_path_;  // of the last member that was whole

  // Of the member to come.
  std::string pax_bytes_;
  std::string long_path_;
  std::string long_target_;
  bool has_pax_ = false;
  bool has_long_path_ = false;
  bool has_long_target_ = false;
  std::string fault_;  // why it cannot be served, if that is known before it

  PaxRecords records_;
  PaxValues global_;
  std::string global_path_;
  std::string global_target_;
};

}  // namespace quire
