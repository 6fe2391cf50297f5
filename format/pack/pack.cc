// SPDX-License-Identifier: Apache-2.0
#include "format/pack/pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>

#include "format/checksum.h"
#include "format/pack/coded_members.h"
#include "format/rounding.h"

namespace quire {
namespace {

// Why a file of this kind is no pack; empty for those that may be one.
std::string FaultOfKind(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFBLK:
      return {};
    case S_IFDIR:
      return "is a directory, not a pack; `quire pack` makes a pack of it";
    case S_IFIFO:
      return "is a FIFO, not a pack; write what comes out of it to a file first";
    case S_IFCHR:
      return "is a character device, not a pack";
    default:
      return "is a socket, not a pack";
  }
}

// Neither opens a device that might do something then, nor waits for the other end of a FIFO.
Result<File> OpenPackFile(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return SystemError(errno, "{}", path);
  const auto refuse_others = [&]() -> Result<void> {
    const std::string fault = FaultOfKind(status.st_mode);
    return fault.empty() ? Result<void>() : Corrupt("{}: {}", path, fault);
  };
  if (auto checked = refuse_others(); !checked) return Propagate(std::move(checked));
  auto file = File::Open(path, O_RDONLY | O_NONBLOCK);
  if (!file) return file;
  // It may have been replaced meanwhile.
  if (fstat(file->fd(), &status) != 0) return SystemError(errno, "{}", path);
  if (auto checked = refuse_others(); !checked) return Propagate(std::move(checked));
  if (fcntl(file->fd(), F_SETFL, 0) != 0)
    return SystemError(errno, "{}", path);  // io_uring would not wait for the disk
  return file;
}

// Of all volumes together: 2 PiB, for which a cache reserves some GiB of address space. Any number of volumes may name
// the same large file, which costs the maker of the pack nothing.
constexpr uint64_t kMaxPages = uint64_t{1} << 30;

Result<void> CheckLength(uint64_t size_bytes, const Superblock& superblock) {
  if (size_bytes >= superblock.pack_bytes) return {};
  return Corrupt("truncated: {} of {} bytes are there; copy or pack it again", size_bytes, superblock.pack_bytes);
}

}  // namespace

Result<std::unique_ptr<Pack>> Pack::Open(const std::string& path, uint64_t generation) {
  auto file = OpenPackFile(path);
  if (!file) return Propagate(std::move(file));
  struct stat status{};
  if (fstat(file->fd(), &status) != 0) return SystemError(errno, "{}", path);
  auto opened = std::unique_ptr<Pack>(new Pack(path, *std::move(file), nullptr));
  const auto size_bytes = opened->SizeBytes();
  if (!size_bytes) return std::unexpected(size_bytes.error());
  auto pack = Finish(std::move(opened), *size_bytes, generation);
  if (pack && !S_ISREG(status.st_mode)) (*pack)->trailing_bytes_ = 0;
  return pack;
}

Result<uint64_t> Pack::SizeBytes() const {
  if (bytes_ != nullptr) return bytes_->size_bytes();
  struct stat status{};
  if (fstat(file_.fd(), &status) != 0) return SystemError(errno, "{}", path_);
  // stat(2) knows no size of block devices.
  const off_t end = S_ISBLK(status.st_mode) ? lseek(file_.fd(), 0, SEEK_END) : status.st_size;
  return static_cast<uint64_t>(end);
}

std::unexpected<Error> Pack::InPack(Error error) const {
  error.message = fmt::format("{}: {}", path_, error.message);
  return std::unexpected(std::move(error));
}

Result<std::unique_ptr<Pack>> Pack::Open(std::unique_ptr<PackBytes> bytes, const std::string& path,
                                         uint64_t generation) {
  const uint64_t size_bytes = bytes->size_bytes();
  return Finish(std::unique_ptr<Pack>(new Pack(path, File(), std::move(bytes))), size_bytes, generation);
}

