// SPDX-License-Identifier: Apache-2.0
#include "tools/fetch/file_fetch.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "cache/background_thread.h"
#include "cache/byte_rate.h"
#include "cache/remote/remote_object.h"
#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tools/disk_reader.h"
#include "tools/fetch/unfinished_copy.h"

namespace quire {
namespace {

// What a kill loses is what came since the last record. To sync takes a disk some milliseconds, and a busy one more: a
// twentieth of the time is spent on it at most.
constexpr std::chrono::nanoseconds kBetweenRecords = std::chrono::seconds(1);
constexpr int kRecordShare = 20;
constexpr std::chrono::milliseconds kLookAgain(50);  // whether the work was interrupted

// Which state of the source is read.
Result<CopyOrigin> OriginOfPack(const Pack& pack) {
  CopyOrigin origin;
  origin.pack_bytes = pack.superblock().pack_bytes;
  if (auto state = DescribeState(pack.bytes())) {
    origin.state = *std::move(state);
  } else {
    const auto fd = pack.GetVolumeFd(0);
    struct stat status{};
    if (!fd || fstat(*fd, &status) != 0) return SystemError(errno, "{}", pack.path());
    origin.state = fmt::format("{}, {} bytes, of {}.{:09}", pack.path(), status.st_size, status.st_mtim.tv_sec,
                               status.st_mtim.tv_nsec);
  }
  // All sums of a pack hang on its root sum.
  origin.contents = fmt::format("generation {}, sum {:016x}", pack.superblock().generation, pack.superblock().root_sum);
  return origin;
}

class FileFetch {
 public:
  FileFetch(const Pack& pack, const FileFetchOptions& options)
      : pack_(pack), options_(options), rate_(options.bytes_per_s), progress_(options.progress_mode, [this] {
          return ProgressState{.what = is_verifying_ ? "verifying" : "fetching", .done = done_, .total = total_};
        }) {}

  Result<FileFetchSummary> Run() {
    if (pack_.has_other_files())
      return Unsupported(
          "{}: is an index of archives, and no copy of it alone would be read: copy it with its archives",
          pack_.path());
    auto origin = OriginOfPack(pack_);
    if (!origin) return Propagate(std::move(origin));
    auto copy = UnfinishedCopy::Open(options_.path, options_.replace, *origin,
                                     [this](const std::string& sentence) { Tell(sentence); });
    if (!copy) return Propagate(std::move(copy));
    copy_ = *std::move(copy);
    auto done = FetchAll(*origin);
    if (!done) return SayWhatIsKept(std::move(done).error());
    summary_.fetched_bytes = fetched_bytes_;
    progress_.Finish({.what = "fetched", .total = summary_.pack_bytes});
    return summary_;
  }

 private:
  // What the copy's sums say of it.
  struct Verdict {
    std::set<uint64_t> bad_pages;
    std::vector<std::string> faults;  // the first of them
    uint64_t fault_count = 0;
  };

  Result<void> FetchAll(const CopyOrigin& origin) {
    const auto missing = copy_->MissingPages();
    summary_.pack_bytes = origin.pack_bytes;
    summary_.kept_bytes = origin.pack_bytes - BytesOf(missing);
    if (summary_.kept_bytes > 0)
      Tell(fmt::format("{} of {} were fetched before", FormatBytes(summary_.kept_bytes),
                       FormatBytes(origin.pack_bytes)));
    if (auto fetched = Fetch(missing, /*is_fresh=*/false); !fetched) return fetched;
    auto verdict = VerifyAndMend();
    if (!verdict) return Propagate(std::move(verdict));
    if (verdict->fault_count > 0) return TellFaults(*verdict);
    const auto now = OriginOfPack(pack_);
    if (!now || now->state != origin.state)
      return Corrupt("{}: has changed while it was copied; fetch it again", pack_.path());
    return copy_->Finish();
  }

