// SPDX-License-Identifier: Apache-2.0
#include "format/write/frame_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "format/checksum.h"
#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"
#include "format/write/decoded_places.h"

namespace quire {
namespace {

// Samples of a few bytes: more of them would be more memory for what is known of each, 200 bytes.
constexpr uint64_t kSamplesPerTask = 4096;
constexpr uint64_t kTaskBytes = FrameCompressor::kMostBytes;

// Whole samples that follow each other, or a piece of one.
struct Task {
  uint64_t first = 0;  // numbers in the order of the samples
  uint64_t end = 0;
  uint64_t bytes = 0;
  bool is_piece = false;
  uint64_t file_offset = 0;  // of a piece
  bool is_first = false;     // of a piece: of its sample
  uint64_t range_bytes = 0;  // of a piece that is the first of a range of data: of that range; else 0
};

// Gives what was compressed its places, in the order of the samples. Not thread-safe.
class FrameTable {
 public:
  FrameTable(const FrameCompressor& compressor, IndexTables& tables, const PageWriterOptions& options,
             WrittenFrames& written)
      : compressor_(compressor),
        tables_(tables),
        options_(options),
        written_(written),
        places_(kFrameBytes, /*are_long_alone=*/false, written.decoded_end) {}

  // Returns where the coded bytes lie in the pack.
  Result<uint64_t> Take(const Task& task, const CompressedSamples& samples) {
    const uint64_t place = written_.stored_end;
    written_.stored_end += samples.coded.size();
    written_.report.vain_bytes += samples.vain_bytes;
    if (auto taken = task.is_piece ? TakePiece(task, samples, place) : TakeWhole(samples, place); !taken)
      return Propagate(std::move(taken));
    if (written_.stored_end > kMaxVolumeBytes || places_.last_end() > kMaxVolumeBytes)
      return Unsupported("more than {} bytes of samples, which a pack holds", kMaxVolumeBytes);
    return place;
  }

  [[nodiscard]] uint64_t decoded_end() const { return places_.last_end(); }
  // Where bytes lie of samples that could be read in part only: (offset, bytes).
  [[nodiscard]] const std::vector<std::pair<uint64_t, uint64_t>>& abandoned() const { return abandoned_; }

 private:
  Result<void> TakeWhole(const CompressedSamples& samples, uint64_t place) {
    for (size_t i = 0; i < samples.extents.size(); ++i) {
      const auto& [extent, frame, number] = samples.extents[i];
      const CompressedSamples::Sample& sample = samples.samples[number];
      if (i == 0 || samples.extents[i - 1].sample != number) {
        const DataRange all{.offset = 0, .length_bytes = sample.bytes};
        if (sample.extents > 1)
          if (auto added = AddSegments(sample.node, std::span(&all, 1)); !added) return added;
        // Of frames that follow each other, or of one that other samples share.
        if (i == 0 || samples.extents[i - 1].frame != frame)
          next_place_ = places_.Take(std::max(sample.bytes, samples.frames[frame].size_bytes));
      }
      if (auto added = Append(samples, i, place); !added) return added;
    }
    for (const CompressedSamples::Sample& sample : samples.samples) {
      if (sample.fault) {
        Fail(sample);
      } else if (sample.extents == 0) {
        if (sample.bytes > 0) ++written_.report.left_samples;
        written_.report.left_bytes += sample.bytes;
        if (auto left = written_.left.Append(sample.node); !left) return left;
      } else {
        Count(sample, /*is_first=*/true);
      }
    }
    return {};
  }

