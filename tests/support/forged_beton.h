// SPDX-License-Identifier: Apache-2.0
// .beton files that FFCV does not write, for tests and fuzzing of what reads them: each record is given as bytes, and
// the data lies right behind the metadata instead of in pages.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "format/import/beton_records.h"
#include "tests/support/forged_zip.h"

namespace quire {

inline std::string BetonDescriptor(uint8_t type, std::string_view name, std::string_view arguments = "") {
  std::string bytes(kBetonFieldBytes, '\0');
  bytes[0] = static_cast<char>(type);
  bytes.replace(1, name.size(), name);
  return bytes.replace(17, arguments.size(), arguments);
}

inline std::string BetonDescriptor(BetonType type, std::string_view name, std::string_view arguments = "") {
  return BetonDescriptor(static_cast<uint8_t>(type), name, arguments);
}

// The arguments of an array.
inline std::string ArrayArguments(const std::vector<uint64_t>& shape, std::string_view type) {
  std::string bytes;
  for (size_t i = 0; i < 32; ++i) bytes += Uint<8>(i < shape.size() ? shape[i] : 0);
  return bytes + Uint<8>(type.size()) + std::string(type);
}

class ForgedBeton {
 public:
  // Of so many samples, whose records have `record_bytes` each.
  ForgedBeton(std::string descriptors, uint64_t samples, size_t record_bytes)
      : descriptors_(std::move(descriptors)), samples_(samples), metadata_bytes_(samples * record_bytes) {}

  [[nodiscard]] uint64_t metadata_at() const { return kBetonHeaderBytes + descriptors_.size(); }
  [[nodiscard]] uint64_t data_at() const { return metadata_at() + metadata_bytes_; }
  [[nodiscard]] uint64_t table_at() const { return data_at() + data_.size(); }

  // Adds data with an entry in the allocation table, and returns where it lies.
  uint64_t Put(std::string_view data) {
    table_ += Uint<8>(0) + Uint<8>(table_at()) + Uint<8>(data.size());
    data_ += data;
    return table_at() - data.size();
  }

  ForgedBeton& Add(const std::string& records) {
    records_ += records;
    return *this;
  }

  // The file; records that are missing are zeros.
  [[nodiscard]] std::string bytes() const {
    std::string records = records_;
    records.resize(metadata_bytes_, '\0');
    return Uint<2>(2) + Uint<2>(descriptors_.size() / kBetonFieldBytes) + Uint<4>(2 << 20) + Uint<8>(samples_) +
           Uint<8>(table_at()) + descriptors_ + records + data_ + table_;
  }

 private:
  std::string descriptors_;
  uint64_t samples_;
  size_t metadata_bytes_;
  std::string records_;
  std::string data_;
  std::string table_;
};

}  // namespace quire
