// SPDX-License-Identifier: Apache-2.0
// A pack opened for reading: its file, superblock and index, and the bytes of its volumes. Thread-safe. One that grows
// can be followed: FindLater, OpenVolumesOf and Adopt put a later generation in the place of the one that is open,
// while others read.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/pack/decoded_volume.h"
#include "format/pack/index.h"
#include "format/pack/pack_bytes.h"
#include "format/pack/volume_files.h"
#include "format/result.h"

namespace quire {

class Pack {
 public:
  // Reads the superblocks and nothing else, and waits for nobody: what is neither a file nor a block device is refused.
  // Errors name `path`. `generation`: the one that is read; 0 is the newest. kNotFound where the pack does not have it.
  static Result<std::unique_ptr<Pack>> Open(const std::string& path, uint64_t generation = 0);

  // The same of a pack that is no file of this machine. `path`: what it is called.
  static Result<std::unique_ptr<Pack>> Open(std::unique_ptr<PackBytes> bytes, const std::string& path,
                                            uint64_t generation = 0);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Index& index() const { return *index_; }
  [[nodiscard]] const Superblock& superblock() const { return index_->superblock(); }
  // What is wrong with the superblock slot that was not taken; empty where nothing is.
  [[nodiscard]] const std::optional<std::string>& slot_damage() const { return slot_damage_; }
  // Bytes of the file behind the pack's end, which are no part of it. 0 of a block device, which is as large as it is.
  [[nodiscard]] uint64_t trailing_bytes() const { return trailing_bytes_; }
  // What it was opened with, where it is no file.
  [[nodiscard]] PackBytes* bytes() const { return bytes_.get(); }

  // Opens the other volumes, whose samples cannot be read before. GetVolumeFd tells what keeps one from being opened.
  // Blocks in I/O. REQUIRES: nobody else uses the pack yet.
  void OpenVolumes(const VolumePlaces& places);
  // In place of OpenVolumes: takes volumes 1 and up, which the caller has open, as they are. REQUIRES: nobody else uses
  // the pack yet.
  void UseVolumes(std::vector<VolumeFile> volumes);
  // Those that were opened, and those that could not be; at least volume 0.
  [[nodiscard]] uint16_t volume_count() const { return volume_count_.load(std::memory_order_acquire); }
  // Why the bytes of a volume cannot be had; no error where they can.
  [[nodiscard]] Result<void> CheckVolume(uint16_t volume) const;
  // Whether its bytes are decoded from those of another volume: it has no file. REQUIRES: volume < volume_count().
  [[nodiscard]] bool IsDecoded(uint16_t volume) const {
    return volume > 0 && others_[volume - 1].record.kind == VolumeKind::kDecoded;
  }
  [[nodiscard]] bool has_decoded() const;
  // Whether it is compressed samples of a pack, in frames. REQUIRES: volume < volume_count().
  [[nodiscard]] bool IsFramed(uint16_t volume) const { return volume > 0 && others_[volume - 1].record.is_framed(); }
  // Of the pack itself. REQUIRES: as of IsFramed.
  [[nodiscard]] bool IsFramedHere(uint16_t volume) const {
    return volume > 0 && others_[volume - 1].record.is_framed_here();
  }
  // Whether it is more than the pack itself: an index of archives, which are other files.
  [[nodiscard]] bool has_other_files() const;
  // What is read at `offset` of a decoded volume; decoded_volume.h says what of it. REQUIRES: it can be had.
  [[nodiscard]] std::optional<uint64_t> FindLongMember(uint16_t volume, uint64_t offset) const {
    return decoded_[volume]->FindLong(offset);
  }
  // The coded member that the byte at `offset` of a decoded volume is of. REQUIRES: as of FindLongMember.
  [[nodiscard]] Result<std::optional<CodedMember>> FindMember(uint16_t volume, uint64_t offset) const {
    return decoded_[volume]->FindMember(offset);
  }
  // Ends all reads of decoded volumes, for good.
  void CancelDecoding() const;

  // --- A pack that grows. One thread at a time may call these.