  Result<void> TakePiece(const Task& task, const CompressedSamples& samples, uint64_t place) {
    const CompressedSamples::Sample& sample = samples.samples.front();
    if (task.is_first) {
      large_ = {.extents = written_.extents.size(),
                .members = tables_.coded_members.size(),
                .segments = tables_.segments.size(),
                .places = places_,
                .report = written_.report};
      first_place_ = place;
      has_large_failed_ = false;
    }
    if (sample.fault && !std::exchange(has_large_failed_, true)) {
      // Nothing of it remains, but for the bytes that were written.
      written_.extents.Truncate(large_.extents);
      tables_.coded_members.Truncate(large_.members);
      tables_.segments.Truncate(large_.segments);
      places_ = large_.places;
      written_.report = large_.report;
      written_.segments = large_.segments;
      if (place > first_place_) abandoned_.emplace_back(first_place_, place - first_place_);
      Fail(sample);
    }
    if (has_large_failed_) {
      if (!samples.coded.empty()) abandoned_.emplace_back(place, samples.coded.size());
      return {};
    }
    if (sample.extents == 0) return {};  // nothing will be written
    if (task.is_first)
      if (auto added = AddSegments(sample.node, compressor_.RangesOf(sample.node)); !added) return added;
    if (task.range_bytes > 0) next_place_ = places_.Take(task.range_bytes);
    for (size_t i = 0; i < samples.extents.size(); ++i)
      if (auto added = Append(samples, i, place); !added) return added;
    Count(sample, task.is_first);
    return {};
  }

  // One for each range of data: its extents will follow each other, from the next one on.
  Result<void> AddSegments(NodeNumber number, std::span<const DataRange> ranges) {
    Node& node = tables_.nodes[number];
    node.kind = NodeKind::kSegmented;
    node.content = tables_.segments.size();
    ExtentNumber extent = written_.extents.size();
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (auto added = tables_.segments.Append({.file_offset = ranges[i].offset,
                                                .length_bytes = ranges[i].length_bytes,
                                                .first_extent = extent,
                                                .following = ranges.size() - 1 - i});
          !added)
        return added;
      extent += CeilDiv(ranges[i].length_bytes, kFrameBytes);
    }
    written_.segments = tables_.segments.size();
    return {};
  }

  // Extent `number` of the samples, and its frame where that begins with it. `place`: of the coded bytes.
  Result<void> Append(const CompressedSamples& samples, size_t number, uint64_t place) {
    Extent extent = samples.extents[number].extent;
    const size_t frame = samples.extents[number].frame;
    if (number == 0 || samples.extents[number - 1].frame != frame) {
      CodedMember member = samples.frames[frame];
      frame_place_ = member.offset = std::exchange(next_place_, next_place_ + member.size_bytes);
      member.stored_offset += place;
      written_.report.coded_bytes += member.stored_bytes;
      if (auto added = tables_.coded_members.Append(member); !added) return added;
    }
    extent.offset += frame_place_;
    return written_.extents.Append(extent);
  }

  void Count(const CompressedSamples::Sample& sample, bool is_first) {
    written_.report.sample_bytes += sample.bytes;
    if (options_.bytes_done != nullptr) *options_.bytes_done += sample.bytes;
    if (!is_first) return;
    ++written_.report.samples;
    if (options_.samples_done != nullptr) ++*options_.samples_done;
  }

  void Fail(const CompressedSamples::Sample& sample) {
    if (Node& node = tables_.nodes[sample.node]; node.kind == NodeKind::kSegmented) node.content = kMaxRecords;
    written_.failed.push_back(sample.node);
    options_.on_unreadable(sample.node, *sample.fault);
  }

  const FrameCompressor& compressor_;
  IndexTables& tables_;
  const PageWriterOptions& options_;
  WrittenFrames& written_;
  DecodedPlaces places_;
  uint64_t next_place_ = 0;   // in the framed volume, of the next frame
  uint64_t frame_place_ = 0;  // and of the last one
  std::vector<std::pair<uint64_t, uint64_t>> abandoned_;

  // As all was before the large sample of which pieces come.
  struct Before {
    uint64_t extents = 0;
    uint64_t members = 0;
    uint64_t segments = 0;
    DecodedPlaces places{kFrameBytes, false};
    CompressionReport report;
  };
  Before large_;
  uint64_t first_place_ = 0;  // of its coded bytes
  bool has_large_failed_ = false;
};

class FrameWriter {
 public:
  FrameWriter(const SamplesToCompress& samples, const Compression& compression, const EncoderDictionaries& dictionaries,
              const File& file, const PageWriterOptions& options, WrittenFrames& written)
      : in_(samples),
        file_(file),
        options_(options),
        written_(written),
        compressor_(samples, compression, dictionaries, gives_up_),
        table_(compressor_, samples.tables, options, written) {}

