// SPDX-License-Identifier: Apache-2.0
// An LMDB in one file: the main database maps a sample's number, 8 bytes big-endian, to its bytes. Numbers and not
// paths, because a key has 511 bytes at most.
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <mutex>

#include "format/coding.h"
#include "format/file.h"
#include "format/rounding.h"
#include "tests/bench/stores/archive_stores.h"
#include "tests/bench/stores/sample_files.h"

namespace quire::bench {
namespace {

// A transaction holds its pages in memory until it is committed. LMDB's list of them has 131,072 places.
constexpr uint64_t kTransactionBytes = 64U << 20;
constexpr uint64_t kTransactionSamples = 8192;

using Environment = std::unique_ptr<MDB_env, decltype(&mdb_env_close)>;
using Transaction = std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)>;
using Key = std::array<std::byte, 8>;

std::unexpected<Error> LmdbError(int code, const std::string& path) {
  if (code > 0) return SystemError(code, "{}", path);
  return MakeError(ErrorCode::kCorrupt, "{}: {}", path, mdb_strerror(code));
}

// So that the order of the keys, which LMDB compares as strings, is that of the numbers.
Key EncodeKey(uint64_t sample) {
  Key key;
  StoreUint<8>(key, 0, __builtin_bswap64(sample));
  return key;
}

MDB_val ValueOf(std::span<const std::byte> bytes) { return {bytes.size(), const_cast<std::byte*>(bytes.data())}; }

Result<Environment> OpenEnvironment(const std::string& path, unsigned flags, uint64_t map_bytes) {
  MDB_env* created = nullptr;
  if (const int code = mdb_env_create(&created); code != 0) return LmdbError(code, path);
  Environment environment(created, mdb_env_close);
  if (map_bytes > 0) mdb_env_set_mapsize(created, map_bytes);
  if (const int code = mdb_env_open(created, path.c_str(), flags | MDB_NOSUBDIR | MDB_NOLOCK, 0666); code != 0)
    return LmdbError(code, path);
  return environment;
}

struct OpenTransaction {
  Transaction transaction;
  MDB_dbi database = 0;
};

Result<OpenTransaction> Begin(MDB_env* environment, unsigned flags, const std::string& path) {
  MDB_txn* begun = nullptr;
  if (const int code = mdb_txn_begin(environment, nullptr, flags, &begun); code != 0) return LmdbError(code, path);
  OpenTransaction open{Transaction(begun, mdb_txn_abort)};
  if (const int code = mdb_dbi_open(begun, nullptr, 0, &open.database); code != 0) return LmdbError(code, path);
  return open;
}

// What the file may grow to at most. A value of more than half a page takes whole pages, behind a header of 16 bytes; a
// leaf page takes two entries at least. Two pages a sample pay for the header, the leaves and what is above.
Result<uint64_t> MapBytes(const SampleFiles& files, const SampleList& samples) {
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t bytes = 1U << 20;
  for (const std::string& path : samples.paths) {
    const auto size = files.Size(path);
    if (!size) return size;
    bytes += AlignUp(*size, page_bytes) + 2 * page_bytes;
  }
  return bytes;
}

class Builder {
 public:
  Builder(const SampleFiles& files, const std::string& out, MDB_env* environment)
      : files_(files), out_(out), environment_(environment) {}

  Result<void> Add(const SampleList& samples, const Stop& stop) {
    for (uint64_t i = 0; i < samples.paths.size(); ++i) {
      if (stop()) return MakeError(ErrorCode::kInterrupted, "interrupted");
      if (auto put = Put(i, samples.paths[i]); !put) return put;
      if (bytes_ < kTransactionBytes && samples_ < kTransactionSamples) continue;
      if (auto committed = Commit(); !committed) return committed;
    }
    if (auto committed = Commit(); !committed) return committed;
    if (const int code = mdb_env_sync(environment_, 1); code != 0) return LmdbError(code, out_);
    return {};
  }

