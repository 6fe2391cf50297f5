// SPDX-License-Identifier: Apache-2.0
// The sizes that the format is built on. FORMAT.md is the authority.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire {

inline constexpr uint64_t kPageBytes = 2 << 20;  // a huge page of x86-64 and arm64
// A page of a volume of compressed samples is cut into frames, each of which is decoded by itself: 0.13 ms for JSON, at
// 2 GB/s, which is about what a disk needs for its bytes.
inline constexpr uint64_t kFrameBytes = 256 << 10;
inline constexpr size_t kBlockBytes = 64 << 10;  // unit of demand-loading and verifying the index
inline constexpr uint64_t kExtentAlign = 8;  // 64 would waste 5 % on samples of 600 bytes, and gain nothing measurable
inline constexpr uint64_t kSectionAlign = 64;
inline constexpr uint64_t kIndexAlign = 4096;
inline constexpr uint64_t kDataBegin = 8192;       // behind the two superblock slots
inline constexpr uint64_t kMaxDictionaries = 256;  // with record 0, which is none: a coded member has a byte for it
inline constexpr uint32_t kMaxDictionaryBytes = 128 << 10;
inline constexpr uint64_t kMaxVolumeBytes = uint64_t{1} << 48;
inline constexpr uint64_t kMaxVolumes = 65535;
inline constexpr uint64_t kMaxRecords =
    (uint64_t{1} << 40) - 1;                           // nodes, extents, segments; also "none" in a content field
inline constexpr uint64_t kDirectorySizeBytes = 4096;  // what a packer says: file systems differ in theirs
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxPathBytes = 4095;  // from the root: what one system call takes
inline constexpr size_t kMaxTargetBytes = 4095;
inline constexpr size_t kXattrHeaderBytes = 5;            // of an entry of the list: u8 name bytes, u32 value bytes
inline constexpr uint32_t kMaxXattrListBytes = 16 << 20;  // a reader goes through it for each entry that has it
inline constexpr uint64_t kMaxSampleBytes = (uint64_t{1} << 63) - 1;

using NodeNumber = uint64_t;  // inode - 1
using ExtentNumber = uint64_t;

}  // namespace quire
