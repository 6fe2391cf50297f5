// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/record_store.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "format/file.h"
#include "tools/bench/train/data_size.h"

namespace quire::bench {
namespace {

class RecordReader final : public StoreReader {
 public:
  RecordReader(const std::string& root, std::span<const std::string> paths, std::span<const uint64_t> begins,
               uint64_t record_bytes)
      : root_(root), paths_(paths), begins_(begins), record_bytes_(record_bytes) {}

  Result<uint64_t> Read(uint64_t sample) override {
    const auto shard = static_cast<size_t>(std::ranges::upper_bound(begins_, sample) - begins_.begin()) - 1;
    if (shard != shard_) {
      auto opened = File::Open(root_ + "/" + paths_[shard], O_RDONLY);
      if (!opened) return Propagate(std::move(opened));
      file_ = std::move(*opened);
      shard_ = shard;
    }
    const uint64_t begin = (sample - begins_[shard]) * record_bytes_;
    for (uint64_t done = 0; done < record_bytes_;) {
      const auto piece = buffer_.Take(std::min(kPieceBytes, record_bytes_ - done));
      if (auto read = file_.ReadExactly(begin + done, piece); !read)
        return std::unexpected(Error{read.error().code, read.error().system_errno,
                                     fmt::format("{}: {}", paths_[shard], read.error().message)});
      done += piece.size();
    }
    return record_bytes_;
  }

 private:
  static constexpr uint64_t kPieceBytes = 8U << 20U;  // as readers of whole files have it

  const std::string& root_;
  const std::span<const std::string> paths_;
  const std::span<const uint64_t> begins_;
  const uint64_t record_bytes_;
  std::optional<size_t> shard_;
  File file_;
  ReadBuffer buffer_;
};

}  // namespace

Result<void> RecordStore::List() {
  auto paths = ListSamplePaths(root_);
  if (!paths) return Propagate(std::move(paths));
  const auto sizes = ListFileSizes(root_, *paths);
  if (!sizes) return std::unexpected(sizes.error());
  paths_.clear();
  begins_ = {0};
  for (size_t i = 0; i < paths->size(); ++i) {
    const uint64_t records = (*sizes)[i] / record_bytes_;
    if (records == 0) continue;
    paths_.push_back(std::move((*paths)[i]));
    begins_.push_back(begins_.back() + records);
  }
  return {};
}

Result<std::unique_ptr<StoreReader>> RecordStore::NewReader() const {
  return std::make_unique<RecordReader>(root_, paths_, begins_, record_bytes_);
}

}  // namespace quire::bench
