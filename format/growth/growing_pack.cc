// SPDX-License-Identifier: Apache-2.0
#include "format/growth/growing_pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "format/growth/locked_pack.h"
#include "format/rounding.h"
#include "format/write/index_writer.h"

namespace quire {
namespace {

// What this release cannot continue.
Result<void> CheckGrows(const Pack& pack) {
  const Superblock& superblock = pack.superblock();
  const std::string& path = pack.path();
  if (superblock.append_features != 0 || superblock.has_unknown_sections)
    return Unsupported("{}: a newer release has added what this one cannot continue; use a newer quire", path);
  if (pack.index().layers().size() >= kMaxLayers)
    return Unsupported(
        "{}: has {} generations, and no pack has more in one file; `quire compact --in-place {}` makes "
        "one of them",
        path, pack.index().layers().size(), path);
  if (pack.has_other_files())
    return Unsupported(
        "{}: is an index of archives, whose samples lie in other files; make a pack of its own with "
        "`quire pack --from {} -o NEW`, which can grow",
        path, path);
  if (pack.volume_count() > kFramedVolume + 1)
    return Unsupported(
        "{}: has {} volumes, and what grows has at most one beside itself; `quire compact {} -o NEW` makes "
        "a pack that can grow",
        path, pack.volume_count(), path);
  return {};
}

Result<SamplePlaces> FindPlaces(const Pack& pack) {
  SamplePlaces places{.begin = AlignUp(pack.superblock().pack_bytes, kIndexAlign), .pages_align = kPageBytes};
  for (uint16_t number = 0; number < pack.volume_count(); ++number) {
    const auto volume = pack.index().GetVolume(number);
    if (!volume) return std::unexpected(volume.error());
    if (number == kFramedVolume) places.decoded_begin = AlignUp(volume->data_end, kPageBytes);
  }
  places.most_dictionaries -=
      std::min(places.most_dictionaries, size_t{pack.index().layers().count(Section::kDictionaries)});
  return places;
}

uint64_t Now() {
  struct timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return EncodeMtime(now);
}

}  // namespace

Result<std::unique_ptr<GrowingPack>> GrowingPack::Open(const std::string& path) {
  auto locked = OpenLocked(path);
  if (!locked) return Propagate(std::move(locked));
  auto& [file, pack] = *locked;
  if (auto grows = CheckGrows(*pack); !grows) return Propagate(std::move(grows));
  pack->OpenVolumes({});
  const auto places = FindPlaces(*pack);
  if (!places) return std::unexpected(places.error());
  // What a writer that died has left is nobody's.
  if (pack->trailing_bytes() > 0 && ftruncate(file.fd(), static_cast<off_t>(pack->superblock().pack_bytes)) != 0)
    return SystemError(errno, "{}: cutting off what lies behind its last generation", path);
  return std::unique_ptr<GrowingPack>(new GrowingPack(std::move(file), std::move(pack), *places));
}

GrowingPack::~GrowingPack() {
  const auto pack_bytes = static_cast<off_t>(pack_->superblock().pack_bytes);
  struct stat status{};
  if (may_be_committed_ || fstat(file_.fd(), &status) != 0 || status.st_size == pack_bytes) return;
  // What cannot be cut off is cut off by the next writer.
  [[maybe_unused]] const int done = ftruncate(file_.fd(), pack_bytes);
}

Result<void> GrowingPack::Preallocate(uint64_t data_begin, uint64_t data_end) const {
  if (fallocate(file_.fd(), 0, static_cast<off_t>(data_begin), static_cast<off_t>(data_end - data_begin)) == 0)
    return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return {};  // the writes will tell
  return SystemError(errno, "{}: taking {} bytes for new samples", pack_->path(), data_end - data_begin);
}

Result<void> GrowingPack::SetLayers(IndexTables& tables) const {
  const IndexLayer& newest = index().layers().newest();
  std::array<std::byte, kSuperblockBytes> slot = {};
  if (auto read = file_.ReadExactly(SuperblockOffset(newest.superblock.generation), slot); !read) return read;
  const auto now = DecodeSuperblock(slot);
  if (!now || !(*now == newest.superblock))
    return Corrupt("{}: its superblock was changed by another program meanwhile; nothing was committed", pack_->path());
  LayerRecord own = {};
  std::ranges::copy(LayerOf(slot), own.begin());
  tables.layers.push_back(own);
  for (uint64_t i = 0; i < newest.superblock.records(Section::kLayers); ++i) {
    const auto record = newest.blocks->Touch(newest.OffsetOf(Section::kLayers, i), kLayerBytes);
    if (!record) return std::unexpected(record.error());
    LayerRecord below = {};
    std::ranges::copy(*record, below.begin());
    tables.layers.push_back(below);
  }
  return {};
}

Result<void> GrowingPack::SetVolumes(IndexTables& tables, const WrittenSamples& written) const {
  for (uint16_t number = 0; number < pack_->volume_count(); ++number) {
    const auto volume = index().GetVolume(number);
    if (!volume) return std::unexpected(volume.error());
    tables.volumes.push_back(*volume);
  }
  if (written.data_end > written.data_begin) tables.volumes[0].data_end = written.data_end;
  if (!written.coded_end) return {};
  tables.volumes.resize(kFramedVolume);
  tables.volumes.push_back(FramedVolume(written.decoded_end));
  return {};
}

// What was counted began with what the superblock before told, which may lie.
Result<void> GrowingPack::CheckReadable(const Superblock& superblock, const IndexTables& tables) const {
  std::array<std::byte, kSuperblockBytes> slot = {};
  EncodeSuperblock(superblock, slot);
  const auto decoded = DecodeSuperblock(slot);
  const auto readable = decoded ? CheckCounts(*decoded, first(Section::kNodes) + tables.nodes.size(),
                                              first(Section::kExtents) + tables.extents.size())
                                : std::unexpected(decoded.error());
  if (readable) return {};
  return Corrupt(
      "{}: no reader would open its next generation: {}; nothing was committed. `quire verify` tells what is wrong",
      pack_->path(), readable.error().message);
}

Result<Superblock> GrowingPack::Commit(IndexTables& tables, const WrittenSamples& written, Superblock counts) {
  if (auto set = SetLayers(tables); !set) return Propagate(std::move(set));
  if (auto set = SetVolumes(tables, written); !set) return Propagate(std::move(set));
  const Superblock& before = pack_->superblock();
  Superblock superblock = counts;
  superblock.generation = before.generation + 1;
  const uint64_t pages_end = written.data_end > written.data_begin ? written.data_end : 0;
  superblock.index_offset =
      AlignUp(std::max({before.pack_bytes, pages_end, written.coded_end.value_or(0)}), kIndexAlign);
  if (superblock.index_offset > kMaxVolumeBytes)
    return Unsupported("{}: would be longer than {} bytes, which a pack may have", pack_->path(), kMaxVolumeBytes);
  superblock.minor = kFormatMinor;
  superblock.commit_time = Now();
  Superblock own = superblock;  // the writer counts the records of the layer, not those of the tree
  if (auto done = WriteIndex(tables, file_, own); !done) return Propagate(std::move(done));
  own.samples = counts.samples;
  own.symlinks = counts.symlinks;
  own.hard_links = counts.hard_links;
  own.sample_bytes = counts.sample_bytes;
  own.stored_bytes = before.stored_bytes + counts.stored_bytes;
  if (auto readable = CheckReadable(own, tables); !readable) return Propagate(std::move(readable));
  may_be_committed_ = true;
  if (auto committed = CommitGeneration(file_, own); !committed) return Propagate(std::move(committed));
  return own;
}

}  // namespace quire
