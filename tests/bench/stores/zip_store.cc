// SPDX-License-Identifier: Apache-2.0
// A zip whose entries are stored, written and read by libzip. It checks the CRC-32 of every entry that is read whole.
#include <fcntl.h>
#include <unistd.h>
#include <zip.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "format/file.h"
#include "tests/bench/stores/archive_stores.h"
#include "tests/bench/stores/sample_files.h"

namespace quire::bench {
namespace {

// Closed without writing; who wrote has closed it before.
using Zip = std::unique_ptr<zip_t, decltype(&zip_discard)>;

Result<Zip> OpenZip(const std::string& path, int flags) {
  int code = 0;
  Zip zip(zip_open(path.c_str(), flags, &code), zip_discard);
  if (zip != nullptr) return zip;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  auto failed = MakeError(ErrorCode::kSystem, "{}: {}", path, zip_error_strerror(&error));
  zip_error_fini(&error);
  return failed;
}

std::unexpected<Error> ZipError(zip_t* zip, const std::string& path) {
  return MakeError(ErrorCode::kSystem, "{}: {}", path, zip_strerror(zip));
}

// What libzip reads while it writes, one sample at a time, in order.
struct SampleFeed {
  const SampleFiles& files;
  const std::vector<std::string>& paths;
  ReadBuffer buffer = {};
  std::span<const std::byte> left = {};  // of the sample that is being read
  std::optional<Error> error = {};       // why a sample could not be read: libzip's own message does not name it
};

struct FeedEntry {
  SampleFeed& feed;
  const std::string& path;
};

zip_int64_t StatEntry(const FeedEntry& entry, zip_stat_t& stat) {
  const auto size = entry.feed.files.Size(entry.path);
  if (!size) {
    entry.feed.error = size.error();
    return -1;
  }
  zip_stat_init(&stat);
  stat.size = *size;  // decides whether the entry needs zip64
  stat.valid = ZIP_STAT_SIZE;
  return sizeof stat;
}

zip_int64_t OpenEntry(const FeedEntry& entry) {
  const auto bytes = entry.feed.files.Read(entry.path, entry.feed.buffer);
  if (!bytes) {
    entry.feed.error = bytes.error();
    return -1;
  }
  entry.feed.left = *bytes;
  return 0;
}

zip_int64_t ReadEntry(const FeedEntry& entry, void* into, zip_uint64_t most_bytes) {
  std::span<const std::byte>& left = entry.feed.left;
  const size_t bytes = std::min<size_t>(left.size(), most_bytes);
  if (bytes > 0) std::memcpy(into, left.data(), bytes);
  left = left.subspan(bytes);
  return static_cast<zip_int64_t>(bytes);
}

// A zip_source_callback over a FeedEntry; zip_source_function(3) says what each command must return.
zip_int64_t FeedEntryTo(void* user_data, void* data, zip_uint64_t bytes, zip_source_cmd_t command) {
  const auto& entry = *static_cast<const FeedEntry*>(user_data);
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return ZIP_SOURCE_SUPPORTS_READABLE;
    case ZIP_SOURCE_STAT:
      return StatEntry(entry, *static_cast<zip_stat_t*>(data));
    case ZIP_SOURCE_OPEN:
      return OpenEntry(entry);
    case ZIP_SOURCE_READ:
      return ReadEntry(entry, data, bytes);
    case ZIP_SOURCE_ERROR: {
      const std::array<int, 2> codes = {ZIP_ER_READ, EIO};
      std::memcpy(data, codes.data(), sizeof codes);
      return sizeof codes;
    }
    case ZIP_SOURCE_FREE:
      delete static_cast<const FeedEntry*>(user_data);
      return 0;
    default:
      return 0;
  }
}

Result<void> AddEntries(zip_t* zip, const std::string& out, SampleFeed& feed) {
  for (const std::string& path : feed.paths) {
    auto entry = std::make_unique<FeedEntry>(FeedEntry{feed, path});
    zip_source_t* const source = zip_source_function(zip, FeedEntryTo, entry.get());
    if (source == nullptr) return ZipError(zip, out);
    [[maybe_unused]] const FeedEntry* const given = entry.release();  // from here on the source's
    const zip_int64_t index = zip_file_add(zip, path.c_str(), source, ZIP_FL_ENC_GUESS);
    if (index < 0) {
      zip_source_free(source);
      return ZipError(zip, out);
    }
    if (zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0) != 0)
      return ZipError(zip, out);
  }
  return {};
}

