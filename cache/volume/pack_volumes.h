// SPDX-License-Identifier: Apache-2.0
// One source for all volumes of a pack, whether they are files, decoded from others, or far away.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/volume/file_source.h"
#include "cache/volume/volume_source.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

// The volumes that `pack`, which must outlive the source, has open; where it `grows`, those too that later generations
// add to it. Errors: those of OpenFileSource, and kSystem where threads cannot be started.
Result<std::unique_ptr<VolumeSource>> OpenPackVolumes(const Pack& pack, const FileSourceOptions& options,
                                                      bool grows = false);

// Hands each read to the source of its volume.
class PackVolumes final : public VolumeSource {
 public:
  // `by_volume`: for each volume one of `sources`. `further`: the one of all later volumes.
  PackVolumes(std::vector<std::unique_ptr<VolumeSource>> sources, std::vector<VolumeSource*> by_volume,
              VolumeSource* further);

  void Submit(VolumeRead* first) override;
  void Cancel() override;
  // What suits all of them: the largest.
  [[nodiscard]] uint32_t request_bytes() const override { return request_bytes_; }
  [[nodiscard]] uint32_t depth() const override { return depth_; }
  [[nodiscard]] uint32_t background_depth() const override;
  [[nodiscard]] uint32_t alignment_bytes() const override { return alignment_bytes_; }
  [[nodiscard]] std::string Describe() const override;

 private:
  [[nodiscard]] VolumeSource* SourceOf(uint16_t volume) const {
    return volume < by_volume_.size() ? by_volume_[volume] : further_;
  }

  const std::vector<std::unique_ptr<VolumeSource>> sources_;
  const std::vector<VolumeSource*> by_volume_;
  VolumeSource* const further_;
  uint32_t request_bytes_ = 1;
  uint32_t depth_ = 1;
  uint32_t alignment_bytes_ = 1;
};

}  // namespace quire
