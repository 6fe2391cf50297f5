// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "format/file.h"
#include "format/pack/pack.h"
#include "format/pack/sample_content.h"
#include "tools/bench/sample_store.h"

namespace quire::bench {
namespace {

// Bytes of a sample that lie together in the pack.
struct Piece {
  uint64_t pack_offset = 0;
  uint32_t length_bytes = 0;
};

// What all samples of a pack are made of, flat; holes are left out, since no byte of them is read.
class PieceList {
 public:
  // Begins the next sample.
  void Begin() { first_piece_.push_back(pieces_.size()); }
  void Add(const Piece& piece) { pieces_.push_back(piece); }

  [[nodiscard]] uint64_t samples() const { return first_piece_.size(); }
  [[nodiscard]] std::span<const Piece> Of(uint64_t sample) const {
    const size_t begin = first_piece_[sample];
    const size_t end = sample + 1 < first_piece_.size() ? first_piece_[sample + 1] : pieces_.size();
    return std::span(pieces_).subspan(begin, end - begin);
  }

 private:
  std::vector<Piece> pieces_;
  std::vector<size_t> first_piece_;
};

class PackReader final : public StoreReader {
 public:
  PackReader(const File& file, const PieceList& pieces) : file_(file), pieces_(pieces) {}

  Result<uint64_t> Read(uint64_t sample) override {
    uint64_t bytes = 0;
    for (const auto& [offset, length_bytes] : pieces_.Of(sample)) {
      if (auto read = file_.ReadExactly(offset, buffer_.Take(length_bytes)); !read) return Propagate(std::move(read));
      bytes += length_bytes;
    }
    return bytes;
  }

 private:
  const File& file_;
  const PieceList& pieces_;
  ReadBuffer buffer_;
};

class PackStore final : public SampleStore {
 public:
  PackStore(std::string path, File file) : path_(std::move(path)), file_(std::move(file)) {}

  Result<void> List() override {
    pieces_ = {};
    auto pack = Pack::Open(path_);
    if (!pack) return Propagate(std::move(pack));
    return ListBelow((*pack)->index(), 0);
  }

  [[nodiscard]] uint64_t sample_count() const override { return pieces_.samples(); }

  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override {
    std::vector<uint64_t> order = CountUp(pieces_.samples());
    std::ranges::sort(order, {}, [&](uint64_t sample) {
      const auto pieces = pieces_.Of(sample);
      return std::pair(pieces.empty() ? 0 : pieces.front().pack_offset, sample);
    });
    return order;
  }

  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    return std::make_unique<PackReader>(file_, pieces_);
  }

 private:
  Result<void> ListBelow(const Index& index, NodeNumber number) {
    auto node = index.GetNode(number);
    if (!node) return Propagate(std::move(node));
    if (node->kind == NodeKind::kHardLink) {
      if (node = index.GetNode(node->content); !node) return Propagate(std::move(node));
    }
    if (node->is_sample()) return ListSample(index, *node);
    if (node->kind != NodeKind::kDirectory) return {};
    const auto directory = index.GetDirectory(node->content);
    if (!directory) return std::unexpected(directory.error());
    for (uint64_t i = 0; i < directory->child_count; ++i) {
      const auto child = index.GetChild(*directory, i);
      auto listed = child ? ListBelow(index, *child) : std::unexpected(child.error());
      if (!listed) return listed;
    }
    return {};
  }

  Result<void> ListSample(const Index& index, const Node& sample) {
    pieces_.Begin();
    for (uint64_t offset = 0; offset < sample.size_bytes;) {
      const auto run = FindRun(index, sample, offset);
      if (!run) return std::unexpected(run.error());
      offset = run->file_offset + run->length_bytes;
      if (!run->extent) continue;
      const auto extent = index.GetExtent(*run->extent);
      if (!extent) return std::unexpected(extent.error());
      if (extent->volume != 0) return Unsupported("{}: a sample lies in another volume", path_);
      pieces_.Add({extent->offset + run->extent_offset, static_cast<uint32_t>(run->length_bytes)});
    }
    return {};
  }

  const std::string path_;
  const File file_;
  PieceList pieces_;
};

}  // namespace

Result<std::unique_ptr<SampleStore>> OpenPackStore(const std::string& path) {
  auto file = File::Open(path, O_RDONLY);
  if (!file) return Propagate(std::move(file));
  return std::make_unique<PackStore>(path, std::move(*file));
}

}  // namespace quire::bench
