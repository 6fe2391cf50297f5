// SPDX-License-Identifier: Apache-2.0
#include "format/import/archive_indexer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <deque>
#include <filesystem>
#include <utility>

#include "format/coding.h"
#include "format/import/archive_kind.h"
#include "format/import/beton_reader.h"
#include "format/import/extent_cutter.h"
#include "format/import/extent_sums.h"
#include "format/import/indexed_file.h"
#include "format/import/made_content.h"
#include "format/import/member_tree.h"
#include "format/import/sample_groups.h"
#include "format/import/tar_reader.h"
#include "format/import/zip_reader.h"
#include "format/import/zip_records.h"
#include "format/mutex.h"
#include "format/open_files.h"
#include "format/rounding.h"
#include "format/worker_pool.h"
#include "format/write/index_writer.h"
#include "format/write/leftovers.h"
#include "format/write/output_file.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

// Memory of the members of an archive that are read before its turn in the tree: all of a usual shard, 30,000 of some
// 250 bytes each. A hostile one may have a map of a million pieces in each.
constexpr size_t kMaxBytesAhead = 8 << 20;

size_t MemoryOf(const Member& member) {
  return sizeof(member) + member.path.size() + member.target.size() + member.xattrs.size() + member.content.size() +
         member.runs.size() * sizeof(MemberRun);
}

class Indexer {
 public:
  Indexer(const IndexArchivesOptions& options, OutputFile& output, const std::string& spool_folder)
      : options_(options),
        output_(output),
        pool_(options.jobs),
        tables_(spool_folder),
        tree_(tables_, spool_folder,
              [this](std::string_view path, std::string_view reason) { Tell("", path, reason); }),
        made_(output.file(), spool_folder) {}

  Result<IndexSummary> Run() {
    if (auto opened = OpenAll(); !opened) return Propagate(std::move(opened));
    auto read = pool_.ForEach(archives_.size(), [&](uint64_t number) { return ReadArchive(number); });
    if (!read) return Propagate(std::move(read));
    if (auto finished = tree_.Finish(); !finished) return Propagate(std::move(finished));
    if (options_.check_samples) CheckSamples();
    if (auto cut = CutExtents(); !cut) return Propagate(std::move(cut));
    if (options_.sums)
      if (auto summed = MakeSums(); !summed) return Propagate(std::move(summed));
    if (auto unchanged = CheckAllUnchanged(); !unchanged) return Propagate(std::move(unchanged));
    return Commit();
  }

 private:
  Result<void> OpenAll() {
    if (options_.archives.size() >= UINT16_MAX)
      return Unsupported("{} archives: an index has at most {}", options_.archives.size(), UINT16_MAX - 1);
    AllowOpen(options_.archives.size());
    tables_.volumes.push_back({.data_begin = kDataBegin, .data_end = kDataBegin});
    std::error_code error;
    const fs::path folder = fs::canonical(output_.folder(), error);
    if (error) return SystemError(error.value(), "{}", output_.folder());
    for (const ArchiveToIndex& archive : options_.archives) {
      auto opened = OpenIndexedFile(archive.path);
      if (!opened) return Propagate(std::move(opened));
      if (fs::equivalent(opened->real_path, options_.output, error))
        return Invalid("{}: is one of the archives, which stay as they are: name another file for the index",
                       options_.output);
      const std::string location = LocationOf(opened->real_path, folder.native());
      if (location.size() > kMaxPathBytes) return Unsupported("{}: its path is too long", archive.path);
      const auto offset = tables_.AddText(location);
      if (!offset) return std::unexpected(offset.error());
      opened->volume.location_bytes = static_cast<uint32_t>(location.size());
      opened->volume.location_offset = *offset;
      tables_.volumes.push_back(opened->volume);
      archives_.push_back(*std::move(opened));
    }
    return {};
  }

  // Members go into the tree in the order of the archives: those of a later one wait for its turn.
  Result<void> ReadArchive(uint64_t number) {
    auto read = ReadMembers(number);
    const MutexLock lock(mutex_);
    if (read) {
      ++turn_;
    } else if (!failure_) {
      failure_ = std::move(read).error();
      failure_->message = fmt::format("{}: {}", options_.archives[number].path, failure_->message);
    }
    turn_changed_.notify_all();
    ++options_.progress->archives_done;
    // Of those that it ended too, each tells the same: it is not known whose error the caller gets.
    return failure_ ? std::unexpected(*failure_) : Result<void>();
  }

