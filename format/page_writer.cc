#include "format/page_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>

#include "format/checksum.h"
#include "format/coding.h"

namespace quire {
namespace {

class PageWriter {
 public:
  PageWriter(IndexTables& tables, const Spool<uint64_t>& file_offsets, uint64_t data_end, const SampleSource& source,
             const File& file, const PageWriterOptions& options)
      : tables_(tables),
        file_offsets_(file_offsets),
        data_end_(data_end),
        source_(source),
        file_(file),
        options_(options) {}

  Result<void> Write(uint64_t page) {
    static thread_local const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kPageBytes);
    const uint64_t page_at = page * kPageBytes;
    const uint64_t begin = std::max(page_at, kDataBegin);
    const uint64_t end = std::min(page_at + kPageBytes, data_end_);
    uint64_t filled = begin;
    for (ExtentNumber number = FirstExtentAt(begin); number < tables_.extents.size(); ++number) {
      Extent& extent = tables_.extents[number];
      if (extent.offset >= end) break;
      std::memset(buffer.get() + (filled - page_at), 0, extent.offset - filled);
      const std::span into(buffer.get() + (extent.offset - page_at), extent.length_bytes);
      if (auto read = ReadSample(extent, file_offsets_[number], into); !read) return read;
      filled = extent.offset + extent.length_bytes;
    }
    std::memset(buffer.get() + (filled - page_at), 0, end - filled);
    const std::span<const std::byte> bytes(buffer.get() + (begin - page_at), end - begin);
    tables_.page_sums[page] = Xxh3(bytes);
    if (auto written = file_.WriteAll(begin, bytes); !written) return written;
    // Start the write-back now, so that the sync at the end has little left to wait for. Only a hint: errors come back
    // in fsync.
    sync_file_range(file_.fd(), static_cast<off_t>(begin), static_cast<off_t>(bytes.size()), SYNC_FILE_RANGE_WRITE);
    return {};
  }

  std::vector<NodeNumber> TakeUnreadable() { return {unreadable_.begin(), unreadable_.end()}; }

 private:
  ExtentNumber FirstExtentAt(uint64_t offset) const {
    const auto extents = static_cast<const IndexTables&>(tables_).extents.span();
    return static_cast<ExtentNumber>(std::ranges::lower_bound(extents, offset, {}, &Extent::offset) - extents.begin());
  }

  Result<void> ReadSample(Extent& extent, uint64_t file_offset, std::span<std::byte> into) {
    if (options_.interrupted != nullptr && *options_.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    auto read = source_.Read(extent.node, file_offset, into);
    if (read) {
      extent.sum = Xxh3(into);
      if (options_.bytes_done != nullptr) *options_.bytes_done += into.size();
      if (options_.samples_done != nullptr && file_offset == 0) ++*options_.samples_done;
      return {};
    }
    std::ranges::fill(into, std::byte{0});
    const std::scoped_lock lock(mutex_);
    if (unreadable_.insert(extent.node).second) options_.on_unreadable(extent.node, read.error().message);
    return options_.skip_unreadable ? Result<void>() : std::move(read);
  }

  IndexTables& tables_;
  const Spool<uint64_t>& file_offsets_;
  const uint64_t data_end_;
  const SampleSource& source_;
  const File& file_;
  const PageWriterOptions& options_;
  std::mutex mutex_;  // guards unreadable_ and the call of on_unreadable
  std::set<NodeNumber> unreadable_;
};

}  // namespace

Result<std::vector<NodeNumber>> WritePages(IndexTables& tables, const Spool<uint64_t>& file_offsets, uint64_t data_end,
                                           const SampleSource& source, WorkerPool& pool, const File& file,
                                           const PageWriterOptions& options) {
  const uint64_t pages = CeilDiv(data_end, kPageBytes);
  for (uint64_t page = 0; page < pages; ++page)
    if (auto added = tables.page_sums.Append(uint64_t{0}); !added) return Propagate(std::move(added));
  PageWriter writer(tables, file_offsets, data_end, source, file, options);
  auto written = pool.ForEach(pages, [&](uint64_t page) { return writer.Write(page); });
  auto unreadable = writer.TakeUnreadable();
  if (!written && unreadable.empty()) return Propagate(std::move(written));
  if (!written && options.skip_unreadable) return Propagate(std::move(written));
  return unreadable;
}

}  // namespace quire
