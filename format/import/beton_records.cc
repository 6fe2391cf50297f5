// SPDX-License-Identifier: Apache-2.0
#include "format/import/beton_records.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "format/coding.h"
#include "format/escaping.h"
#include "format/import/beton_files.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr uint16_t kVersion = 2;
constexpr uint32_t kLeastPageBytes = 2 << 20;  // what FFCV's writer takes

// A descriptor.
constexpr size_t kNameAt = 1;
constexpr size_t kNameBytes = 16;
constexpr size_t kArgumentsAt = kNameAt + kNameBytes;
// The arguments of an array: 32 dimensions, the length of its type, the type.
constexpr size_t kDimensions = 32;
constexpr size_t kTypeLengthAt = kDimensions * 8;
constexpr size_t kTypeAt = kTypeLengthAt + 8;
constexpr size_t kMaxTypeBytes = kBetonFieldBytes - kArgumentsAt - kTypeAt;

constexpr uint8_t kCustomType = 255;

struct ValueLayout {
  size_t bytes;
  size_t alignment;
};

constexpr ValueLayout LayoutOf(BetonType type) {
  switch (type) {
    case BetonType::kImage:
      return {.bytes = 13, .alignment = 1};
    case BetonType::kBytes:
    case BetonType::kJson:
      return {.bytes = 16, .alignment = 1};
    case BetonType::kFloat:
    case BetonType::kInt:
    case BetonType::kArray:
    case BetonType::kTensor:
      break;
  }
  return {.bytes = 8, .alignment = 8};
}

// The name up to the first zero byte.
Result<std::string> DecodeName(std::span<const std::byte> bytes, size_t number) {
  const std::string_view all = AsText(bytes);
  const std::string_view name = all.substr(0, std::min(all.find('\0'), all.size()));
  if (std::ranges::any_of(name, [](char c) { return c < ' ' || c > '~'; }))
    return Unsupported("the name of field {} ('{}') is not ASCII: FFCV writes no such name, the file is damaged",
                       number, EscapeName(name));
  return std::string(name);
}

// Sets what is made of the arguments of an array, or says why not.
void DecodeArray(std::span<const std::byte> arguments, BetonField& field) {
  std::vector<uint64_t> shape;
  for (size_t i = 0; i < kDimensions; ++i) shape.push_back(LoadUint<8>(arguments, i * 8));
  while (!shape.empty() && shape.back() == 0) shape.pop_back();
  const uint64_t type_bytes = LoadUint<8>(arguments, kTypeLengthAt);
  if (type_bytes > kMaxTypeBytes) {
    field.fault = fmt::format("the description of its type has {} bytes, and at most {} can be: the file is damaged",
                              type_bytes, kMaxTypeBytes);
    return;
  }
  auto array = DescribeNpy(AsText(arguments.subspan(kTypeAt, type_bytes)), shape);
  if (!array) {
    field.fault = std::move(array).error().message;
    return;
  }
  field.npy_header = std::move(array->header);
  field.array_bytes = array->data_bytes;
}

}  // namespace

Result<BetonHeader> DecodeBetonHeader(std::span<const std::byte> bytes) {
  assert(bytes.size() >= kBetonHeaderBytes);
  const uint64_t version = LoadUint<2>(bytes, 0);
  const BetonHeader header{.fields = static_cast<uint16_t>(LoadUint<2>(bytes, 2)),
                           .samples = LoadUint<8>(bytes, 8),
                           .allocations_at = LoadUint<8>(bytes, 16)};
  const auto page_bytes = static_cast<uint32_t>(LoadUint<4>(bytes, 4));
  if (version != kVersion) return Corrupt("its version would be {}, and {} is read", version, kVersion);
  if (!std::has_single_bit(page_bytes) || page_bytes < kLeastPageBytes)
    return Corrupt("its pages would have {} bytes", page_bytes);
  if (header.fields == 0) return Corrupt("it would have no fields");
  return header;
}

Result<BetonLayout> DecodeBetonFields(std::span<const std::byte> descriptors) {
  const size_t count = descriptors.size() / kBetonFieldBytes;
  assert(count > 0 && count <= kMaxBetonFields && descriptors.size() % kBetonFieldBytes == 0);
  BetonLayout layout;
  size_t alignment = 1;
  for (size_t number = 0; number < count; ++number) {
    const auto descriptor = descriptors.subspan(number * kBetonFieldBytes, kBetonFieldBytes);
    auto name = DecodeName(descriptor.subspan(kNameAt, kNameBytes), number);
    if (!name) return Propagate(std::move(name));
    const auto type = static_cast<uint8_t>(descriptor[0]);
    if (type == kCustomType)
      return Unsupported(
          "field '{}' is of a type of its own (255), and the file does not tell how long its values are: write it "
          "again with FFCV's own fields",
          *name);
    if (type > static_cast<uint8_t>(BetonType::kTensor))
      return Unsupported("field '{}' has the unknown type {}: it is damaged, or of a newer FFCV", *name, type);
    BetonField field{.name = *std::move(name), .type = static_cast<BetonType>(type)};
    // FFCV cuts names to 16 bytes, so that two may have become the same.
    if (std::ranges::find(layout.fields, field.name, &BetonField::name) != layout.fields.end())
      field.name += fmt::format("-{}", number);
    if (field.type == BetonType::kArray || field.type == BetonType::kTensor)
      DecodeArray(descriptor.subspan(kArgumentsAt), field);
    const ValueLayout value = LayoutOf(field.type);
    field.offset = AlignUp(layout.record_bytes, value.alignment);
    layout.record_bytes = field.offset + value.bytes;
    alignment = std::max(alignment, value.alignment);
    layout.fields.push_back(std::move(field));
  }
  layout.record_bytes = AlignUp(layout.record_bytes, alignment);
  return layout;
}

}  // namespace quire