Result<std::unique_ptr<Pack>> Pack::Finish(std::unique_ptr<Pack> pack, uint64_t size_bytes, uint64_t generation) {
  auto chosen = pack->ReadSuperblock(size_bytes);
  if (!chosen) return pack->InPack(chosen.error());
  const Superblock& superblock = chosen->superblock;
  pack->trailing_bytes_ = size_bytes - superblock.pack_bytes;
  pack->slot_damage_ = std::move(chosen->damage);
  auto index = pack->OpenIndex(superblock);
  if (index && generation != 0 && generation != superblock.generation) {
    const Superblock* const older = (*index)->layers().FindGeneration(generation);
    if (older == nullptr)
      return MakeError(ErrorCode::kNotFound, "{}: has no generation {}; `quire generations` lists those from {} to {}",
                       pack->path_, generation, (*index)->layers()[0].superblock.generation, superblock.generation);
    index = pack->OpenIndex(Superblock(*older));
  }
  if (!index) return pack->InPack(index.error());
  pack->index_ = std::move(*index);
  return pack;
}

Result<std::unique_ptr<Index>> Pack::FindLater() const {
  return bytes_ == nullptr ? FindLaterInFile() : FindLaterInObject();
}

Result<std::unique_ptr<Index>> Pack::FindLaterInFile() const {
  const auto size_bytes = SizeBytes();
  if (!size_bytes) return std::unexpected(size_bytes.error());
  const auto chosen = ReadSuperblock(*size_bytes);
  if (!chosen) return InPack(chosen.error());
  return OpenLater(chosen->superblock);
}

// An object is replaced as a whole: what is there by now may be anything.
Result<std::unique_ptr<Index>> Pack::FindLaterInObject() const {
  std::vector<std::byte> head;
  const auto renewed = bytes_->Renew(2 * kSuperblockBytes, head);
  if (!renewed) return InPack(renewed.error());
  if (!*renewed) return nullptr;
  const auto take = [&]() -> Result<std::unique_ptr<Index>> {
    const auto chosen = ChooseSuperblock(head);
    if (!chosen) return InPack(chosen.error());
    if (auto whole = CheckLength(bytes_->size_bytes(), chosen->superblock); !whole) return InPack(whole.error());
    return OpenLater(chosen->superblock);
  };
  auto later = take();
  if (!later) bytes_->Refuse();
  return later;
}

Result<std::unique_ptr<Index>> Pack::OpenLater(const Superblock& superblock) const {
  if (superblock == this->superblock()) return nullptr;
  auto later = index_->OpenLater(superblock);
  if (!later) return InPack(later.error());
  return later;
}

Result<ChosenSuperblock> Pack::ReadSuperblock(uint64_t size_bytes) const {
  const auto choose = [&]() -> Result<ChosenSuperblock> {
    std::array<std::byte, 2 * kSuperblockBytes> slots = {};
    const auto got = ReadHead(slots, size_bytes);
    if (!got) return std::unexpected(got.error());
    return ChooseSuperblock(std::span(slots).first(*got));
  };
  auto chosen = choose();
  // What came wrong may have been harmed on its way only, and would hide the newer generation.
  if (chosen ? chosen->damage.has_value() : chosen.error().code == ErrorCode::kCorrupt) chosen = choose();
  if (chosen)
    if (auto whole = CheckLength(size_bytes, chosen->superblock); !whole) return Propagate(std::move(whole));
  return chosen;
}

Result<void> Pack::OpenVolumesOf(const Index& later) {
  const auto refuse = [&](uint64_t volume, std::string_view why) {
    return InPack(Unsupported("generation {}: volume {} {}", later.superblock().generation, volume, why).error());
  };
  for (uint64_t number = 0; number < later.volume_count(); ++number) {
    const auto volume = later.GetVolume(static_cast<uint16_t>(number));
    if (!volume) return InPack(volume.error());
    if (number >= volume_count()) {
      if (!volume->is_framed_here()) return refuse(number, "lies in another file");
      if (others_.size() == others_.capacity()) return refuse(number, "is one more than there is room for");
      others_.push_back({.record = *volume, .path = path_, .file = {}, .error = {}});
      decoded_.resize(number + 1);
      OpenFramed(static_cast<uint16_t>(number), later);
      volume_count_.store(static_cast<uint16_t>(number + 1), std::memory_order_release);
      continue;
    }
    auto now = number == 0 ? index_->GetVolume(0) : Result<Volume>(others_[number - 1].record);
    if (!now) return InPack(now.error());
    const bool has_shrunk = volume->data_end < now->data_end;
    if (number == 0 || volume->is_framed_here()) now->data_end = volume->data_end;
    if (has_shrunk || !(*now == *volume)) return refuse(number, "is another one than before");
    if (number == 0 || !volume->is_framed_here()) continue;
    others_[number - 1].record.data_end = volume->data_end;  // the rest of the record is being read
    if (decoded_[number] != nullptr)
      decoded_[number]->Grow(CodedMembers(later).FindAllAround(static_cast<uint16_t>(number)).second);
  }
  if (later.volume_count() < volume_count()) return refuse(later.volume_count(), "is missing");
  return {};
}

