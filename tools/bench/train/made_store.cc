// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/made_store.h"

#include <algorithm>
#include <cstring>

namespace quire::bench {
namespace {

constexpr uint64_t kPieceBytes = 8U << 20U;  // as readers of files take it

class MadeReader final : public StoreReader {
 public:
  explicit MadeReader(uint64_t bytes) : bytes_(bytes) {}

  Result<uint64_t> Read(uint64_t sample) override {
    for (uint64_t done = 0; done < bytes_;) {
      const auto piece = buffer_.Take(std::min(kPieceBytes, bytes_ - done));
      std::memset(piece.data(), static_cast<int>(sample & 0xFFU), piece.size());
      done += piece.size();
    }
    return bytes_;
  }

 private:
  const uint64_t bytes_;
  ReadBuffer buffer_;
};

class MadeStore final : public SampleStore {
 public:
  MadeStore(uint64_t samples, uint64_t bytes) : samples_(samples), bytes_(bytes) {}

  Result<void> List() override { return {}; }
  [[nodiscard]] uint64_t sample_count() const override { return samples_; }
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return CountUp(samples_); }
  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    return std::make_unique<MadeReader>(bytes_);
  }

 private:
  const uint64_t samples_;
  const uint64_t bytes_;
};

}  // namespace

std::unique_ptr<SampleStore> MakeMadeStore(uint64_t samples, uint64_t bytes) {
  return std::make_unique<MadeStore>(samples, bytes);
}

}  // namespace quire::bench