 private:
  Result<void> Put(uint64_t sample, const std::string& path) {
    if (open_.transaction == nullptr) {
      auto begun = Begin(environment_, 0, out_);
      if (!begun) return Propagate(std::move(begun));
      open_ = std::move(*begun);
    }
    const auto bytes = files_.Read(path, buffer_);
    if (!bytes) return std::unexpected(bytes.error());
    const Key key = EncodeKey(sample);
    MDB_val key_value = ValueOf(key);
    MDB_val value = ValueOf(*bytes);
    if (const int code = mdb_put(open_.transaction.get(), open_.database, &key_value, &value, MDB_APPEND); code != 0)
      return LmdbError(code, fmt::format("{}: {}", out_, path));
    bytes_ += bytes->size();
    ++samples_;
    return {};
  }

  Result<void> Commit() {
    bytes_ = 0;
    samples_ = 0;
    if (open_.transaction == nullptr) return {};
    if (const int code = mdb_txn_commit(open_.transaction.release()); code != 0) return LmdbError(code, out_);
    return {};
  }

  const SampleFiles& files_;
  const std::string& out_;
  MDB_env* const environment_;
  ReadBuffer buffer_;
  OpenTransaction open_ = {Transaction(nullptr, mdb_txn_abort)};
  uint64_t bytes_ = 0;  // in the open transaction, like samples_
  uint64_t samples_ = 0;
};

Result<void> WriteLmdb(const SampleList& samples, const std::string& out, const Stop& stop) {
  const auto files = SampleFiles::Open(samples.root);
  if (!files) return std::unexpected(files.error());
  const auto map_bytes = MapBytes(*files, samples);
  if (!map_bytes) return std::unexpected(map_bytes.error());
  // Synced once, at the end: until then nobody else reads the file.
  const auto environment = OpenEnvironment(out, MDB_NOSYNC, *map_bytes);
  if (!environment) return std::unexpected(environment.error());
  return Builder(*files, out, environment->get()).Add(samples, stop);
}

Result<Environment> OpenForReading(const std::string& path) {
  // Not MDB_NORDAHEAD: without readahead every page of 4 KiB is a fault and a read of its own. On 2 cores and a cloud
  // disk evicted samples of 3 KB came at 230,000 a second with readahead and 18,000 without, those of 160 KB at 3,500
  // to 5,400 and at 210 to 470, both in random order; in path order it was as much. It is for files larger than memory.
  return OpenEnvironment(path, MDB_RDONLY, 0);
}

// Reading a map behind the end of its file is a SIGBUS, not an error: the pages in use must be there.
Result<void> CheckSize(MDB_env* environment, const std::string& path, uint64_t file_bytes) {
  MDB_envinfo info;
  MDB_stat stat;
  mdb_env_info(environment, &info);
  mdb_env_stat(environment, &stat);
  const uint64_t used_bytes = (info.me_last_pgno + 1) * stat.ms_psize;
  if (file_bytes < used_bytes) return Corrupt("{}: truncated: {} of {} bytes are there", path, file_bytes, used_bytes);
  return {};
}

class LmdbReader final : public StoreReader {
 public:
  LmdbReader(const std::string& path, std::shared_ptr<MDB_env> environment, OpenTransaction open)
      : path_(path), environment_(std::move(environment)), open_(std::move(open)) {}

  Result<uint64_t> Read(uint64_t sample) override {
    const Key key = EncodeKey(sample);
    MDB_val key_value = ValueOf(key);
    MDB_val value;
    if (const int code = mdb_get(open_.transaction.get(), open_.database, &key_value, &value); code != 0)
      return LmdbError(code, fmt::format("{}: sample {}", path_, sample));
    // The value lies in the map: copying brings it from the disk, as read(2) does for the others.
    const std::span<std::byte> into = buffer_.Take(value.mv_size);
    if (!into.empty()) std::memcpy(into.data(), value.mv_data, into.size());
    bytes_ = into;
    return into.size();
  }

  [[nodiscard]] std::span<const std::byte> bytes() const override { return bytes_; }