  // Each page that is wrong is fetched once more. Where the superblock or the root of the index is among them, what is
  // wrong of the rest is found behind them.
  Result<Verdict> VerifyAndMend() {
    std::set<uint64_t> mended;
    while (true) {
      auto verdict = Verify();
      if (!verdict) return verdict;
      std::vector<uint64_t> bad;
      std::ranges::set_difference(verdict->bad_pages, mended, std::back_inserter(bad));
      if (bad.empty()) return verdict;
      mended.insert(bad.begin(), bad.end());
      summary_.refetched_pages = mended.size();
      Tell(fmt::format("{} came wrong, and {} fetched once more", FormatAmount(bad.size(), "page", "pages"),
                       bad.size() == 1 ? "is" : "are"));
      if (auto recorded = ForgetPages(bad); !recorded) return Propagate(std::move(recorded));
      if (auto fetched = Fetch(bad, /*is_fresh=*/true); !fetched) return Propagate(std::move(fetched));
    }
  }

  // Pages that are wrong a second time are fetched by the next call, which may find the source put right.
  Result<void> TellFaults(const Verdict& verdict) {
    for (const std::string& fault : verdict.faults) options_.on_fault(progress_, fault);
    const std::vector<uint64_t> bad(verdict.bad_pages.begin(), verdict.bad_pages.end());
    if (auto recorded = ForgetPages(bad); !recorded) return recorded;
    return Corrupt("{}: {} in what came of it{}, so {} was not made; 'quire verify' of the source may tell more",
                   pack_.path(), FormatAmount(verdict.fault_count, "fault", "faults"),
                   summary_.refetched_pages > 0 ? ", also the second time" : "", options_.path);
  }

  Result<void> ForgetPages(std::span<const uint64_t> pages) {
    copy_->Forget(pages);
    return copy_->Record();
  }

  // While pages are fetched, a thread records those that have come.
  Result<void> Fetch(std::span<const uint64_t> pages, bool is_fresh) {
    if (pages.empty()) return {};
    ShowPhase(/*is_verifying=*/false, BytesOf(pages));
    const auto reader = DiskReader::Open(pack_, options_.jobs);
    if (!reader) return std::unexpected(reader.error());
    record_failure_ = {};
    BackgroundThread recorder;
    if (auto started = recorder.Start("quire-record", [&](const auto& stop) { KeepRecord(recorder, stop); }); !started)
      return started;
    WorkerPool pool(options_.jobs);
    auto fetched =
        pool.ForEach(pages.size(), [&](uint64_t number) { return FetchPage(**reader, pages[number], is_fresh); });
    recorder.Stop();
    // What has come is kept, whatever kept the rest from coming.
    auto recorded = copy_->Record();
    if (!fetched) return fetched;
    if (!record_failure_) return std::move(record_failure_);
    return recorded;
  }

  Result<void> FetchPage(DiskReader& reader, uint64_t page, bool is_fresh) {
    if (auto waited = WaitForRate(copy_->PageBytes(page)); !waited) return waited;
    if (has_record_failed_) return MakeError(ErrorCode::kSystem, "what has come cannot be recorded");
    Result<void> written;
    auto read = reader.Read(0, page * kPageBytes, copy_->PageBytes(page), is_fresh,
                            [&](std::span<const std::byte> bytes) { written = copy_->WritePage(page, bytes); });
    if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
    if (!read) {
      const std::string fault = LastFaultOf(pack_.bytes());
      if (fault.empty()) read.error().message = fmt::format("{}: {}", pack_.path(), read.error().message);
      return fault.empty() ? std::move(read) : SystemFault(fault);
    }
    if (!written) return written;
    done_ += copy_->PageBytes(page);
    fetched_bytes_ += copy_->PageBytes(page);
    return {};
  }

  [[nodiscard]] Result<void> SystemFault(const std::string& fault) const {
    return std::unexpected(Error{ErrorCode::kSystem, EIO, fmt::format("{}: {}", pack_.path(), fault)});
  }

  Result<void> WaitForRate(uint64_t bytes) {
    const auto until = std::chrono::steady_clock::now() + rate_.Take(bytes);
    while (true) {
      if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
      const auto left = until - std::chrono::steady_clock::now();
      if (left.count() <= 0) return {};
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kLookAgain));
    }
  }

  void KeepRecord(BackgroundThread& thread, const std::stop_token& stop) {
    auto pause = kBetweenRecords;
    while (true) {
      thread.Pause(stop, pause);
      if (stop.stop_requested()) return;
      const auto begin = std::chrono::steady_clock::now();
      if (auto recorded = copy_->Record(); !recorded) {
        record_failure_ = std::move(recorded);
        has_record_failed_ = true;
        return;
      }
      pause = std::max(kBetweenRecords, kRecordShare * (std::chrono::steady_clock::now() - begin));
    }
  }

