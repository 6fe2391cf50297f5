// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/pack_volumes.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "cache/remote/http_object.h"
#include "cache/tier/tiered_bytes.h"
#include "cache/volume/decoding_source.h"

namespace quire {

Result<std::unique_ptr<VolumeSource>> OpenPackVolumes(const Pack& pack, const FileSourceOptions& options, bool grows) {
  std::vector<std::unique_ptr<VolumeSource>> sources;
  const bool decodes = grows || pack.has_decoded();
  VolumeSource* further = nullptr;
  const VolumeFds fds = pack.volume_fds();
  const bool has_files = std::ranges::any_of(fds, [](int fd) { return fd >= 0; });
  std::vector<VolumeSource*> by_volume(fds.size());
  if (has_files || pack.bytes() == nullptr) {
    auto files = OpenFileSource(fds, options);
    if (!files || (pack.bytes() == nullptr && !decodes)) return files;
    std::ranges::fill(by_volume, files->get());
    sources.push_back(*std::move(files));
  }
  if (pack.bytes() != nullptr) {
    // What a pack is opened with beside files is such an object.
    sources.push_back(std::make_unique<HttpSource>(dynamic_cast<HttpObject&>(*OriginOf(pack.bytes()))));
    by_volume.front() = sources.back().get();
  }
  if (decodes) {
    auto decoding = DecodingSource::Create(pack, options.nice);
    if (!decoding) return decoding;
    for (uint16_t volume = 1; volume < fds.size(); ++volume)
      if (pack.IsDecoded(volume)) by_volume[volume] = decoding->get();
    further = decoding->get();
    sources.push_back(*std::move(decoding));
  }
  return std::make_unique<PackVolumes>(std::move(sources), std::move(by_volume), further);
}

PackVolumes::PackVolumes(std::vector<std::unique_ptr<VolumeSource>> sources, std::vector<VolumeSource*> by_volume,
                         VolumeSource* further)
    : sources_(std::move(sources)), by_volume_(std::move(by_volume)), further_(further) {
  for (const auto& source : sources_) {
    request_bytes_ = std::max(request_bytes_, source->request_bytes());
    depth_ = std::max(depth_, source->depth());
    alignment_bytes_ = std::max(alignment_bytes_, source->alignment_bytes());
  }
}

uint32_t PackVolumes::background_depth() const {
  uint32_t depth = 0;
  for (const auto& source : sources_) depth = std::max(depth, source->background_depth());
  return depth;
}

void PackVolumes::Submit(VolumeRead* first) {
  while (first != nullptr) {
    // One list for each source, the first one's first.
    VolumeSource* const source = SourceOf(first->volume);
    ReadQueue own;
    ReadQueue others;
    while (first != nullptr) {
      VolumeRead& read = *std::exchange(first, first->next);
      (SourceOf(read.volume) == source ? own : others).Push(read);
    }
    source->Submit(own.TakeAll());
    first = others.TakeAll();
  }
}

void PackVolumes::Cancel() {
  for (const auto& source : sources_) source->Cancel();
}

std::string PackVolumes::Describe() const {
  std::vector<std::string> lines;
  for (const auto& source : sources_) lines.push_back(source->Describe());
  return fmt::format("{}", fmt::join(lines, "; "));
}

}  // namespace quire
