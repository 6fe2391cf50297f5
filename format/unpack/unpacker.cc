// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/unpacker.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "format/import/archive_indexer.h"
#include "format/import/extent_cutter.h"
#include "format/import/member_tree.h"
#include "format/open_files.h"
#include "format/unpack/archive_form.h"
#include "format/unpack/gzip_sums.h"
#include "format/unpack/libarchive_reader.h"
#include "format/unpack/unpacked_file.h"
#include "format/write/index_writer.h"
#include "format/write/output_file.h"
#include "format/write/source_identity.h"

namespace quire {
namespace {

struct Source {
  File file;
  SourceIdentity identity;
  ArchiveForm form;
  std::optional<UnpackedFile> decompressed;  // of one that is compressed as a whole
  std::optional<UnpackedFile> members;       // of one whose members libarchive tells
  GzipSums gzip_sums;                        // of what was decompressed
  std::string damage;                        // why it could not be decompressed to its end
  bool is_lost = false;                      // by that damage nothing of it can be trusted

  // What the reader of its members reads.
  [[nodiscard]] const File& archive() const { return decompressed ? decompressed->file() : file; }
  [[nodiscard]] uint64_t archive_bytes() const {
    return decompressed ? decompressed->size_bytes() : identity.size_bytes;
  }
  // Where the bytes of the members lie.
  [[nodiscard]] uint64_t volume_bytes() const { return members ? members->size_bytes() : archive_bytes(); }
  File TakeVolume() {
    if (members) return members->TakeFile();
    return decompressed ? decompressed->TakeFile() : std::move(file);
  }
};

class Unpacker {
 public:
  Unpacker(const UnpackOptions& options, WorkerPool& pool)
      : options_(options),
        pool_(pool),
        sources_(options.paths.size()),
        tables_(options.folder),
        tree_(tables_, options.folder, [this](std::string_view path, std::string_view reason) {
          options_.on_notice(ArchiveOfMember(), path, reason);
        }) {}

  Result<std::unique_ptr<Pack>> Run() {
    // The archive, and twice what it is unpacked to: by this, and by the pack.
    AllowOpen(3 * sources_.size());
    auto done = ForEachSource([this](size_t number) { return Open(number); });
    // What is compressed is decompressed at once, as far as there are processors.
    if (done)
      done = pool_.ForEach(sources_.size(), [this](uint64_t number) { return Named(number, Decompress(number)); });
    if (done) done = ForEachSource([this](size_t number) { return ReadMembers(number); });
    if (done) done = ForEachSource([this](size_t number) { return CheckArchiveUnchanged(number); });
    if (done) done = tree_.Finish();
    if (done) done = CutExtents();
    if (!done) return Propagate(std::move(done));
    return OpenAsPack();
  }

 private:
  template <typename Body>
  Result<void> ForEachSource(const Body& body) {
    for (number_ = 0; number_ < sources_.size(); ++number_)
      if (auto done = Named(number_, body(number_)); !done) return done;
    return {};
  }

  // What is found when all members are there is of one archive only where there is one.
  [[nodiscard]] std::string ArchiveOfMember() const {
    if (number_ < sources_.size()) return options_.paths[number_];
    return sources_.size() == 1 ? options_.paths.front() : "";
  }

  Result<void> Named(size_t number, Result<void> done) const {
    if (!done && done.error().code != ErrorCode::kInterrupted)
      done.error().message = fmt::format("{}: {}", options_.paths[number], done.error().message);
    return done;
  }

