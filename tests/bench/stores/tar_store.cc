// SPDX-License-Identifier: Apache-2.0
// A tar as people use it where it must be read at random: libarchive finds where each sample begins, pread does the
// rest.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/file.h"
#include "format/rounding.h"
#include "tests/bench/stores/archive_stores.h"
#include "tests/bench/stores/sample_files.h"
#include "tools/bench/system_counters.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

constexpr size_t kWriteBytes = 1U << 20;  // tar's 10 KiB make a hundred times as many calls
constexpr size_t kListBytes = 64U << 10;  // read for each header, whose successor is a seek away
constexpr uint64_t kBlockBytes = 512;
constexpr uint64_t kEndOfArchiveBytes = 2 * kBlockBytes;  // POSIX: two blocks of zeros

using Writer = std::unique_ptr<archive, decltype(&archive_write_free)>;
using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;
using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

std::unexpected<Error> ArchiveError(archive* archive, const std::string& path) {
  const char* cause = archive_error_string(archive);
  return MakeError(ErrorCode::kSystem, "{}: {}", path, cause == nullptr ? "libarchive gives no reason" : cause);
}

Result<void> Append(archive* tar, const std::string& out, const std::string& name, std::span<const std::byte> bytes) {
  const Entry entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<int64_t>(bytes.size()));
  if (archive_write_header(tar, entry.get()) != ARCHIVE_OK ||
      archive_write_data(tar, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    return ArchiveError(tar, out);
  return {};
}

Result<void> WriteTar(const SampleList& samples, const std::string& out, const File& file, const Stop& stop) {
  const auto files = SampleFiles::Open(samples.root);
  if (!files) return std::unexpected(files.error());
  const Writer tar(archive_write_new(), archive_write_free);
  archive_write_set_format_gnutar(tar.get());  // names are bytes; pax must know their encoding
  archive_write_set_bytes_per_block(tar.get(), kWriteBytes);
  archive_write_set_bytes_in_last_block(tar.get(), 1);  // no padding behind the end
  if (archive_write_open_fd(tar.get(), file.fd()) != ARCHIVE_OK) return ArchiveError(tar.get(), out);
  ReadBuffer buffer;
  for (const std::string& path : samples.paths) {
    if (stop()) return MakeError(ErrorCode::kInterrupted, "interrupted");
    const auto bytes = files->Read(path, buffer);
    if (!bytes) return std::unexpected(bytes.error());
    if (auto appended = Append(tar.get(), out, path, *bytes); !appended) return appended;
  }
  if (archive_write_close(tar.get()) != ARCHIVE_OK) return ArchiveError(tar.get(), out);
  if (fsync(file.fd()) != 0) return SystemError(errno, "{}: sync", out);
  return {};
}

struct Place {
  uint64_t offset = 0;
  uint64_t size = 0;
};

class TarReader final : public StoreReader {
 public:
  TarReader(const std::string& path, File file, const std::vector<Place>& places)
      : path_(path), file_(std::move(file)), places_(places) {}

  Result<uint64_t> Read(uint64_t sample) override {
    const auto [offset, size] = places_[sample];
    const std::span<std::byte> into = buffer_.Take(size);
    if (const auto read = file_.ReadExactly(offset, into); !read)
      return std::unexpected(Error{read.error().code, read.error().system_errno,
                                   fmt::format("{}: sample {}: {}", path_, sample, read.error().message)});
    bytes_ = into;
    return size;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const override { return bytes_; }

 private:
  const std::string& path_;
  const File file_;
  const std::vector<Place>& places_;
  ReadBuffer buffer_;
  std::span<const std::byte> bytes_;
};

class TarStore final : public SampleStore {
 public:
  explicit TarStore(std::string path) : path_(std::move(path)) {}

  Result<void> List() override {
    places_.clear();
    struct stat status{};
    if (stat(path_.c_str(), &status) != 0) return SystemError(errno, "{}", path_);
    const Reader tar(archive_read_new(), archive_read_free);
    archive_read_support_format_tar(tar.get());
    if (archive_read_open_filename(tar.get(), path_.c_str(), kListBytes) != ARCHIVE_OK)
      return ArchiveError(tar.get(), path_);
    uint64_t end = 0;
    archive_entry* entry = nullptr;
    int status_of_header = ARCHIVE_OK;
    while ((status_of_header = archive_read_next_header(tar.get(), &entry)) != ARCHIVE_EOF) {
      // Warnings are about names, which nobody asks for here.
      if (status_of_header < ARCHIVE_WARN) return ArchiveError(tar.get(), path_);
      // Of what libarchive has read, the last is the header: the data begins behind it.
      const Place place = {static_cast<uint64_t>(archive_filter_bytes(tar.get(), -1)),
                           static_cast<uint64_t>(archive_entry_size(entry))};
      if (auto added = Add(entry, place); !added) return added;
      end = AlignUp(place.offset + place.size, kBlockBytes);
    }
    // libarchive takes an end between two entries for the end of the archive.
    if (const auto size = static_cast<uint64_t>(status.st_size); end + kEndOfArchiveBytes > size)
      return Corrupt("{}: truncated: {} bytes are there, and no end-of-archive mark behind {}", path_, size, end);
    // Whoever reads a tar by an index has made it once and kept it: what its making has read must not stay in the
    // cache.
    if (auto evicted = EvictFile(path_); !evicted) return evicted;
    return {};
  }

  [[nodiscard]] uint64_t sample_count() const override { return places_.size(); }

  // Stored order is that of the offsets.
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return CountUp(places_.size()); }

  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    auto file = File::Open(path_, O_RDONLY);
    if (!file) return Propagate(std::move(file));
    return std::make_unique<TarReader>(path_, std::move(*file), places_);
  }

 private:
  Result<void> Add(archive_entry* entry, const Place& place) {
    const char* name = archive_entry_pathname(entry);
    const auto refuse = [&](const char* what) {
      return Unsupported("{}: {} is {}: extract the tar and build it again without", path_,
                         name == nullptr ? "an entry" : EscapeName(name), what);
    };
    if (archive_entry_hardlink(entry) != nullptr) return refuse("a hard link");
    if (archive_entry_filetype(entry) != AE_IFREG) return {};
    if (archive_entry_sparse_count(entry) > 0) return refuse("sparse");
    places_.push_back(place);
    return {};
  }

  const std::string path_;
  std::vector<Place> places_;
};

}  // namespace

Result<void> BuildTar(const SampleList& samples, const std::string& out, const Stop& stop) {
  const auto file = File::Open(out, O_CREAT | O_EXCL | O_WRONLY, 0666);
  if (!file) return std::unexpected(file.error());
  auto written = WriteTar(samples, out, *file, stop);
  if (!written) unlink(out.c_str());
  return written;
}

Result<std::unique_ptr<SampleStore>> OpenTarStore(const std::string& path) {
  if (auto file = File::Open(path, O_RDONLY); !file) return Propagate(std::move(file));
  return std::make_unique<TarStore>(path);
}

}  // namespace quire::bench
