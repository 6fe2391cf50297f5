// SPDX-License-Identifier: Apache-2.0
#include "format/write/page_writer.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include "format/checksum.h"
#include "format/mutex.h"
#include "format/open_files.h"
#include "format/per_thread.h"
#include "format/rounding.h"

namespace quire {
namespace {

// O_DIRECT wants offsets, lengths and memory aligned to the blocks of the disk: 512 or 4096 bytes.
constexpr uint64_t kDirectAlign = 4096;
static_assert(kDataBegin % kDirectAlign == 0 && kIndexAlign == kDirectAlign);

// Memory of one page, a huge one where the kernel has one: the kernel pins it for direct writes 512 times cheaper.
class PageBuffer {
 public:
  PageBuffer() : data_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, kPageBytes))) {
    if (data_ != nullptr) madvise(data_, kPageBytes, MADV_HUGEPAGE);
  }
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;
  ~PageBuffer() { std::free(data_); }
  [[nodiscard]] std::byte* get() const { return data_; }

 private:
  std::byte* const data_;
};

class PageWriter {
 public:
  PageWriter(IndexTables& tables, const Spool<uint64_t>& file_offsets, uint64_t data_begin, uint64_t data_end,
             const SampleSource& source, const File& file, const PageWriterOptions& options)
      : tables_(tables),
        file_offsets_(file_offsets),
        data_begin_(data_begin),
        data_end_(data_end),
        source_(source),
        file_(file),
        direct_(OpenDirect(file)),
        options_(options) {}

  Result<void> Write(uint64_t page) {
    std::byte* const buffer = Buffer();
    if (buffer == nullptr) return SystemError(ENOMEM, "a buffer of {} bytes", kPageBytes);
    const uint64_t page_at = page * kPageBytes;
    const auto [begin, end] = RangeOf(page);
    uint64_t filled = begin;
    for (ExtentNumber number = FirstExtentAt(begin); number < tables_.extents.size(); ++number) {
      Extent& extent = tables_.extents[number];
      if (extent.offset >= end) break;
      std::memset(buffer + (filled - page_at), 0, extent.offset - filled);
      const std::span into(buffer + (extent.offset - page_at), extent.length_bytes);
      if (auto read = ReadSample(extent, file_offsets_[number], into); !read) return read;
      filled = extent.offset + extent.length_bytes;
    }
    if (gives_up_) return {};
    std::memset(buffer + (filled - page_at), 0, end - filled);
    return Store(page, buffer);
  }

  // Zeros what was stored of samples before they failed.
  Result<void> Erase(WorkerPool& pool) {
    std::vector<uint64_t> pages;
    for (const Extent& extent : tables_.extents.span()) {
      const uint64_t page = extent.offset / kPageBytes;
      if (HasFailedInPieces(extent) && (pages.empty() || pages.back() != page)) pages.push_back(page);
    }
    return pool.ForEach(pages.size(), [&](uint64_t i) { return ErasePage(pages[i]); });
  }

  std::vector<NodeNumber> TakeUnreadable() { return {unreadable_.begin(), unreadable_.end()}; }

