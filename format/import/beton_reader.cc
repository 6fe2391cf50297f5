// SPDX-License-Identifier: Apache-2.0
#include "format/import/beton_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "format/coding.h"
#include "format/escaping.h"
#include "format/import/beton_files.h"
#include "format/pack/geometry.h"
#include "format/pack/records.h"

namespace quire {
namespace {

constexpr uint32_t kMode = 0644;
constexpr uint64_t MetadataAt(size_t fields) { return kBetonHeaderBytes + fields * kBetonFieldBytes; }

constexpr uint64_t kJpegMode = 0;
constexpr uint64_t kRawMode = 1;

bool HasData(const BetonField& field) { return field.type != BetonType::kInt && field.type != BetonType::kFloat; }

// Puts the extension behind the path, which may have it: that of a field which is named 'jpg', say.
void AddExtension(std::string_view extension, std::string& path) {
  const std::string suffix = fmt::format(".{}", extension);
  if (!extension.empty() && !path.ends_with(suffix)) path += suffix;
}

}  // namespace

Result<std::unique_ptr<BetonReader>> BetonReader::Open(const File& file, uint64_t size_bytes, SampleTemplate names,
                                                       OnFault on_fault) {
  if (size_bytes < kBetonHeaderBytes) return Corrupt("it is shorter than a header");
  std::unique_ptr<BetonReader> reader(new BetonReader(file, size_bytes, std::move(names), std::move(on_fault)));
  std::array<std::byte, kBetonHeaderBytes> bytes;
  if (auto read = file.ReadExactly(0, bytes); !read) return Propagate(std::move(read));
  const auto header = DecodeBetonHeader(bytes);
  if (!header) return std::unexpected(header.error());
  struct stat status = {};
  if (fstat(file.fd(), &status) != 0) return SystemError(errno, "fstat");
  reader->owner_ = {.mtime = EncodeMtime(status.st_mtim), .uid = status.st_uid, .gid = status.st_gid};
  if (auto fields = reader->ReadFields(*header); !fields) return Propagate(std::move(fields));
  if (auto allocations = reader->ReadAllocations(*header); !allocations) return Propagate(std::move(allocations));
  return reader;
}

BetonReader::BetonReader(const File& file, uint64_t size_bytes, SampleTemplate names, OnFault on_fault)
    : file_(file),
      size_bytes_(size_bytes),
      names_(std::move(names)),
      on_fault_(std::move(on_fault)),
      metadata_(file, size_bytes),
      data_(file, size_bytes) {}

void BetonReader::AddFault(std::string fault) { faults_.push_back(std::move(fault)); }

// The fields, and how much of the metadata is there.
Result<void> BetonReader::ReadFields(const BetonHeader& header) {
  if (header.fields > kMaxBetonFields)
    return Unsupported("its header has {} fields, and at most {} can be read", header.fields, kMaxBetonFields);
  const uint64_t metadata_at = MetadataAt(header.fields);
  if (metadata_at > size_bytes_)
    return Unsupported(
        "the descriptors of its {} fields would end at byte {}, and the file at {}: it is cut, copy it again",
        header.fields, metadata_at, size_bytes_);
  if (header.allocations_at == 0)
    return Unsupported("its header has no allocation table: FFCV was stopped while it wrote the file, write it again");
  std::vector<std::byte> descriptors(metadata_at - kBetonHeaderBytes);
  if (auto read = file_.ReadExactly(kBetonHeaderBytes, descriptors); !read) return read;
  auto layout = DecodeBetonFields(descriptors);
  if (!layout) return Propagate(std::move(layout));
  layout_ = *std::move(layout);
  const uint64_t end = std::min(header.allocations_at, size_bytes_);
  const uint64_t whole = end < metadata_at ? 0 : (end - metadata_at) / layout_.record_bytes;
  if (header.samples > whole && header.allocations_at <= size_bytes_)
    return Unsupported(
        "its header has {} samples, and places the allocation table at byte {}, before the metadata of {} of them: it "
        "is damaged, copy the file again",
        header.samples, header.allocations_at, header.samples - whole);
  samples_ = std::min(header.samples, whole);
  data_begin_ = metadata_at + samples_ * layout_.record_bytes;
  if (samples_ < header.samples)
    AddFault(fmt::format(
        "the metadata of {} samples lies in the file, and its header has {}: the file is cut, copy it again", samples_,
        header.samples));
  for (const BetonField& field : layout_.fields)
    if (!field.fault.empty()) AddFault(fmt::format("field '{}': {}", field.name, field.fault));
  return {};
}

// Where the data ends, and the allocation table as far as it is there and needed.
Result<void> BetonReader::ReadAllocations(const BetonHeader& header) {
  const uint64_t needed = samples_ * static_cast<uint64_t>(std::ranges::count_if(layout_.fields, HasData));
  data_end_ = size_bytes_;
  if (header.allocations_at > size_bytes_) {
    AddFault(
        fmt::format("its allocation table would begin at byte {}, and the file ends at {}: it is cut, copy it again",
                    header.allocations_at, size_bytes_));
    return {};
  }
  data_end_ = header.allocations_at;
  const uint64_t entries = (size_bytes_ - data_end_) / kBetonAllocationBytes;
  if (entries != needed)
    AddFault(
        fmt::format("its allocation table has {} entries, and the values need {}: the file is cut or damaged, copy "
                    "it again",
                    entries, needed));
  if (needed > kMaxAllocations)
    return Unsupported("it has {} values that lie in pages, and at most {} can be read: write it as several files",
                       needed, kMaxAllocations);
  auto read = BetonAllocations::Read(file_, data_end_, std::min(entries, needed));
  if (!read) return Propagate(std::move(read));
  allocations_ = *std::move(read);
  has_all_allocations_ = entries >= needed;
  return {};
}

void BetonReader::TellFaults() {
  for (const std::string& fault : std::exchange(faults_, {})) on_fault_("", fault);
}

Result<bool> BetonReader::Next(Member& member) {
  TellFaults();
  while (sample_ < samples_) {
    const BetonField& field = layout_.fields[field_];
    const uint64_t sample = sample_;
    if (++field_ == layout_.fields.size()) {
      field_ = 0;
      ++sample_;
    }
    if (!field.fault.empty()) continue;  // which was told of all its values
    const auto record =
        metadata_.At(MetadataAt(layout_.fields.size()) + sample * layout_.record_bytes, layout_.record_bytes);
    if (!record) return std::unexpected(record.error());
    names_.Expand(sample, field.name, member.path);
    auto read = Read(field, record->subspan(field.offset), member);
    if (read) return true;
    if (read.error().code == ErrorCode::kSystem || read.error().code == ErrorCode::kUnreadable)
      return Propagate(std::move(read));
    on_fault_(member.path, fmt::format("sample {}, field '{}': {}", sample, field.name, read.error().message));
  }
  return false;
}

// An error but kSystem and kUnreadable says why the value is refused.
Result<void> BetonReader::Read(const BetonField& field, std::span<const std::byte> value, Member& member) {
  member.kind = MemberKind::kFile;
  member.target.clear();
  member.mode = kMode;
  member.uid = owner_.uid;
  member.gid = owner_.gid;
  member.mtime = owner_.mtime;
  member.codec = Codec::kStored;
  member.content.clear();
  member.runs.clear();
  member.xattrs.clear();
  member.crc32.reset();
  Result<void> read;
  switch (field.type) {
    case BetonType::kFloat:
      member.content = FloatText(std::bit_cast<double>(LoadUint<8>(value, 0)));
      AddExtension("txt", member.path);
      break;
    case BetonType::kInt:
      member.content = IntText(std::bit_cast<int64_t>(LoadUint<8>(value, 0)));
      AddExtension("txt", member.path);
      break;
    case BetonType::kImage:
      read = ReadImage(value, member);
      break;
    case BetonType::kBytes:
      read = ReadBytes(LoadUint<8>(value, 0), LoadUint<8>(value, 8), member);
      break;
    case BetonType::kJson:
      read = ReadJson(LoadUint<8>(value, 0), LoadUint<8>(value, 8), member);
      break;
    case BetonType::kArray:
    case BetonType::kTensor:
      AddExtension("npy", member.path);
      member.content = field.npy_header;
      read = AddRun(LoadUint<8>(value, 0), field.array_bytes, member);
      break;
  }
  if (!read) return read;
  member.size_bytes = member.content.size() + (member.runs.empty() ? 0 : member.runs.front().length_bytes);
  return {};
}

Result<void> BetonReader::ReadImage(std::span<const std::byte> value, Member& member) {
  const uint64_t mode = LoadUint<1>(value, 0);
  const uint64_t width = LoadUint<2>(value, 1);
  const uint64_t height = LoadUint<2>(value, 3);
  const uint64_t place = LoadUint<8>(value, 5);
  if (mode == kJpegMode) {
    AddExtension("jpg", member.path);
    const auto bytes = allocations_ ? allocations_->BytesAt(place) : std::nullopt;
    if (bytes) return AddRun(place, *bytes, member);
    return Corrupt(
        "how long the JPEG at byte {} is says only the allocation table, which has no such place: the file is "
        "cut or damaged, copy it again",
        place);
  }
  if (mode != kRawMode) return Corrupt("its mode is {}, neither JPEG (0) nor raw (1): the file is damaged", mode);
  if (width == 0 || height == 0) return Corrupt("its image has {} x {} pixels: the file is damaged", width, height);
  AddExtension("ppm", member.path);
  member.content = PpmHeader(width, height);
  return AddRun(place, width * height * 3, member);
}

Result<void> BetonReader::ReadBytes(uint64_t place, uint64_t bytes, Member& member) {
  if (auto added = AddRun(place, bytes, member); !added || bytes == 0) return added;
  const auto begin = data_.At(place, std::min<uint64_t>(bytes, kSignatureBytes));
  if (!begin) return std::unexpected(begin.error());
  AddExtension(ExtensionOf(*begin), member.path);
  return {};
}

Result<void> BetonReader::ReadJson(uint64_t place, uint64_t bytes, Member& member) {
  AddExtension("json", member.path);
  if (bytes == 0) return Corrupt("its text has no bytes, where a zero byte ends it: the file is damaged");
  if (auto checked = CheckPlace(place, bytes); !checked) return checked;
  const auto end = data_.At(place + bytes - 1, 1);
  if (!end) return std::unexpected(end.error());
  if (end->front() != std::byte{0})
    return Corrupt("its text of {} bytes at byte {} is not ended by a zero byte: the file is damaged", bytes, place);
  if (bytes > 1) member.runs.push_back({.offset = place, .length_bytes = bytes - 1});
  return {};
}

Result<void> BetonReader::AddRun(uint64_t place, uint64_t bytes, Member& member) const {
  if (bytes == 0) return {};
  if (auto checked = CheckPlace(place, bytes); !checked) return checked;
  member.runs.push_back({.file_offset = member.content.size(), .offset = place, .length_bytes = bytes});
  return {};
}

// That the bytes are there, and are those of one value as the allocation table has it.
Result<void> BetonReader::CheckPlace(uint64_t place, uint64_t bytes) const {
  if (place < data_begin_)
    return Corrupt("its place would be byte {}, among the tables, which end at {}: the file is damaged", place,
                   data_begin_);
  if (place > data_end_ || bytes > data_end_ - place)
    return Corrupt(
        "its {} bytes at byte {} would reach behind {}, where the data ends: the file is cut or damaged, copy "
        "it again",
        bytes, place, data_end_);
  const auto allocated = allocations_ ? allocations_->BytesAt(place) : std::nullopt;
  if (allocated ? *allocated != bytes : has_all_allocations_)
    return Corrupt("it has {} bytes at byte {} by the metadata, and {} by the allocation table: the file is damaged",
                   bytes, place, allocated ? fmt::format("{}", *allocated) : "none");
  return {};
}

}  // namespace quire