  // The copy as it lies on the disk.
  Result<Verdict> Verify() {
    Verdict verdict;
    const auto add_bytes = [&](uint64_t offset, uint64_t bytes) {
      for (uint64_t page = offset / kPageBytes; bytes > 0 && page <= (offset + bytes - 1) / kPageBytes; ++page)
        if (page < copy_->page_count()) verdict.bad_pages.insert(page);
    };
    ShowPhase(/*is_verifying=*/true, summary_.pack_bytes);
    const std::string path = ProcPath(copy_->file().fd());
    const auto copied = Pack::Open(path);
    // Without the superblock and the root of the index nothing can be told of the rest.
    if (!copied || (*copied)->superblock() != pack_.superblock()) {
      const Superblock& superblock = pack_.superblock();
      add_bytes(0, kDataBegin);
      if (!copied) add_bytes(superblock.index_offset, superblock.index_bytes);
      AddFault(verdict, copied ? "superblock: is another one than that of the source"
                               : copied.error().message.substr(path.size() + 2));
      return verdict;
    }
    if ((*copied)->slot_damage() && !pack_.slot_damage()) add_bytes(0, kDataBegin);
    (*copied)->OpenVolumes({});
    const auto reader = DiskReader::Open(**copied, options_.jobs);
    if (!reader) return std::unexpected(reader.error());
    Mutex mutex;  // guards verdict.bad_pages
    WorkerPool pool(options_.jobs);
    const VerifyOptions options{
        .on_fault =
            [&](const Fault& fault) {
              AddFault(verdict, fault.path.empty() ? fault.message : fmt::format("{}: {}", fault.path, fault.message));
            },
        .bytes_done = &done_,
        .interrupted = options_.interrupted,
        .on_bad_bytes =
            [&](uint64_t offset, uint64_t bytes) {
              const MutexLock lock(mutex);
              add_bytes(offset, bytes);
            },
        .read = [&](uint16_t volume, uint64_t offset, size_t bytes,
                    const UseBytes& use) { return (*reader)->Read(volume, offset, bytes, use); }};
    const auto summary = VerifyPack(**copied, pool, options);
    if (!summary) return std::unexpected(summary.error());
    verdict.fault_count = summary->faults;
    return verdict;
  }

  static void AddFault(Verdict& verdict, std::string fault) {
    ++verdict.fault_count;
    verdict.faults.push_back(std::move(fault));
  }

  [[nodiscard]] std::unexpected<Error> SayWhatIsKept(Error error) const {
    if (copy_->is_kept())
      error.message = fmt::format("{}; what was fetched is kept as {}, and the same command goes on with it",
                                  error.message, copy_->unfinished_path());
    return std::unexpected(std::move(error));
  }

  [[nodiscard]] uint64_t BytesOf(std::span<const uint64_t> pages) const {
    uint64_t bytes = 0;
    for (const uint64_t page : pages) bytes += copy_->PageBytes(page);
    return bytes;
  }

  void ShowPhase(bool is_verifying, uint64_t total) {
    done_ = 0;
    total_ = total;
    is_verifying_ = is_verifying;
  }

  void Tell(const std::string& sentence) { options_.tell(progress_, sentence); }
  [[nodiscard]] bool IsInterrupted() const { return options_.interrupted != nullptr && *options_.interrupted; }

  const Pack& pack_;
  const FileFetchOptions& options_;
  ByteRate rate_;
  std::unique_ptr<UnfinishedCopy> copy_;
  FileFetchSummary summary_;
  std::atomic<uint64_t> fetched_bytes_ = 0;
  Result<void> record_failure_;  // of the recorder, which has ended when it is looked at
  std::atomic<bool> has_record_failed_ = false;
  std::atomic<bool> is_verifying_ = false;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<uint64_t> total_ = 0;
  Progress progress_;  // last: its thread uses what is above
};

}  // namespace

Result<FileFetchSummary> FetchToFile(const Pack& pack, const FileFetchOptions& options) {
  return FileFetch(pack, options).Run();
}

}  // namespace quire