Result<std::unique_ptr<Index>> Pack::OpenIndex(const Superblock& superblock) const {
  BlockTree::FarReads far;
  if (PackBytes* const bytes = bytes_.get(); bytes != nullptr) {
    far.start_at = [bytes](uint64_t at, uint64_t length) { return bytes->StartRead(at, length); };
    far.distrust = [bytes](uint64_t at, uint64_t length) { bytes->Distrust(at, length); };
  }
  return Index::Open(superblock, [this](uint64_t at, std::span<std::byte> into) { return ReadIndex(at, into); }, far);
}

Result<size_t> Pack::ReadHead(std::span<std::byte> into, uint64_t size_bytes) const {
  if (bytes_ == nullptr) return file_.ReadUpTo(0, into);
  into = into.first(std::min<uint64_t>(into.size(), size_bytes));
  if (auto read = bytes_->Read(0, into); !read) return Propagate(std::move(read));
  return into.size();
}

void Pack::OpenVolumes(const VolumePlaces& places) {
  assert(others_.empty());
  const auto count = static_cast<uint16_t>(index_->volume_count() - 1);
  UseVolumes(OpenVolumeFiles(*index_, count, path_, places));
  uint64_t pages = 0;
  for (VolumeFile& volume : others_) {
    pages += CeilDiv(volume.record.data_end, kPageBytes);
    if (!volume.error && pages > kMaxPages)
      volume.error = Unsupported("'{}': with it the volumes have more than {} pages", volume.path, kMaxPages).error();
  }
  for (uint16_t volume = 1; volume < volume_count(); ++volume)
    if (IsDecoded(volume) && !others_[volume - 1].error) OpenDecoded(volume);
}

void Pack::UseVolumes(std::vector<VolumeFile> volumes) {
  others_ = std::move(volumes);
  others_.reserve(others_.size() + kMostFurtherVolumes);
  decoded_.reserve(1 + others_.capacity());
  decoded_.resize(1 + others_.size());
  volume_count_ = static_cast<uint16_t>(decoded_.size());
}

void Pack::OpenDecoded(uint16_t volume) {
  if (IsFramed(volume)) return OpenFramed(volume, *index_);
  const CodedMembers members(*index_);
  const auto own = members.FindAllOf(volume);
  if (!own) {
    others_[volume - 1].error = own.error();
    return;
  }
  decoded_[volume] = std::make_unique<DecodedVolume>(
      volume, own->first, own->second, [members](uint64_t number) { return members.Get(number); },
      [&file = FileOf(volume).file](uint64_t offset, std::span<std::byte> into) {
        return file.ReadExactly(offset, into);
      },
      long_members_);
}

void Pack::OpenFramed(uint16_t volume, const Index& index) {
  const auto [first, end] = CodedMembers(index).FindAllAround(volume);
  const CodedMembers members(*index_);
  if (dictionaries_ == nullptr) dictionaries_ = std::make_unique<Dictionaries>(*index_);
  FrameNeeds frames{.dictionaries = dictionaries_.get(),
                    .find_around = [members](uint64_t from, uint64_t to,
                                             uint64_t offset) { return members.FindAround(from, to, offset); },
                    .pass_bad = [members](uint64_t number) { return members.PassBad(number); }};
  const uint16_t base = others_[volume - 1].record.base;
  if (base == 0 && bytes_ != nullptr)
    frames.distrust = [bytes = bytes_.get()](uint64_t offset, uint64_t length) { bytes->Distrust(offset, length); };
  decoded_[volume] = std::make_unique<DecodedVolume>(
      volume, first, end, [members](uint64_t number) { return members.Get(number); },
      [this, base](uint64_t offset, std::span<std::byte> into) { return ReadRaw(base, offset, into); }, long_members_,
      std::move(frames));
}