// Nothing is written before zip_close, which writes a temporary file and removes it on failure.
Result<void> WriteZip(const SampleList& samples, const std::string& out, const Stop& stop) {
  const auto files = SampleFiles::Open(samples.root);
  if (!files) return std::unexpected(files.error());
  SampleFeed feed{*files, samples.paths};
  auto zip = OpenZip(out, ZIP_CREATE | ZIP_EXCL);
  if (!zip) return Propagate(std::move(zip));
  zip_register_cancel_callback_with_state(
      zip->get(), [](zip_t*, void* asked) { return (*static_cast<const Stop*>(asked))() ? 1 : 0; }, nullptr,
      const_cast<Stop*>(&stop));
  if (auto added = AddEntries(zip->get(), out, feed); !added) return added;
  if (zip_close(zip->get()) == 0) {
    [[maybe_unused]] const zip_t* const closed = zip->release();
    return {};
  }
  if (zip_error_code_zip(zip_get_error(zip->get())) == ZIP_ER_CANCELLED)
    return MakeError(ErrorCode::kInterrupted, "interrupted");
  if (feed.error) return std::unexpected(*feed.error);
  return ZipError(zip->get(), out);
}

// An entry that is a sample.
struct Member {
  uint64_t index = 0;
  uint64_t size = 0;
};

class ZipReader final : public StoreReader {
 public:
  ZipReader(const std::string& path, Zip zip, const std::vector<Member>& members)
      : path_(path), zip_(std::move(zip)), members_(members) {}

  Result<uint64_t> Read(uint64_t sample) override {
    const auto [index, size] = members_[sample];
    const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> file(zip_fopen_index(zip_.get(), index, 0), zip_fclose);
    if (file == nullptr) return Fail(sample, zip_strerror(zip_.get()));
    const std::span<std::byte> into = buffer_.Take(size);
    for (uint64_t done = 0; done < size;) {
      const zip_int64_t bytes = zip_fread(file.get(), into.data() + done, size - done);
      if (bytes < 0) return Fail(sample, zip_file_strerror(file.get()));
      if (bytes == 0) return Fail(sample, "truncated");
      done += static_cast<uint64_t>(bytes);
    }
    bytes_ = into;
    return size;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const override { return bytes_; }

 private:
  [[nodiscard]] std::unexpected<Error> Fail(uint64_t sample, const char* cause) const {
    return MakeError(ErrorCode::kUnreadable, "{}: sample {}: {}", path_, sample, cause);
  }

  const std::string& path_;
  const Zip zip_;
  const std::vector<Member>& members_;
  ReadBuffer buffer_;
  std::span<const std::byte> bytes_;
};

class ZipStore final : public SampleStore {
 public:
  explicit ZipStore(std::string path) : path_(std::move(path)) {}

  Result<void> List() override {
    members_.clear();
    const auto zip = OpenZip(path_, ZIP_RDONLY);
    if (!zip) return std::unexpected(zip.error());
    const auto entries = static_cast<zip_uint64_t>(zip_get_num_entries(zip->get(), 0));
    for (zip_uint64_t i = 0; i < entries; ++i) {
      zip_stat_t stat;
      if (zip_stat_index(zip->get(), i, 0, &stat) != 0) return ZipError(zip->get(), path_);
      if (!std::string_view(stat.name).ends_with('/')) members_.push_back({i, stat.size});  // else a directory
    }
    return {};
  }

  [[nodiscard]] uint64_t sample_count() const override { return members_.size(); }

  // libzip does not tell offsets; writers put the entries of the directory in the order of their bytes.
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return CountUp(members_.size()); }

  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    auto zip = OpenZip(path_, ZIP_RDONLY);
    if (!zip) return Propagate(std::move(zip));
    return std::make_unique<ZipReader>(path_, std::move(*zip), members_);
  }

 private:
  const std::string path_;
  std::vector<Member> members_;
};

}  // namespace

Result<void> BuildZip(const SampleList& samples, const std::string& out, const Stop& stop) {
  if (auto written = WriteZip(samples, out, stop); !written) return written;
  const auto file = File::Open(out, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  if (fsync(file->fd()) != 0) {
    const int error = errno;
    unlink(out.c_str());
    return SystemError(error, "{}: sync", out);
  }
  return {};
}

Result<std::unique_ptr<SampleStore>> OpenZipStore(const std::string& path) {
  if (auto file = File::Open(path, O_RDONLY); !file) return Propagate(std::move(file));
  return std::make_unique<ZipStore>(path);
}

}  // namespace quire::bench