  // The index of a later generation than index(), where there is one by now; else null. Reads the superblocks, and
  // blocks in I/O. kInvalid where what lies there does not go on from index(). Of a pack that is no file, what is read
  // from then on is of the object that is there by now.
  [[nodiscard]] Result<std::unique_ptr<Index>> FindLater() const;
  // Opens the volumes that `later` has beside those that are open. kUnsupported where it has changed one of these, or
  // one that it adds lies in another file. REQUIRES: FindLater gave `later`.
  Result<void> OpenVolumesOf(const Index& later);
  // From now on index() is the generation that `later` was, and `later` is the one before. REQUIRES: its volumes were
  // opened.
  void Adopt(Index& later) { index_->Swap(later); }

  // The file of a volume that has one, or why there is none.
  [[nodiscard]] Result<int> GetVolumeFd(uint16_t volume) const;
  [[nodiscard]] VolumeFds volume_fds() const;
  // A name for messages. REQUIRES: volume < volume_count().
  [[nodiscard]] const std::string& VolumePath(uint16_t volume) const;

  // Fills `into` with the bytes of `extent` and checks them. Blocks in I/O.
  // REQUIRES: into.size() == extent.length_bytes.
  Result<void> ReadExtent(const Extent& extent, std::span<std::byte> into) const;

  // kCorrupt where `bytes` are not those of `extent`: by its sum, or where its volume has none because the file has
  // changed. REQUIRES: `bytes` were read from the volume that GetVolumeFd gave.
  [[nodiscard]] Result<void> CheckExtent(const Extent& extent, std::span<const std::byte> bytes) const;

  // Fills `into` with bytes of a volume as they are on disk, or as they are decoded, unchecked. Blocks in I/O.
  // REQUIRES: inside the volume.
  Result<void> ReadRaw(uint16_t volume, uint64_t offset, std::span<std::byte> into) const;

 private:
  // As ReadRaw. Bytes that are cut off are not damaged: they could not be read, and may come back.
  Result<void> ReadIndex(uint64_t offset, std::span<std::byte> into) const;

  Pack(std::string path, File file, std::unique_ptr<PackBytes> bytes)
      : path_(std::move(path)), file_(std::move(file)), bytes_(std::move(bytes)) {}
  // Opens the index. `size_bytes`: of what the pack lies in.
  static Result<std::unique_ptr<Pack>> Finish(std::unique_ptr<Pack> pack, uint64_t size_bytes, uint64_t generation);
  [[nodiscard]] Result<std::unique_ptr<Index>> OpenIndex(const Superblock& superblock) const;
  // The first bytes of the pack, as many as there are.
  Result<size_t> ReadHead(std::span<std::byte> into, uint64_t size_bytes) const;

  const std::string path_;
  const File file_;  // open where there are no bytes_
  const std::unique_ptr<PackBytes> bytes_;
  uint64_t trailing_bytes_ = 0;
  std::optional<std::string> slot_damage_;
  std::unique_ptr<Index> index_;
  void OpenDecoded(uint16_t volume);
  // By the records of `index`.
  void OpenFramed(uint16_t volume, const Index& index);
  // Reads the superblocks and chooses one of them. `size_bytes`: of what the pack lies in.
  [[nodiscard]] Result<ChosenSuperblock> ReadSuperblock(uint64_t size_bytes) const;
  [[nodiscard]] Result<uint64_t> SizeBytes() const;
  // As FindLater.
  [[nodiscard]] Result<std::unique_ptr<Index>> FindLaterInFile() const;
  [[nodiscard]] Result<std::unique_ptr<Index>> FindLaterInObject() const;
  [[nodiscard]] Result<std::unique_ptr<Index>> OpenLater(const Superblock& superblock) const;
  // An error that says which pack it is about.
  [[nodiscard]] std::unexpected<Error> InPack(Error error) const;
  // The file that volume `volume`, which is not the pack itself and does not lie in it, lies in.
  [[nodiscard]] const VolumeFile& FileOf(uint16_t volume) const;

  // Those that later generations add are put behind the others while these are read, so both vectors have room for
  // some from the start, and volume_count_ tells who may read which.
  static constexpr size_t kMostFurtherVolumes = kMaxLayers;
  std::atomic<uint16_t> volume_count_ = 1;
  std::vector<VolumeFile> others_;  // volumes 1 and up
  LongMembers long_members_;
  std::unique_ptr<Dictionaries> dictionaries_;           // where samples of packs are compressed
  std::vector<std::unique_ptr<DecodedVolume>> decoded_;  // by volume; null where it is not decoded
};

}  // namespace quire