bool Pack::has_decoded() const {
  return std::ranges::any_of(decoded_, [](const auto& volume) { return volume != nullptr; });
}

void Pack::CancelDecoding() const {
  for (uint16_t volume = 1; volume < volume_count(); ++volume)
    if (decoded_[volume] != nullptr) decoded_[volume]->Cancel();
}

bool Pack::has_other_files() const {
  for (uint64_t volume = 1; volume < index_->volume_count(); ++volume) {
    const auto record = index_->GetVolume(static_cast<uint16_t>(volume));
    if (!record || !record->is_framed_here()) return true;
  }
  return false;
}

const VolumeFile& Pack::FileOf(uint16_t volume) const {
  const VolumeFile& own = others_[volume - 1];
  return own.record.kind == VolumeKind::kDecoded ? others_[own.record.base - 1] : own;
}

Result<void> Pack::CheckVolume(uint16_t volume) const {
  if (volume == 0) return {};
  if (volume >= volume_count()) return Unsupported("volume {} is not open", volume);
  const VolumeFile& other = others_[volume - 1];
  return other.error ? std::unexpected(*other.error) : Result<void>();
}

Result<int> Pack::GetVolumeFd(uint16_t volume) const {
  if (volume == 0 && bytes_ != nullptr) return Unsupported("{}: is no file", path_);
  if (volume == 0) return file_.fd();
  if (auto checked = CheckVolume(volume); !checked) return Propagate(std::move(checked));
  if (IsDecoded(volume)) return Unsupported("volume {} has no file: it is decoded", volume);
  return others_[volume - 1].file.fd();
}

VolumeFds Pack::volume_fds() const {
  VolumeFds fds;
  for (uint16_t volume = 0; volume < volume_count(); ++volume) fds.push_back(GetVolumeFd(volume).value_or(-1));
  return fds;
}

const std::string& Pack::VolumePath(uint16_t volume) const {
  assert(volume < volume_count());
  return volume == 0 ? path_ : others_[volume - 1].path;
}

Result<void> Pack::ReadRaw(uint16_t volume, uint64_t offset, std::span<std::byte> into) const {
  if (volume == 0) return bytes_ == nullptr ? file_.ReadExactly(offset, into) : bytes_->Read(offset, into);
  if (auto checked = CheckVolume(volume); !checked) return checked;
  if (IsDecoded(volume)) return decoded_[volume]->Read(offset, into);
  return others_[volume - 1].file.ReadExactly(offset, into);
}

Result<void> Pack::ReadIndex(uint64_t offset, std::span<std::byte> into) const {
  auto read = ReadRaw(0, offset, into);
  if (!read && read.error().code == ErrorCode::kCorrupt) {
    read.error().code = ErrorCode::kSystem;
    read.error().system_errno = EIO;
  }
  return read;
}

Result<void> Pack::ReadExtent(const Extent& extent, std::span<std::byte> into) const {
  assert(into.size() == extent.length_bytes);
  if (auto read = ReadRaw(extent.volume, extent.offset, into); !read) return read;
  return CheckExtent(extent, into);
}

Result<void> Pack::CheckExtent(const Extent& extent, std::span<const std::byte> bytes) const {
  const SumKind kind = extent.volume == 0 ? SumKind::kXxh3 : others_[extent.volume - 1].record.sum_kind;
  if (kind == SumKind::kNone || (kind == SumKind::kCrc32 && extent.sum == kUnknownCrc32))
    return CheckUnchanged(FileOf(extent.volume));
  if (extent.sum == (kind == SumKind::kCrc32 ? Crc32(bytes) : Xxh3(bytes))) return {};
  return Corrupt("{} bytes at {} (page {}): checksum mismatch", extent.length_bytes, extent.offset,
                 extent.offset / kPageBytes);
}

}  // namespace quire
