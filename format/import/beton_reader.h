// SPDX-License-Identifier: Apache-2.0
// Reads the samples of a .beton file of FFCV, version 2; beton_records.h says how it is made. Each value of a sample is
// a member, whose path a SampleTemplate makes of the sample's number and the field's name, with the extension of its
// kind behind it unless it ends so:
//
//  - int, float: a line of text (.txt)
//  - image: as it lies there where it is a JPEG (.jpg); raw pixels behind the header of a PPM (.ppm)
//  - bytes: as they lie there; the extension is that of the image or sound which they begin as, else none
//  - JSON: as it lies there, without the zero byte that ends it (.json)
//  - array, tensor: as it lies there, behind the header of a .npy file
//
// What does not lie in the file is the content of the Member. Owner and time are those of the file, the mode is 0644.
//
// Places and lengths are compared with the file and with each other: data lies between the metadata and the allocation
// table, and is as long there as the metadata says. Of a cut or damaged file the values that are whole are given, and
// each other one is told, with its sample and field. That two values have the same bytes is found where all members are
// known: extent_cutter.h.
//
// Costs: Open() reads the allocation table, of which 16 bytes an entry stay in memory, and Next() goes through the
// metadata, and reads 4 KiB at each value that is bytes or JSON, or more where they lie close together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "format/file.h"
#include "format/import/archive.h"
#include "format/import/beton_allocations.h"
#include "format/import/beton_records.h"
#include "format/import/header_window.h"
#include "format/import/sample_template.h"
#include "format/result.h"

namespace quire {

class BetonReader : public ArchiveReader {
 public:
  // 1 GiB of the allocation table. The largest data sets have some 10 million samples.
  static constexpr uint64_t kMaxAllocations = uint64_t{1} << 26;

  // `file` outlives the reader, and has `size_bytes`. Blocks on reads of the file, as Next() does. Errors: kCorrupt
  // where this is no .beton file, kUnsupported where its values cannot be found, and those of Next. Nothing is told to
  // `on_fault` before the first Next(). REQUIRES: size_bytes <= kMaxSampleBytes.
  static Result<std::unique_ptr<BetonReader>> Open(const File& file, uint64_t size_bytes, SampleTemplate names,
                                                   OnFault on_fault);

  // In the order of the samples, and of the fields in each. Errors: kSystem, and kUnreadable where the file has become
  // shorter.
  Result<bool> Next(Member& member) override;

 private:
  struct Owner {
    uint64_t mtime = 0;
    uint32_t uid = 0;
    uint32_t gid = 0;
  };

  BetonReader(const File& file, uint64_t size_bytes, SampleTemplate names, OnFault on_fault);

  Result<void> ReadFields(const BetonHeader& header);
  Result<void> ReadAllocations(const BetonHeader& header);
  void AddFault(std::string fault);
  void TellFaults();

  Result<void> Read(const BetonField& field, std::span<const std::byte> value, Member& member);
  Result<void> ReadImage(std::span<const std::byte> value, Member& member);
  Result<void> ReadBytes(uint64_t place, uint64_t bytes, Member& member);
  Result<void> ReadJson(uint64_t place, uint64_t bytes, Member& member);
  Result<void> AddRun(uint64_t place, uint64_t bytes, Member& member) const;
  [[nodiscard]] Result<void> CheckPlace(uint64_t place, uint64_t bytes) const;

  const File& file_;
  const uint64_t size_bytes_;
  const SampleTemplate names_;
  const OnFault on_fault_;
  Owner owner_;
  BetonLayout layout_;
  uint64_t samples_ = 0;     // whose record lies in the file
  uint64_t data_begin_ = 0;  // where the metadata ends
  uint64_t data_end_ = 0;    // where the allocation table begins, or the file ends
  std::optional<BetonAllocations> allocations_;
  bool has_all_allocations_ = false;
  std::vector<std::string> faults_;  // of the whole file, until they are told

  HeaderWindow metadata_;
  HeaderWindow data_;
  uint64_t sample_ = 0;  // that comes next
  size_t field_ = 0;
};

}  // namespace quire