 private:
  const std::string& path_;
  const std::shared_ptr<MDB_env> environment_;  // outlives the transaction
  const OpenTransaction open_;
  ReadBuffer buffer_;
  std::span<const std::byte> bytes_;
};

class LmdbStore final : public SampleStore {
 public:
  explicit LmdbStore(std::string path) : path_(std::move(path)) {}

  Result<void> List() override {
    count_ = 0;
    struct stat status{};
    if (stat(path_.c_str(), &status) != 0) return SystemError(errno, "{}", path_);
    if (status.st_size == 0) return Corrupt("{}: truncated: it is empty", path_);
    const auto environment = OpenForReading(path_);
    if (!environment) return std::unexpected(environment.error());
    if (auto sized = CheckSize(environment->get(), path_, static_cast<uint64_t>(status.st_size)); !sized) return sized;
    const auto open = Begin(environment->get(), MDB_RDONLY, path_);
    if (!open) return std::unexpected(open.error());
    MDB_stat stat;
    mdb_stat(open->transaction.get(), open->database, &stat);
    if (auto numbered = CheckKeys(*open, stat.ms_entries); !numbered) return numbered;
    count_ = stat.ms_entries;
    return {};
  }

  [[nodiscard]] uint64_t sample_count() const override { return count_; }

  // Appended in the order of the keys.
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return CountUp(count_); }

  // The readers of one process share the map, as LMDB demands; it is closed with the last of them, so that no process
  // inherits it.
  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    const std::scoped_lock lock(mutex_);
    std::shared_ptr<MDB_env> environment = shared_.lock();
    if (environment == nullptr) {
      auto opened = OpenForReading(path_);
      if (!opened) return Propagate(std::move(opened));
      environment = std::move(*opened);
      shared_ = environment;
    }
    auto open = Begin(environment.get(), MDB_RDONLY, path_);
    if (!open) return Propagate(std::move(open));
    return std::make_unique<LmdbReader>(path_, std::move(environment), std::move(*open));
  }

 private:
  // Keys are unique and ascend, so that `count` of 8 bytes from 0 to count - 1 are all the numbers between.
  [[nodiscard]] Result<void> CheckKeys(const OpenTransaction& open, uint64_t count) const {
    if (count == 0) return {};
    MDB_cursor* opened = nullptr;
    if (const int code = mdb_cursor_open(open.transaction.get(), open.database, &opened); code != 0)
      return LmdbError(code, path_);
    const std::unique_ptr<MDB_cursor, decltype(&mdb_cursor_close)> cursor(opened, mdb_cursor_close);
    for (const auto& [where, number] : {std::pair(MDB_FIRST, uint64_t{0}), std::pair(MDB_LAST, count - 1)}) {
      MDB_val key;
      if (const int code = mdb_cursor_get(cursor.get(), &key, nullptr, where); code != 0) return LmdbError(code, path_);
      const Key wanted = EncodeKey(number);
      if (key.mv_size != wanted.size() || std::memcmp(key.mv_data, wanted.data(), wanted.size()) != 0)
        return Unsupported("{}: its keys are not the numbers of samples, 8 bytes big-endian from 0", path_);
    }
    return {};
  }

  const std::string path_;
  uint64_t count_ = 0;
  mutable std::mutex mutex_;  // guards shared_
  mutable std::weak_ptr<MDB_env> shared_;
};

}  // namespace

Result<void> BuildLmdb(const SampleList& samples, const std::string& out, const Stop& stop) {
  if (auto file = File::Open(out, O_CREAT | O_EXCL | O_RDWR, 0666); !file) return Propagate(std::move(file));
  auto written = WriteLmdb(samples, out, stop);
  if (!written) unlink(out.c_str());
  return written;
}

Result<std::unique_ptr<SampleStore>> OpenLmdbStore(const std::string& path) {
  if (auto file = File::Open(path, O_RDONLY); !file) return Propagate(std::move(file));
  return std::make_unique<LmdbStore>(path);
}

}  // namespace quire::bench