  Result<void> Open(size_t number) {
    Source& source = sources_[number];
    const std::string& path = options_.paths[number];
    std::error_code error;
    // Neither a device nor a FIFO is opened.
    if (!std::filesystem::is_regular_file(path, error)) return Invalid("is no regular file");
    auto file = File::Open(path, O_RDONLY);
    if (!file) return MakeError(ErrorCode::kSystem, "{}", ReasonOf(file.error().system_errno));
    struct stat status{};
    if (fstat(file->fd(), &status) != 0) return SystemError(errno, "fstat");
    source.file = *std::move(file);
    source.identity = IdentityOf(status);
    const auto form = FindArchiveForm(source.file, source.identity.size_bytes);
    if (!form) return std::unexpected(form.error());
    source.form = *form;
    if (form->reader == ArchiveForm::Reader::kNone) return Corrupt("is neither a pack nor an archive");
    if (form->is_unpacked() && options_.bytes_total != nullptr) *options_.bytes_total += source.identity.size_bytes;
    if (form->is_compressed)
      if (auto made = MakeFile(source.decompressed); !made) return made;
    return form->reader == ArchiveForm::Reader::kMembers ? MakeFile(source.members) : Result<void>();
  }

  Result<void> MakeFile(std::optional<UnpackedFile>& into) const {
    auto file = UnpackedFile::Create(options_.folder);
    if (!file) return Propagate(std::move(file));
    into = *std::move(file);
    return {};
  }

  // What is cut has the members until there. What else is broken may have been harmed anywhere before: most
  // compressions have a sum of all bytes together, behind them.
  Result<void> Decompress(size_t number) {
    Source& source = sources_[number];
    if (!source.form.is_compressed) return {};
    const auto stream = ArchiveStream::Open(source.file, source.identity.size_bytes, ArchiveStream::View::kDecompressed,
                                            options_.watch);
    if (!stream) return std::unexpected(stream.error());
    auto done = DecompressAll(**stream, source);
    source.is_lost = !done && !(*stream)->is_at_end_of_file();
    if (done && (*stream)->is_gzip_file()) {
      done = source.gzip_sums.Check(source.file, source.identity.size_bytes, source.decompressed->file(),
                                    options_.watch.interrupted);
      source.is_lost = !done;
    }
    if (done || done.error().code != ErrorCode::kCorrupt) return done;
    source.damage =
        source.is_lost
            ? fmt::format("it is damaged, so that none of its members can be trusted ({})", done.error().message)
            : fmt::format("it is cut, and what follows cannot be read ({})", done.error().message);
    return {};
  }

  static Result<void> DecompressAll(ArchiveStream& stream, Source& source) {
    const auto whole = stream.Next();
    if (!whole || *whole == nullptr) return whole ? Result<void>() : std::unexpected(whole.error());
    while (true) {
      const auto block = stream.NextBlock();
      if (!block) return std::unexpected(block.error());
      if (!*block) return {};
      if (stream.is_gzip_file()) source.gzip_sums.Add((*block)->bytes);
      if (auto appended = source.decompressed->Append((*block)->bytes); !appended) return appended;
    }
  }

  Result<std::unique_ptr<ArchiveReader>> OpenReader(Source& source, const std::string& path) {
    const auto on_fault = [this, &path](std::string_view member, std::string_view reason) {
      options_.on_notice(path, member, reason);
    };
    if (source.form.reader == ArchiveForm::Reader::kInPlace)
      return OpenArchive(source.archive(), source.archive_bytes(), on_fault);
    // Of what is decompressed the bytes were counted before.
    const UnpackWatch watch{.bytes_read = source.form.is_compressed ? nullptr : options_.watch.bytes_read,
                            .interrupted = options_.watch.interrupted};
    auto stream = ArchiveStream::Open(source.archive(), source.archive_bytes(), ArchiveStream::View::kMembers, watch);
    if (!stream) return Propagate(std::move(stream));
    return std::make_unique<LibarchiveReader>(
        *std::move(stream), *source.members, on_fault,
        [this, &path](std::string_view member, std::string_view reason) { options_.on_damage(path, member, reason); });
  }

