#include "format/verifier.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"

namespace quire {
namespace {

// Hands the faults of numbered tasks on in the order of the tasks, as soon as all before them have ended. Thread-safe.
// Memory: a bit for each task, and the faults that wait.
class FaultSequence {
 public:
  explicit FaultSequence(const std::function<void(const Fault&)>& on_fault) : on_fault_(on_fault) {}

  // Runs `body` of each task in the threads of `pool`, as WorkerPool::ForEach does.
  Result<void> ForEach(WorkerPool& pool, uint64_t tasks, const std::function<Result<void>(uint64_t)>& body) {
    has_ended_.assign(tasks, false);
    next_ = 0;
    auto done = pool.ForEach(tasks, [&](uint64_t task) {
      current_task = task;
      auto result = body(task);
      End(task);
      return result;
    });
    for (; next_ < tasks; ++next_) HandOn(next_);  // where it was cut short
    current_task = kNoTask;
    return done;
  }

  // Of the task that this thread runs; of none, between two ForEach, the fault is handed on at once.
  void Add(Fault fault) {
    const std::scoped_lock lock(mutex_);
    ++faults_;
    if (current_task == kNoTask) return on_fault_(fault);
    waiting_[current_task].push_back(std::move(fault));
  }

  [[nodiscard]] uint64_t faults() const { return faults_; }

 private:
  static constexpr uint64_t kNoTask = UINT64_MAX;
  static thread_local uint64_t current_task;

  void End(uint64_t task) {
    const std::scoped_lock lock(mutex_);
    has_ended_[task] = true;
    for (; next_ < has_ended_.size() && has_ended_[next_]; ++next_) HandOn(next_);
  }

  void HandOn(uint64_t task) {
    const auto found = waiting_.extract(task);
    if (found.empty()) return;
    for (const Fault& fault : found.mapped()) on_fault_(fault);
  }

  const std::function<void(const Fault&)>& on_fault_;
  std::mutex mutex_;  // guards all below while tasks run
  std::vector<bool> has_ended_;
  uint64_t next_ = 0;  // all tasks before it have ended
  std::map<uint64_t, std::vector<Fault>> waiting_;
  uint64_t faults_ = 0;
};

thread_local uint64_t FaultSequence::current_task = kNoTask;

class Verifier {
 public:
  Verifier(const Pack& pack, WorkerPool& pool, const VerifyOptions& options)
      : pack_(pack), index_(pack.index()), pool_(pool), options_(options), faults_(options.on_fault) {}

  Result<VerifySummary> Run() {
    if (auto done = CheckIndexBlocks(); !done) return Propagate(std::move(done));
    volume_ = index_.GetVolume(0);
    if (!volume_) Report(Fault::Kind::kIndex, "", volume_.error().message);
    FindExtentsOfPages();
    if (auto done = CheckPages(); !done) return Propagate(std::move(done));
    CheckDirectoryRanges();
    if (auto done = CheckNamespace(); !done) return Propagate(std::move(done));
    summary_.faults = faults_.faults();
    return summary_;
  }

 private:
  Result<void> CheckIndexBlocks() {
    const uint64_t body_bytes = index_.superblock().body_bytes;
    summary_.index_blocks = CeilDiv(body_bytes, kBlockBytes);
    return faults_.ForEach(pool_, summary_.index_blocks, [&](uint64_t block) -> Result<void> {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      const uint64_t offset = block * kBlockBytes;
      const uint64_t bytes = std::min<uint64_t>(kBlockBytes, body_bytes - offset);
      const auto touched = index_.blocks().Touch(offset, bytes);
      if (!touched) Report(Fault::Kind::kIndex, "", touched.error().message);
      CountBytes(bytes);
      return {};
    });
  }

  // One pass over the extents tells where each page's begin, whatever blocks of the index are damaged.
  void FindExtentsOfPages() {
    summary_.pages = volume_ ? CeilDiv(volume_->data_end, kPageBytes) : 0;
    summary_.extents = index_.extent_count();
    first_extent_.assign(summary_.pages, index_.extent_count());
    uint64_t end = 0;
    for (ExtentNumber number = 0; number < index_.extent_count(); ++number) {
      const auto extent = index_.GetExtent(number);
      if (!extent) {
        bad_extents_.emplace(number, extent.error().message);
        continue;
      }
      if (extent->volume != 0) {
        bad_extents_.emplace(number, fmt::format("in volume {}, which this release does not read", extent->volume));
        continue;
      }
      if (extent->offset < end)
        bad_extents_.emplace(number, fmt::format("extent {} at {}: overlaps the one before", number, extent->offset));
      end = std::max(end, extent->offset + extent->length_bytes);
      uint64_t& first = first_extent_[extent->offset / kPageBytes];
      first = std::min(first, number);
    }
  }

