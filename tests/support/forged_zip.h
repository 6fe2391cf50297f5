// SPDX-License-Identifier: Apache-2.0
// Zip archives that no program writes, for tests and fuzzing of what reads them: made record by record, and then any
// field can be changed where it lies.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/import/zip_records.h"

namespace quire {

// `kBytes` of `value`, little-endian.
template <size_t kBytes>
std::string Uint(uint64_t value) {
  std::string bytes(kBytes, '\0');
  StoreUint<kBytes>(std::as_writable_bytes(std::span(bytes)), 0, value);
  return bytes;
}

inline std::string ExtraField(uint16_t id, const std::string& body) {
  return Uint<2>(id) + Uint<2>(body.size()) + body;
}

// Of a member of a unix host, stored, with the mode 0644, of 2001-02-03T04:05:06Z in DOS time.
struct ForgedZipMember {
  std::string name;
  std::string data = {};  // as it lies in the archive
  uint8_t host = kZipHostUnix;
  uint16_t flags = 0;
  uint16_t method = kZipStored;
  uint16_t dos_time = 4U << 11U | 5U << 5U | 3U;
  uint16_t dos_date = 21U << 9U | 2U << 5U | 3U;
  uint32_t attributes = 0100644U << 16U;
  std::string extra = {};        // of the central directory
  std::string local_extra = {};  // of the local header
  int64_t size_bytes = -1;       // as long as `data` where negative
};

class ForgedZip {
 public:
  std::string bytes;
  std::vector<size_t> local_at;    // where the local header of each member lies
  std::vector<size_t> central_at;  // where the entry of each member lies, once FinishDirectory has run
  size_t directory_at = 0;
  size_t end_at = 0;  // where the end record lies

  ForgedZip& Add(const ForgedZipMember& member) {
    local_at.push_back(bytes.size());
    members_.push_back(member);
    bytes += Uint<4>(kZipLocalSignature) + Uint<2>(20) + Shared(member) + Uint<2>(member.name.size()) +
             Uint<2>(member.local_extra.size()) + member.name + member.local_extra + member.data;
    return *this;
  }

  // Adds the central directory, its entries in the order of the members.
  ForgedZip& FinishDirectory() {
    directory_at = bytes.size();
    for (size_t i = 0; i < members_.size(); ++i) {
      const ForgedZipMember& member = members_[i];
      central_at.push_back(bytes.size());
      bytes += Uint<4>(kZipCentralSignature) + Uint<1>(30) + Uint<1>(member.host) + Uint<2>(20) + Shared(member) +
               Uint<2>(member.name.size()) + Uint<2>(member.extra.size()) + Uint<2>(0) + Uint<2>(0) + Uint<2>(0) +
               Uint<4>(member.attributes) + Uint<4>(local_at[i]) + member.name + member.extra;
    }
    end_at = bytes.size();
    return *this;
  }

  // Adds the end record, and the directory where it is not there.
  ForgedZip& Finish(std::string_view comment = "") {
    if (end_at == 0) FinishDirectory();
    const size_t directory_bytes = end_at - directory_at;
    end_at = bytes.size();
    bytes += Uint<4>(0x06054B50) + Uint<4>(0) + Uint<2>(members_.size()) + Uint<2>(members_.size()) +
             Uint<4>(directory_bytes) + Uint<4>(directory_at) + Uint<2>(comment.size()) + std::string(comment);
    return *this;
  }

  // Adds a zip64 end record that counts from `base`, its locator, and an end record that leaves all to them.
  ForgedZip& FinishZip64(uint64_t base = 0) {
    if (end_at == 0) FinishDirectory();
    const size_t zip64_at = bytes.size();
    bytes += Uint<4>(0x06064B50) + Uint<8>(44) + Uint<2>(45) + Uint<2>(45) + Uint<4>(0) + Uint<4>(0) +
             Uint<8>(members_.size()) + Uint<8>(members_.size()) + Uint<8>(zip64_at - directory_at) +
             Uint<8>(directory_at - base);
    bytes += Uint<4>(0x07064B50) + Uint<4>(0) + Uint<8>(zip64_at - base) + Uint<4>(1);
    end_at = bytes.size();
    bytes += Uint<4>(0x06054B50) + Uint<4>(0) + Uint<4>(0xFFFFFFFF) + Uint<8>(0xFFFFFFFFFFFFFFFF) + Uint<2>(0);
    return *this;
  }

  // Replaces `kBytes` at `at`.
  template <size_t kBytes>
  ForgedZip& Set(size_t at, uint64_t value) {
    StoreUint<kBytes>(std::as_writable_bytes(std::span(bytes)), at, value);
    return *this;
  }

 private:
  // What a local header and an entry have alike, from the flags to the sizes.
  static std::string Shared(const ForgedZipMember& member) {
    const uint64_t size = member.size_bytes < 0 ? member.data.size() : static_cast<uint64_t>(member.size_bytes);
    return Uint<2>(member.flags) + Uint<2>(member.method) + Uint<2>(member.dos_time) + Uint<2>(member.dos_date) +
           Uint<4>(Crc32(AsBytes(member.data))) + Uint<4>(member.data.size()) + Uint<4>(size);
  }

  std::vector<ForgedZipMember> members_;
};

}  // namespace quire