  Result<void> ReadMembers(size_t number) {
    Source& source = sources_[number];
    const std::string& path = options_.paths[number];
    if (!source.damage.empty()) options_.on_damage(path, "", source.damage);
    if (source.is_lost) return AddVolume(source, path, SumKind::kNone);  // without members
    const auto reader = OpenReader(source, path);
    if (!reader) return std::unexpected(reader.error());
    Member member;
    while (true) {
      const auto more = (*reader)->Next(member);
      if (!more) return std::unexpected(more.error());
      if (options_.watch.interrupted != nullptr && *options_.watch.interrupted)
        return MakeError(ErrorCode::kInterrupted, "interrupted");
      if (!*more) return AddVolume(source, path, (*reader)->sum_kind());
      if (auto added = tree_.Add(member, static_cast<uint16_t>(number + 1), ""); !added) return added;
    }
  }

  Result<void> AddVolume(const Source& source, const std::string& path, SumKind sum_kind) {
    Volume volume{.kind = VolumeKind::kFile, .sum_kind = sum_kind, .data_end = source.volume_bytes()};
    if (!source.form.is_unpacked())
      if (auto set = SetIdentity(source.file, volume); !set) return set;
    const auto location = tables_.AddText(path);
    if (!location) return std::unexpected(location.error());
    volume.location_offset = *location;
    volume.location_bytes = static_cast<uint32_t>(path.size());
    volumes_.push_back(volume);
    return {};
  }

  // Of archives that are not unpacked the pack goes on looking after that.
  [[nodiscard]] Result<void> CheckArchiveUnchanged(size_t number) const {
    const Source& source = sources_[number];
    struct stat status{};
    if (fstat(source.file.fd(), &status) != 0) return SystemError(errno, "fstat");
    return CheckUnchanged(source.identity, status, source.file);
  }

  Result<void> CutExtents() {
    tables_.volumes = {{.data_begin = kDataBegin, .data_end = kDataBegin}};
    tables_.volumes.insert(tables_.volumes.end(), volumes_.begin(), volumes_.end());
    ExtentCutter cutter(tables_);
    return tree_.ForEachFile([&](const MemberTree::Content& file) -> Result<void> {
      const auto added = cutter.Add(file);
      if (!added) return std::unexpected(added.error());
      if (!*added) return Corrupt("{}: its bytes belong to another member too", tables_.PathOf(file.node));
      return {};
    });
  }

  // Nothing of the index is synced: it ends with the process.
  Result<std::unique_ptr<Pack>> OpenAsPack() {
    const auto file = OpenUnnamed(options_.folder);
    if (!file) return std::unexpected(file.error());
    Superblock superblock;
    superblock.generation = 1;
    superblock.index_offset = kDataBegin;
    superblock.order = PackOrder::kArchives;
    if (auto written = WriteIndex(tables_, *file, superblock); !written) return Propagate(std::move(written));
    std::array<std::byte, kSuperblockBytes> slot = {};
    EncodeSuperblock(superblock, slot);
    if (auto written = file->WriteAll(SuperblockOffset(superblock.generation), slot); !written)
      return Propagate(std::move(written));
    auto pack = Pack::Open(ProcPath(file->fd()));
    if (!pack) return pack;
    std::vector<VolumeFile> opened;
    for (size_t number = 0; number < sources_.size(); ++number) {
      Source& source = sources_[number];
      opened.push_back({.record = volumes_[number],
                        .path = options_.paths[number],
                        .file = source.TakeVolume(),
                        .error = std::nullopt});
    }
    (*pack)->UseVolumes(std::move(opened));
    return pack;
  }

  const UnpackOptions& options_;
  WorkerPool& pool_;
  std::vector<Source> sources_;
  size_t number_ = 0;  // of the source whose members are added
  IndexTables tables_;
  MemberTree tree_;
  std::vector<Volume> volumes_;  // by source
};

}  // namespace

Result<std::unique_ptr<Pack>> UnpackArchives(const UnpackOptions& options, WorkerPool& pool) {
  assert(!options.paths.empty());
  return Unpacker(options, pool).Run();
}

}  // namespace quire