  Result<void> ReadMembers(uint64_t number) {
    const IndexedFile& archive = archives_[number];
    auto reader = OpenArchive(
        archive.file, archive.volume.data_end,
        [&](std::string_view path, std::string_view reason) { Tell(options_.archives[number].path, path, reason); },
        options_.sample_template);
    if (!reader) return Propagate(std::move(reader));
    tables_.volumes[number + 1].sum_kind = (*reader)->sum_kind();
    std::deque<Member> ahead;
    size_t ahead_bytes = 0;
    Member member;
    while (true) {
      const auto more = (*reader)->Next(member);
      if (!more) return std::unexpected(more.error());
      if (options_.interrupted != nullptr && *options_.interrupted)
        return MakeError(ErrorCode::kInterrupted, "interrupted");
      const bool may_wait = *more && ahead_bytes < kMaxBytesAhead;
      const auto is_turn = AwaitTurn(number, may_wait);
      if (!is_turn) return std::unexpected(is_turn.error());
      if (*is_turn) {
        // Only the archive whose turn it is touches the tree.
        for (; !ahead.empty(); ahead.pop_front())
          if (auto added = AddMember(number, ahead.front()); !added) return added;
        if (*more)
          if (auto added = AddMember(number, member); !added) return added;
      } else {
        ahead_bytes += MemoryOf(member);
        ahead.push_back(std::move(member));
        member = {};
      }
      if (!*more) return {};
    }
  }

  // Whether it is the turn of archive `number`; waits until it is where it may not be put off.
  Result<bool> AwaitTurn(uint64_t number, bool may_wait) {
    MutexLock lock(mutex_);
    if (!may_wait) turn_changed_.wait(lock, [&]() QUIRE_REQUIRES(mutex_) { return turn_ == number || failure_; });
    if (failure_) return std::unexpected(*failure_);
    return turn_ == number;
  }

  Result<void> AddMember(uint64_t number, const Member& member) {
    ++options_.progress->members;
    std::optional<uint64_t> made;
    if (!member.content.empty()) {
      const auto added = made_.Add(member.content);
      if (!added) return std::unexpected(added.error());
      made = *added;
    }
    return tree_.Add(member, static_cast<uint16_t>(number + 1), options_.archives[number].top, made);
  }

  void CheckSamples() {
    std::vector<SampleGroups::Shard> shards;
    shards.reserve(options_.archives.size());
    for (const ArchiveToIndex& archive : options_.archives)
      shards.push_back({.path = archive.path, .top = archive.top});
    SampleGroups(tree_, std::move(shards),
                 [this](const std::string& shard, std::string_view member, std::string_view reason) {
                   Tell(shard, member, reason, /*is_served=*/true);
                 })
        .Check();
  }

  Result<void> CutExtents() {
    if (auto placed = PlaceMade(); !placed) return placed;
    ExtentCutter cutter(tables_);
    std::vector<NodeNumber> overlapping;
    auto cut = tree_.ForEachFile([&](const MemberTree::Content& file) -> Result<void> {
      const auto added = cutter.Add(file);
      if (!added) return std::unexpected(added.error());
      if (*added) return {};
      Tell(options_.archives[file.volume - 1].path, tables_.PathOf(file.node),
           "its bytes belong to another member too");
      overlapping.push_back(file.node);
      return {};
    });
    if (!cut) return cut;
    std::ranges::sort(overlapping);
    cut = tree_.ForEachFile([&](const MemberTree::Content& file) -> Result<void> {
      if (file.codec == Codec::kStored || std::ranges::binary_search(overlapping, file.node)) return {};
      return cutter.AddDecoded(file);
    });
    if (!cut) return cut;
    const std::vector<NodeNumber> links = tables_.HardLinksTo(overlapping);
    overlapping.insert(overlapping.end(), links.begin(), links.end());
    std::ranges::sort(overlapping);
    tables_.RemoveNodes(overlapping);
    return {};
  }

  void TellDamaged(const Extent& extent, std::string_view reason) {
    const Volume& volume = tables_.volumes[extent.volume];
    const uint16_t archive = volume.kind == VolumeKind::kDecoded ? volume.base : extent.volume;
    Tell(options_.archives[archive - 1].path, tables_.PathOf(extent.node), reason);
  }

  // Volume 0, whose extents stand before all others.
  Result<void> PlaceMade() {
    if (auto finished = made_.Finish(); !finished) return finished;
    tables_.volumes.front().data_end = made_.end();
    if (made_.end() == kDataBegin) return {};
    return tree_.PlaceMade([this](NodeNumber node, uint64_t number) { return made_.AddExtent(number, node, tables_); });
  }