  Result<void> Run(WorkerPool& pool) {
    if (auto probed = ProbeLarge(pool); !probed) return probed;
    MakeTasks();
    auto done = pool.ForEach(tasks_.size(), [&](uint64_t number) {
      const TurnGuard guard(*this, number);
      return RunTask(number);
    });
    if (!done) return done;
    const MutexLock lock(mutex_);
    written_.decoded_end = table_.decoded_end();
    std::ranges::sort(written_.failed);
    for (const auto& [offset, bytes] : table_.abandoned())
      if (auto erased = WriteZeros(offset, bytes); !erased) return erased;
    return WriteZeros(written_.stored_end, AlignUp(written_.stored_end, kIndexAlign) - written_.stored_end);
  }

 private:
  // Whatever ends a task before its turn, an exception too: those behind it do not wait for it.
  class TurnGuard {
   public:
    TurnGuard(FrameWriter& writer, uint64_t number) : writer_(writer), number_(number) {}
    TurnGuard(const TurnGuard&) = delete;
    TurnGuard& operator=(const TurnGuard&) = delete;
    ~TurnGuard() {
      const MutexLock lock(writer_.mutex_);
      if (writer_.next_turn_ > number_) return;
      writer_.ended_at_ = std::min(writer_.ended_at_, number_);
      writer_.turn_came_.notify_all();
    }

   private:
    FrameWriter& writer_;
    const uint64_t number_;
  };