 private:
  // Past the kernel's page cache, where the file system can: half the processor time of packing went into caching what
  // nobody reads, and the sync at the end had to wait for it. Not open where it cannot.
  static File OpenDirect(const File& file) {
    return File(open(ProcPath(file.fd()).c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  }

  // This thread's memory of one page; nullptr where there is none.
  static std::byte* Buffer() {
    static PerThread<PageBuffer> buffers;
    return buffers.Get().get();
  }

  // Of a page, what may hold sample bytes.
  [[nodiscard]] std::pair<uint64_t, uint64_t> RangeOf(uint64_t page) const {
    return {std::max(page * kPageBytes, data_begin_), std::min((page + 1) * kPageBytes, data_end_)};
  }

  // Writes a page that is filled up to the end of its range.
  Result<void> Store(uint64_t page, std::byte* buffer) {
    const auto [begin, end] = RangeOf(page);
    std::byte* const first = buffer + (begin - page * kPageBytes);
    const uint64_t padded_end = AlignUp(end, kDirectAlign);  // behind the last sample of all
    std::memset(first + (end - begin), 0, padded_end - end);
    return WriteOut(begin, {first, padded_end - begin});
  }

  Result<void> ErasePage(uint64_t page) {
    std::byte* const buffer = Buffer();
    if (buffer == nullptr) return SystemError(ENOMEM, "a buffer of {} bytes", kPageBytes);
    const uint64_t page_at = page * kPageBytes;
    const auto [begin, end] = RangeOf(page);
    const std::span bytes(buffer + (begin - page_at), end - begin);
    if (auto read = file_.ReadExactly(begin, bytes); !read) return read;
    for (ExtentNumber number = FirstExtentAt(begin); number < tables_.extents.size(); ++number) {
      const Extent& extent = tables_.extents[number];
      if (extent.offset >= end) break;
      const auto stored = bytes.subspan(extent.offset - begin, extent.length_bytes);
      if (unreadable_.contains(extent.node))
        std::ranges::fill(stored, std::byte{0});
      else if (Xxh3(stored) != extent.sum)
        return SystemError(EIO, "reading page {} back: not the bytes that were written", page);
    }
    return Store(page, buffer);
  }

  // Of a sample in one extent nothing was stored when it failed. REQUIRES: no sample is being read.
  [[nodiscard]] bool HasFailedInPieces(const Extent& extent) const {
    return tables_.nodes[extent.node].kind == NodeKind::kSegmented && unreadable_.contains(extent.node);
  }

  Result<void> WriteOut(uint64_t offset, std::span<const std::byte> bytes) {
    if (direct_.is_open()) {
      auto written = direct_.WriteAll(offset, bytes);
      if (written || written.error().system_errno != EINVAL) return written;  // EINVAL: a stricter alignment
    }
    if (auto written = file_.WriteAll(offset, bytes); !written) return written;
    // Start the write-back now, so that the sync at the end has little left to wait for. Only a hint: errors come back
    // in fsync.
    sync_file_range(file_.fd(), static_cast<off_t>(offset), static_cast<off_t>(bytes.size()), SYNC_FILE_RANGE_WRITE);
    return {};
  }

  ExtentNumber FirstExtentAt(uint64_t offset) const {
    const auto extents = static_cast<const IndexTables&>(tables_).extents.span();
    return static_cast<ExtentNumber>(std::ranges::lower_bound(extents, offset, {}, &Extent::offset) - extents.begin());
  }

  Result<void> ReadSample(Extent& extent, uint64_t file_offset, std::span<std::byte> into) {
    if (options_.interrupted != nullptr && *options_.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    // Where nothing will be written any more samples are only opened, so that all that cannot be read is told.
    const bool opens_only = gives_up_;
    const auto read = source_.Read(extent.node, file_offset, opens_only ? into.first(0) : into);
    if (read) {
      if (!opens_only) extent.sum = Xxh3(into);
      if (options_.bytes_done != nullptr) *options_.bytes_done += into.size();
      if (options_.samples_done != nullptr && file_offset == 0) ++*options_.samples_done;
      return {};
    }
    if (IsOutOfFiles(read.error())) {
      Error error = read.error();
      error.message = fmt::format("{}: {}", tables_.PathOf(extent.node), error.message);
      return std::unexpected(std::move(error));
    }
    std::ranges::fill(into, std::byte{0});
    const MutexLock lock(mutex_);
    if (unreadable_.insert(extent.node).second) options_.on_unreadable(extent.node, read.error().message);
    gives_up_ = !options_.skip_unreadable;
    return {};
  }

  IndexTables& tables_;
  const Spool<uint64_t>& file_offsets_;
  const uint64_t data_begin_;
  const uint64_t data_end_;
  const SampleSource& source_;
  const File& file_;
  const File direct_;  // the same file, for O_DIRECT
  const PageWriterOptions& options_;
  std::atomic<bool> gives_up_ = false;  // a sample could not be read, and none may be missing
  Mutex mutex_;                         // guards unreadable_ while samples are read, and the call of on_unreadable
  std::set<NodeNumber> unreadable_;
};

}  // namespace

Result<std::vector<NodeNumber>> WritePages(IndexTables& tables, const Spool<uint64_t>& file_offsets,
                                           uint64_t data_begin, uint64_t data_end, const SampleSource& source,
                                           WorkerPool& pool, const File& file, const PageWriterOptions& options) {
  const uint64_t first_page = data_begin / kPageBytes;
  const uint64_t pages =
      data_end == data_begin && data_begin > kDataBegin ? 0 : CeilDiv(data_end, kPageBytes) - first_page;
  PageWriter writer(tables, file_offsets, data_begin, data_end, source, file, options);
  auto written = pool.ForEach(pages, [&](uint64_t page) { return writer.Write(first_page + page); });
  if (!written) return Propagate(std::move(written));
  auto unreadable = writer.TakeUnreadable();
  if (options.skip_unreadable && !unreadable.empty())
    if (auto erased = writer.Erase(pool); !erased) return Propagate(std::move(erased));
  return unreadable;
}

}  // namespace quire
