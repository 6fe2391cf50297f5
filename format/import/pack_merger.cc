// SPDX-License-Identifier: Apache-2.0
#include "format/import/pack_merger.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <limits>
#include <memory>
#include <utility>

#include "format/checksum.h"
#include "format/import/indexed_file.h"
#include "format/import/merged_contents.h"
#include "format/import/merged_tree.h"
#include "format/open_files.h"
#include "format/pack/coded_members.h"
#include "format/pack/dictionaries.h"
#include "format/pack/pack.h"
#include "format/write/index_writer.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

// What a pack's numbers become in the index.
struct PackInIndex {
  IndexedFile file;
  std::unique_ptr<Pack> pack;
  bool is_volume = true;      // else all of its bytes lie in files that it indexes
  uint64_t first_volume = 0;  // what volume 0 is, or would be
};

// Whether samples have bytes in the pack itself, and not only in files that it indexes.
bool HoldsBytes(const Pack& pack) {
  const auto own = pack.index().GetVolume(0);
  if (!own || own->data_end > kDataBegin) return true;
  for (uint16_t volume = 1; volume < pack.volume_count(); ++volume)
    if (pack.IsFramedHere(volume)) return true;
  return false;
}

class Merger {
 public:
  Merger(const MergePacksOptions& options, OutputFile& output)
      : options_(options), output_(output), tables_(options.spool_folder) {}

  Result<MergeSummary> Run() {
    if (auto opened = OpenAll(); !opened) return Propagate(std::move(opened));
    std::vector<MergedTree::Source> sources;
    sources.reserve(packs_.size());
    for (size_t i = 0; i < packs_.size(); ++i)
      sources.push_back(
          {.index = &packs_[i].pack->index(), .path = options_.packs[i].path, .top = options_.packs[i].top});
    MergedTree tree(tables_, std::move(sources), options_.spool_folder, *options_.entries, options_.interrupted);
    if (auto built = tree.Build(); !built) return Propagate(std::move(built));
    tables_.volumes.push_back({.data_begin = kDataBegin, .data_end = kDataBegin});
    for (size_t i = 0; i < packs_.size(); ++i) {
      auto taken = Take(i, tree);
      if (!taken) {
        taken.error().message = fmt::format("{}: {}", options_.packs[i].path, taken.error().message);
        return Propagate(std::move(taken));
      }
    }
    for (size_t i = 0; i < packs_.size(); ++i)
      if (auto same = CheckSameState(packs_[i].file, options_.packs[i].path); !same) return Propagate(std::move(same));
    return Commit();
  }

 private:
  Result<void> OpenAll() {
    std::error_code error;
    folder_ = fs::canonical(output_.folder(), error).native();
    if (error) return SystemError(error.value(), "{}", output_.folder());
    AllowOpen(options_.packs.size() * 2);
    uint64_t volumes = 1;
    for (const PackToMerge& wanted : options_.packs) {
      if (auto rested = Rest(); !rested) return rested;
      auto pack = Pack::Open(wanted.path);
      if (!pack) return Propagate(std::move(pack));
      auto file = OpenIndexedFile(wanted.path);  // the same one: SetLocation
      if (!file) return Propagate(std::move(file));
      // Nobody may read through the index what the pack itself may not read.
      (*pack)->OpenVolumes(options_.places);
      if (auto had = CheckVolumes(**pack); !had) return had;
      const Index& index = (*pack)->index();
      const bool is_volume = HoldsBytes(**pack);
      if (!is_volume) --volumes;
      packs_.push_back(
          {.file = *std::move(file), .pack = *std::move(pack), .is_volume = is_volume, .first_volume = volumes});
      volumes += index.volume_count();
      if (volumes > UINT16_MAX)
        return Unsupported(
            "{}: with it the packs have more than {} volumes, and an index has no room for them: copy some of the "
            "packs "
            "into one by --copy first",
            wanted.path, UINT16_MAX - 1);
    }
    return {};
  }

  // Whether all are there, and none of them, which stay as they are, is what the output replaces.
  Result<void> CheckVolumes(const Pack& pack) const {
    for (uint16_t volume = 0; volume < pack.volume_count(); ++volume) {
      if (auto had = pack.CheckVolume(volume); !had) {
        had.error().message = fmt::format("{}: {}", pack.path(), had.error().message);
        return had;
      }
      const auto fd = pack.GetVolumeFd(volume);  // of a decoded one there is none
      std::error_code error;
      if (fd && fs::equivalent(ProcPath(*fd), options_.output, error))
        return Invalid("-o {}: is one of the packs, or a file that one of them indexes: name another", options_.output);
    }
    return {};
  }

  // The records of pack `number` that are no nodes.
  Result<void> Take(size_t number, const MergedTree& tree) {
    const PackInIndex& from = packs_[number];
    if (auto taken = TakeVolumes(from); !taken) return taken;
    MergedContents contents(
        from.pack->index(), from.first_volume, [&](NodeNumber node) { return tree.Find(number, node); },
        [this] { return Rest(); }, tables_, options_.spool_folder);
    if (auto taken = contents.Take(); !taken) return taken;
    return TakeMembers(from);
  }

