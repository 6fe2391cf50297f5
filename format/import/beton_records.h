// SPDX-License-Identifier: Apache-2.0
// The records of .beton files, decoded: what FFCV (github.com/libffcv/ffcv) writes as version 2. All integers are
// little-endian.
//
//     0            header                  24 bytes: u16 version, u16 fields, u32 page bytes, u64 samples, u64 where
//     the
//                                          allocation table begins
//     24           field descriptors       1041 bytes each: u8 type, 16 bytes of name, 1024 bytes of arguments
//     behind them  metadata                a record for each sample, with a value of each field
//     behind it    data                    from a multiple of the page bytes on, a power of two
//     behind it    allocation table        24 bytes each: u64 sample, u64 where its datum lies, u64 bytes; to the end
//
// A record of the metadata is laid out as a C compiler would: numbers and places of arrays stand at multiples of 8, all
// else at any byte, and the record is as long as a multiple of the strictest of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/result.h"

namespace quire {

inline constexpr size_t kBetonHeaderBytes = 24;
inline constexpr size_t kBetonFieldBytes = 1041;
inline constexpr size_t kBetonAllocationBytes = 24;
// A record of the metadata has at most 16 bytes a field, and one is to fit in 4096 bytes. Data sets have a few fields.
inline constexpr size_t kMaxBetonFields = 255;

struct BetonHeader {
  uint16_t fields = 0;
  uint64_t samples = 0;
  uint64_t allocations_at = 0;
};

// What a value is, and what stands in the metadata.
enum class BetonType : uint8_t {
  kFloat = 0,   // f64
  kInt = 1,     // i64
  kImage = 2,   // u8 mode (0 JPEG, 1 raw), u16 width, u16 height, u64 place
  kBytes = 3,   // u64 place, u64 bytes
  kArray = 4,   // u64 place
  kJson = 5,    // as kBytes; a zero byte ends the text
  kTensor = 6,  // as kArray
};

struct BetonField {
  std::string name;
  BetonType type = BetonType::kInt;
  size_t offset = 0;            // in a record of the metadata
  std::string npy_header = {};  // of an array: what stands before its data in a .npy file
  uint64_t array_bytes = 0;
  std::string fault = {};  // why no value of it can be given; else empty
};

struct BetonLayout {
  std::vector<BetonField> fields;
  size_t record_bytes = 0;
};

// kCorrupt where this is no .beton file of version 2: there is no magic, so version, page size and the number of fields
// tell it. REQUIRES: `bytes` has kBetonHeaderBytes.
Result<BetonHeader> DecodeBetonHeader(std::span<const std::byte> bytes);

// All fields, by their descriptors. kUnsupported where the layout of the metadata cannot be known. REQUIRES:
// `descriptors` has kBetonFieldBytes for each of 1 to kMaxBetonFields.
Result<BetonLayout> DecodeBetonFields(std::span<const std::byte> descriptors);

}  // namespace quire