  Result<void> MakeSums() {
    std::vector<ExtentSums::Archive> archives;
    archives.reserve(archives_.size());
    for (size_t i = 0; i < archives_.size(); ++i)
      archives.push_back({.file = &archives_[i].file, .path = options_.archives[i].path});
    ExtentSums sums(tables_, std::move(archives),
                    [this](const Extent& extent, std::string_view reason) { TellDamaged(extent, reason); });
    return sums.Make(pool_, *options_.progress, options_.interrupted);
  }

  // Headers that were read while an archive changed may say anything.
  Result<void> CheckAllUnchanged() const {
    for (uint64_t number = 0; number < archives_.size(); ++number)
      if (auto same = CheckSameState(archives_[number], options_.archives[number].path); !same) return same;
    return {};
  }

  Result<IndexSummary> Commit() {
    Superblock superblock;
    superblock.generation = 1;
    superblock.index_offset = AlignUp(made_.end(), kIndexAlign);
    superblock.order = PackOrder::kArchives;
    const MutexLock lock(faults_mutex_);
    superblock.left_out = left_out_;
    if (auto finished = FinishPack(tables_, superblock, options_.interrupted, output_); !finished)
      return Propagate(std::move(finished));
    return IndexSummary{.superblock = superblock, .directories = tables_.directories.size(), .faults = faults_};
  }

  void Tell(const std::string& archive, std::string_view member, std::string_view reason, bool is_served = false) {
    const MutexLock lock(faults_mutex_);
    if (!is_served) ++left_out_;
    if (++faults_ <= options_.fault_limit) options_.on_fault(archive, member, reason);
  }

  const IndexArchivesOptions& options_;
  OutputFile& output_;
  WorkerPool pool_;
  IndexTables tables_;
  MemberTree tree_;  // of the archive whose turn it is, as made_
  MadeContent made_;
  std::vector<IndexedFile> archives_;

  Mutex mutex_;
  ConditionVariable turn_changed_;
  uint64_t turn_ QUIRE_GUARDED_BY(mutex_) = 0;             // of the first archive that was not read whole
  std::optional<Error> failure_ QUIRE_GUARDED_BY(mutex_);  // the first one, which ends all

  Mutex faults_mutex_;  // held while a fault is told
  uint64_t faults_ QUIRE_GUARDED_BY(faults_mutex_) = 0;
  uint64_t left_out_ QUIRE_GUARDED_BY(faults_mutex_) = 0;  // of those
};

}  // namespace

Result<std::unique_ptr<ArchiveReader>> OpenArchive(const File& file, uint64_t size_bytes,
                                                   ArchiveReader::OnFault on_fault, std::string_view sample_template) {
  auto names = SampleTemplate::Parse(sample_template);
  if (!names) return Propagate(std::move(names));
  // A zip is known by its end, which may be that of a tar's last member: what begins as a tar is one.
  auto tar = TarReader::Open(file, size_bytes, on_fault);
  if (tar || tar.error().code != ErrorCode::kCorrupt) return tar;
  auto beton = BetonReader::Open(file, size_bytes, *std::move(names), on_fault);
  if (beton || beton.error().code != ErrorCode::kCorrupt) return beton;
  auto zip = ZipReader::Open(file, size_bytes, std::move(on_fault));
  if (zip || zip.error().code != ErrorCode::kCorrupt) return zip;
  std::array<std::byte, 4> signature = {};
  if (const auto got = file.ReadUpTo(0, signature); !got) return std::unexpected(got.error());
  if (LoadUint<4>(signature, 0) == kZipLocalSignature)
    return Unsupported("this zip cannot be read: {}", zip.error().message);
  const auto kind = FindArchiveKind(file);
  if (!kind) return std::unexpected(kind.error());
  if (!kind->empty())
    return Unsupported(
        "this is {}, whose members cannot be read where they lie: `quire pack --from` makes a pack of it", *kind);
  return Corrupt(
      "this is no archive that can be read where it lies: neither a tar ({}) nor a zip ({}) nor a .beton ({})",
      tar.error().message, zip.error().message, beton.error().message);
}

Result<IndexSummary> IndexArchives(const IndexArchivesOptions& options) {
  assert(!options.archives.empty() && options.progress != nullptr);
  auto output = OutputFile::Create(options.output, options.replace);
  if (!output) return Propagate(std::move(output));
  const std::string folder = options.spool_folder.empty() ? (*output)->folder() : options.spool_folder;
  for (const std::string& sentence : RemoveLeftovers({(*output)->folder(), folder})) options.on_leftover(sentence);
  return Indexer(options, **output, folder).Run();
}

}  // namespace quire