  [[nodiscard]] Result<void> CheckInterrupted() const {
    if (options_.interrupted != nullptr && *options_.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    return {};
  }

  Result<void> ProbeLarge(WorkerPool& pool) {
    std::vector<NodeNumber> large;
    for (const NodeNumber node : in_.samples.span())
      if (compressor_.IsLarge(node) && !compressor_.IsDuplicate(node)) large.push_back(node);
    std::vector<char> is_worth_it(large.size());
    auto probed = pool.ForEach(large.size(), [&](uint64_t i) -> Result<void> {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      is_worth_it[i] = static_cast<char>(compressor_.ProbeLarge(large[i]));
      return {};
    });
    for (size_t i = 0; i < large.size(); ++i)
      if (is_worth_it[i] != 0) in_pieces_.push_back(large[i]);
    std::ranges::sort(in_pieces_);
    // Before threads read them, which ask for the kind.
    for (const NodeNumber node : in_pieces_) in_.tables.nodes[node].kind = NodeKind::kSegmented;
    return probed;
  }

  void MakeTasks() {
    Task task;
    const auto end_task = [&](uint64_t next) {
      if (task.end > task.first) tasks_.push_back(task);
      task = {.first = next, .end = next};
    };
    for (uint64_t i = 0; i < in_.samples.size(); ++i) {
      const NodeNumber node = in_.samples[i];
      const bool is_large = compressor_.IsLarge(node);
      if (is_large && std::ranges::binary_search(in_pieces_, node)) {
        end_task(i + 1);
        AddPieces(i, node);
        continue;
      }
      const uint64_t bytes = is_large ? 0 : in_.tables.nodes[node].size_bytes;
      if (task.bytes + bytes > kTaskBytes || task.end - task.first >= kSamplesPerTask) end_task(i);
      task.end = i + 1;
      task.bytes += bytes;
    }
    end_task(in_.samples.size());
  }

  void AddPieces(uint64_t i, NodeNumber node) {
    bool is_first = true;
    for (const DataRange& range : compressor_.RangesOf(node))
      for (uint64_t at = 0; at < range.length_bytes; at += kTaskBytes)
        tasks_.push_back({.first = i,
                          .end = i + 1,
                          .bytes = std::min(kTaskBytes, range.length_bytes - at),
                          .is_piece = true,
                          .file_offset = range.offset + at,
                          .is_first = std::exchange(is_first, false),
                          .range_bytes = at == 0 ? range.length_bytes : 0});
  }

  Result<void> RunTask(uint64_t number) {
    const Task& task = tasks_[number];
    CompressedSamples samples;
    if (auto compressed = Compress(task, samples); !compressed) return compressed;
    const auto place = TakeInTurn(number, task, samples);
    if (!place) return std::unexpected(place.error());
    if (samples.coded.empty() || gives_up_) return {};
    if (auto wrote = file_.WriteAll(*place, samples.coded); !wrote) return wrote;
    // As for pages: the sync at the end has little left to wait for.
    sync_file_range(file_.fd(), static_cast<off_t>(*place), static_cast<off_t>(samples.coded.size()),
                    SYNC_FILE_RANGE_WRITE);
    return {};
  }

  Result<void> Compress(const Task& task, CompressedSamples& samples) const {
    for (uint64_t i = task.first; i < task.end; ++i) {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      const NodeNumber node = in_.samples[i];
      if (compressor_.IsDuplicate(node)) continue;
      if (auto compressed = task.is_piece ? compressor_.CompressPiece(node, task.file_offset, task.bytes, samples)
                                          : compressor_.CompressWhole(node, samples);
          !compressed)
        return compressed;
    }
    compressor_.CompressWaiting(samples);
    return {};
  }

  Result<uint64_t> TakeInTurn(uint64_t number, const Task& task, const CompressedSamples& samples) {
    MutexLock lock(mutex_);
    turn_came_.wait(lock, [&]() QUIRE_REQUIRES(mutex_) { return next_turn_ == number || ended_at_ < number; });
    if (next_turn_ != number) return MakeError(ErrorCode::kInterrupted, "what stands before could not be compressed");
    auto place = table_.Take(task, samples);
    if (!place) return place;
    if (!written_.failed.empty() && !options_.skip_unreadable) gives_up_ = true;
    ++next_turn_;
    turn_came_.notify_all();
    return place;
  }

  Result<void> WriteZeros(uint64_t offset, uint64_t bytes) {
    const std::vector<std::byte> zeros(std::min(bytes, kTaskBytes));
    for (uint64_t at = 0; at < bytes; at += kTaskBytes)
      if (auto wrote = file_.WriteAll(offset + at, std::span(zeros).first(std::min(kTaskBytes, bytes - at))); !wrote)
        return wrote;
    return {};
  }

  const SamplesToCompress& in_;
  const File& file_;
  const PageWriterOptions& options_;
  WrittenFrames& written_;              // the turn's, while threads run
  std::atomic<bool> gives_up_ = false;  // a sample could not be read, and none may be missing
  FrameCompressor compressor_;
  std::vector<NodeNumber> in_pieces_;  // large samples that are compressed, sorted
  std::vector<Task> tasks_;

  Mutex mutex_;  // not held while anything is read, compressed or written
  ConditionVariable turn_came_;
  uint64_t next_turn_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t ended_at_ QUIRE_GUARDED_BY(mutex_) = UINT64_MAX;  // a task that will never have its turn
  FrameTable table_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace

Result<void> WriteFrames(const SamplesToCompress& samples, const Compression& compression,
                         const EncoderDictionaries& dictionaries, WorkerPool& pool, const File& file,
                         const PageWriterOptions& options, WrittenFrames& written) {
  return FrameWriter(samples, compression, dictionaries, file, options, written).Run(pool);
}

Result<void> AddFrames(const WrittenFrames& written, const EncoderDictionaries& dictionaries, IndexTables& tables) {
  const ExtentNumber first = tables.extents.size();
  for (const Extent& extent : written.extents.span()) {
    Node& node = tables.nodes[extent.node];
    if (node.kind == NodeKind::kFile) node.content = tables.extents.size();
    if (auto added = tables.extents.Append(extent); !added) return added;
  }
  for (uint64_t segment = 0; segment < written.segments; ++segment) tables.segments[segment].first_extent += first;
  tables.dictionaries = {{}};
  for (size_t number = 1; number <= dictionaries.count(); ++number) {
    const auto bytes = dictionaries.bytes(number);
    tables.dictionaries.push_back(
        {.offset = tables.dictionary_bytes.size(), .bytes = static_cast<uint32_t>(bytes.size()), .sum = Xxh3(bytes)});
    tables.dictionary_bytes.insert(tables.dictionary_bytes.end(), bytes.begin(), bytes.end());
  }
  return {};
}

Volume FramedVolume(uint64_t decoded_end) {
  return {.kind = VolumeKind::kDecoded, .base = 0, .frame_bytes = kFrameBytes, .data_end = decoded_end};
}

}  // namespace quire