  Result<void> CheckPages() {
    return faults_.ForEach(pool_, summary_.pages, [&](uint64_t page) -> Result<void> {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      CheckPage(page);
      return {};
    });
  }

  void CheckPage(uint64_t page) {
    const uint64_t begin = std::max(page * kPageBytes, volume_->data_begin);
    const uint64_t end = std::min((page + 1) * kPageBytes, volume_->data_end);
    if (begin >= end) return;
    CountBytes(end - begin);
    const auto read = Read(begin, end - begin, [&](std::span<const std::byte> bytes) {
      const bool all_good = CheckExtents(page, begin, end, [&](const Extent& extent) -> Result<void> {
        return CheckSum(extent, bytes.subspan(extent.offset - begin, extent.length_bytes));
      });
      CheckPageSum(page, bytes, all_good);
    });
    if (read) return;
    // Perhaps only a part of it is lost: ask for each extent by itself.
    CheckExtents(page, begin, end, [&](const Extent& extent) -> Result<void> {
      Result<void> good;
      const auto own = Read(extent.offset, extent.length_bytes,
                            [&](std::span<const std::byte> bytes) { good = CheckSum(extent, bytes); });
      return own ? good : own;
    });
    Report(Fault::Kind::kPage, "", fmt::format("page {}: {}", page, read.error().message));
  }

  Result<void> Read(uint64_t offset, size_t bytes, const UseBytes& use) const {
    if (options_.read) return options_.read(offset, bytes, use);
    static thread_local const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kPageBytes);
    const std::span into(buffer.get(), bytes);
    if (auto read = pack_.ReadRaw(offset, into); !read) return read;
    use(into);
    return {};
  }

  // Asks `check` about each extent in [begin, end) of `page`. Whether all were good.
  bool CheckExtents(uint64_t page, uint64_t begin, uint64_t end,
                    const std::function<Result<void>(const Extent&)>& check) {
    bool all_good = true;
    for (ExtentNumber number = first_extent_[page]; number < index_.extent_count(); ++number) {
      const auto extent = index_.GetExtent(number);
      if (!extent || extent->volume != 0) continue;
      if (extent->offset >= end) break;
      if (extent->offset < begin) continue;  // out of order: reported as an overlap
      const auto good = check(*extent);
      if (good) continue;
      all_good = false;
      const std::scoped_lock lock(mutex_);
      bad_extents_.emplace(number, fmt::format("extent {} ({} bytes at {}, page {}): {}", number, extent->length_bytes,
                                               extent->offset, page, good.error().message));
    }
    return all_good;
  }

  static Result<void> CheckSum(const Extent& extent, std::span<const std::byte> bytes) {
    return Xxh3(bytes) == extent.sum ? Result<void>() : Corrupt("checksum mismatch");
  }

  void CheckPageSum(uint64_t page, std::span<const std::byte> bytes, bool all_extents_good) {
    const auto sum = index_.GetPageSum(*volume_, page);
    if (!sum) return Report(Fault::Kind::kIndex, "", fmt::format("page {}: {}", page, sum.error().message));
    if (*sum == Xxh3(bytes)) return;
    Report(Fault::Kind::kPage, "",
           fmt::format("page {}: checksum mismatch{}", page, all_extents_good ? "; every sample in it is good" : ""));
  }

  void CheckDirectoryRanges() {
    NodeNumber next = 1;
    for (uint64_t number = 0; number < index_.directory_count(); ++number) {
      const auto directory = index_.GetDirectory(number);
      if (!directory) {
        Report(Fault::Kind::kIndex, "", directory.error().message);
        return;  // what follows cannot be compared with it
      }
      if (directory->first_child != next)
        Report(Fault::Kind::kIndex, PathOf(directory->node),
               fmt::format("directory {}: children from {} instead of {}", number, directory->first_child, next));
      next = directory->first_child + directory->child_count;
    }
    if (next != index_.node_count())
      Report(Fault::Kind::kIndex, "", fmt::format("nodes {} to {} are in no directory", next, index_.node_count()));
  }