  Result<void> TakeVolumes(const PackInIndex& from) {
    const Index& index = from.pack->index();
    for (uint16_t i = from.is_volume ? 0 : 1; i < from.pack->volume_count(); ++i) {
      const auto record = index.GetVolume(i);
      if (!record) return std::unexpected(record.error());
      Volume volume = *record;
      if (i == 0) {
        volume.kind = VolumeKind::kFile;
        volume.identity_kind = from.file.volume.identity_kind;
        volume.identity = from.file.volume.identity;
      }
      if (volume.kind == VolumeKind::kDecoded) {
        volume.base = static_cast<uint16_t>(from.first_volume + volume.base);
      } else {
        if (auto named = SetLocation(*from.pack->GetVolumeFd(i), volume); !named) return named;
      }
      tables_.volumes.push_back(volume);
    }
    return {};
  }

  // Of the file that was opened, and so may be read, whatever its path leads to by now.
  Result<void> SetLocation(int fd, Volume& volume) {
    std::error_code error;
    const fs::path real = fs::read_symlink(ProcPath(fd), error);
    if (error || !fs::equivalent(real, ProcPath(fd), error))
      return MakeError(ErrorCode::kSystem, "'{}': was moved or replaced meanwhile", real.native());
    const std::string relative = LocationOf(real.native(), folder_);
    if (relative.starts_with('/')) ++outside_;
    const std::string& location = options_.are_locations_absolute ? real.native() : relative;
    if (location.size() > kMaxPathBytes) return Unsupported("'{}': its path is too long", location);
    const auto offset = tables_.AddText(location);
    if (!offset) return std::unexpected(offset.error());
    volume.location_bytes = static_cast<uint32_t>(location.size());
    volume.location_offset = *offset;
    return {};
  }

  Result<void> TakeMembers(const PackInIndex& from) {
    const Index& index = from.pack->index();
    // Record 0 of each pack stands for none, and the index has it once.
    const uint64_t before = std::max<uint64_t>(tables_.dictionaries.size(), 1) - 1;
    if (index.has_frames() && tables_.dictionaries.empty()) tables_.dictionaries.emplace_back();
    for (uint64_t i = 1; i < index.dictionary_count(); ++i) {
      if (tables_.dictionaries.size() == kMaxDictionaries)
        return Unsupported(
            "with it there are more than {} dictionaries: copy some of the packs into one by --copy first",
            kMaxDictionaries - 1);
      const auto bytes = ReadDictionary(index, i);
      if (!bytes) return std::unexpected(bytes.error());
      tables_.dictionaries.push_back({.offset = tables_.dictionary_bytes.size(),
                                      .bytes = static_cast<uint32_t>(bytes->size()),
                                      .sum = Xxh3(*bytes)});
      tables_.dictionary_bytes.insert(tables_.dictionary_bytes.end(), bytes->begin(), bytes->end());
    }
    const CodedMembers members(index);
    for (uint64_t i = 0; i < members.count(); ++i) {
      if (auto rested = Rest(); !rested) return rested;
      auto member = members.Get(i);
      if (!member) return std::unexpected(member.error());
      member->volume = static_cast<uint16_t>(from.first_volume + member->volume);
      if (member->dictionary > 0) member->dictionary = static_cast<uint8_t>(before + member->dictionary);
      if (auto added = tables_.coded_members.Append(*member); !added) return added;
    }
    return {};
  }

  // Between records, of which there may be many.
  Result<void> Rest() {
    if (resident_.IsReached()) tables_.LetGo();
    if (options_.interrupted != nullptr && options_.interrupted->load(std::memory_order_relaxed))
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    return {};
  }

  Result<MergeSummary> Commit() {
    Superblock superblock;
    superblock.generation = 1;
    superblock.index_offset = kDataBegin;
    superblock.order = PackOrder::kArchives;
    // Not what packs are without, which is no member of an archive.
    for (const PackInIndex& from : packs_)
      if (const Superblock& pack = from.pack->superblock(); pack.order == PackOrder::kArchives)
        superblock.left_out += std::min(pack.left_out, std::numeric_limits<uint64_t>::max() - superblock.left_out);
    if (auto written = WriteIndex(tables_, output_.file(), superblock); !written) return Propagate(std::move(written));
    if (auto committed = CommitGeneration(output_.file(), superblock); !committed)
      return Propagate(std::move(committed));
    return MergeSummary{.superblock = superblock, .directories = tables_.directories.size(), .outside = outside_};
  }

  const MergePacksOptions& options_;
  OutputFile& output_;
  IndexTables tables_;
  std::vector<PackInIndex> packs_;
  std::string folder_;  // of the index, absolute and without symlinks
  uint64_t outside_ = 0;
  ResidentLimit resident_;
};

}  // namespace

Result<MergeSummary> MergePacks(const MergePacksOptions& options, OutputFile& output) {
  assert(!options.packs.empty() && options.entries != nullptr);
  return Merger(options, output).Run();
}

}  // namespace quire