  Result<void> CheckNamespace() {
    if (const auto root = index_.GetNode(0); !root)
      Report(Fault::Kind::kIndex, "", root.error().message);
    else if (root->kind != NodeKind::kDirectory)
      Report(Fault::Kind::kIndex, "", "node 0: the root is not a directory");
    return faults_.ForEach(pool_, index_.directory_count(), [&](uint64_t number) -> Result<void> {
      const auto directory = index_.GetDirectory(number);
      if (!directory) {
        Report(Fault::Kind::kIndex, "", directory.error().message);
        return {};
      }
      std::string_view before;
      for (uint64_t i = 0; i < directory->child_count; ++i) {
        if (auto stop = CheckInterrupted(); !stop) return stop;
        const NodeNumber child = directory->first_child + i;
        const auto checked = CheckEntry(child, before);
        if (!checked) Report(Fault::Kind::kIndex, PathOf(child), checked.error().message);
      }
      const std::scoped_lock lock(mutex_);
      summary_.entries += directory->child_count;
      return {};
    });
  }

  // `before`: the name of the entry before in the directory; becomes this entry's.
  Result<void> CheckEntry(NodeNumber number, std::string_view& before) {
    const auto node = index_.GetNode(number);
    if (!node) return std::unexpected(node.error());
    const auto name = index_.GetName(*node);
    if (!name) return std::unexpected(name.error());
    if (*name <= before) return Corrupt("node {}: its name is not behind the one before", number);
    before = *name;
    if (node->kind == NodeKind::kHardLink) {
      const auto target = index_.Resolve(number);
      return target ? Result<void>() : std::unexpected(target.error());
    }
    const auto attributes = index_.GetAttributes(node->attributes);
    if (!attributes) return std::unexpected(attributes.error());
    if (auto xattrs = index_.ForEachXattr(*attributes, [](const Xattr&) { return true; }); !xattrs) return xattrs;
    if (node->kind == NodeKind::kSymlink) {
      const auto target = index_.GetTarget(*node);
      return target ? Result<void>() : std::unexpected(target.error());
    }
    if (node->is_sample()) CheckSample(number, *node);
    return {};
  }

  void CheckSample(NodeNumber number, const Node& node) {
    if (const auto stored = index_.GetStoredBytes(node); !stored)  // which checks the segments, where there are any
      return Report(Fault::Kind::kSample, PathOf(number), stored.error().message);
    for (uint64_t at = 0; at < node.size_bytes;) {
      const auto run = index_.FindRun(node, at);
      if (!run) return Report(Fault::Kind::kSample, PathOf(number), run.error().message);
      if (run->extent)
        if (const auto bad = bad_extents_.find(*run->extent); bad != bad_extents_.end())
          Report(Fault::Kind::kSample, PathOf(number),
                 fmt::format("bytes {} to {}: {}", at, at + run->length_bytes, bad->second));
      at += run->length_bytes;
    }
  }

  std::string PathOf(NodeNumber number) const {
    auto path = index_.GetPath(number);
    return path ? std::move(*path) : fmt::format("(node {}, whose path cannot be read)", number);
  }

  void Report(Fault::Kind kind, std::string path, std::string message) {
    faults_.Add({.kind = kind, .path = std::move(path), .message = std::move(message)});
  }

  [[nodiscard]] Result<void> CheckInterrupted() const {
    if (options_.interrupted != nullptr && *options_.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    return {};
  }

  void CountBytes(uint64_t bytes) const {
    if (options_.bytes_done != nullptr) *options_.bytes_done += bytes;
  }

  const Pack& pack_;
  const Index& index_;
  WorkerPool& pool_;
  const VerifyOptions& options_;
  FaultSequence faults_;
  Result<Volume> volume_;
  std::vector<ExtentNumber> first_extent_;  // by page; the extent count where a page has none
  std::mutex mutex_;                        // guards all below while pages and directories are checked
  std::map<ExtentNumber, std::string> bad_extents_;
  VerifySummary summary_;
};

}  // namespace

Result<VerifySummary> VerifyPack(const Pack& pack, WorkerPool& pool, const VerifyOptions& options) {
  return Verifier(pack, pool, options).Run();
}

}  // namespace quire
