// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/sample_attributes.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include "format/pack/sample_content.h"

namespace quire {
namespace {

// Empty where there are more than are told.
Result<std::vector<Extent>> ExtentsOf(const Index& index, const Node& node) {
  std::vector<Extent> extents;
  for (uint64_t at = 0; at < node.size_bytes;) {
    const auto run = FindRun(index, node, at);
    if (!run) return std::unexpected(run.error());
    at += run->length_bytes;
    if (!run->extent) continue;
    if (extents.size() == kMostToldExtents) return std::vector<Extent>();
    auto extent = index.GetExtent(*run->extent);
    if (!extent) return Propagate(std::move(extent));
    extents.push_back(*extent);
  }
  return extents;
}

using Value = Result<std::optional<std::string>>;
using Extents = std::vector<Extent>;

Value Volume(const Pack& pack, PageCache& /*cache*/, const Extents& extents) {
  return pack.VolumePath(extents.front().volume);
}

Value Page(const Pack& /*pack*/, PageCache& /*cache*/, const Extents& extents) {
  return fmt::to_string(extents.front().offset / kPageBytes);
}

Value Places(const Pack& /*pack*/, PageCache& /*cache*/, const Extents& extents) {
  std::string list;
  for (const Extent& extent : extents)
    fmt::format_to(std::back_inserter(list), "{}{}+{}", list.empty() ? "" : ",", extent.offset, extent.length_bytes);
  return list;
}

Value Sums(const Pack& pack, PageCache& /*cache*/, const Extents& extents) {
  std::string list;
  for (const Extent& extent : extents) {
    const auto volume = pack.index().GetVolume(extent.volume);
    if (!volume) return std::unexpected(volume.error());
    if (volume->sum_kind != SumKind::kXxh3) return std::nullopt;
    fmt::format_to(std::back_inserter(list), "{}{:016x}", list.empty() ? "" : ",", extent.sum);
  }
  return list;
}

Value Resident(const Pack& /*pack*/, PageCache& cache, const Extents& extents) {
  uint64_t bytes = 0;
  for (const Extent& extent : extents) bytes += cache.Holds(extent) ? extent.length_bytes : 0;
  return fmt::to_string(bytes);
}

constexpr std::array<std::pair<std::string_view, Value (*)(const Pack&, PageCache&, const Extents&)>, 5> kAttributes = {
    {
        {"volume", Volume},
        {"page", Page},
        {"extents", Places},
        {"xxh3", Sums},
        {"resident", Resident},
    }};

}  // namespace

Result<std::optional<std::string>> TellOfSample(const Pack& pack, PageCache& cache, const Node& node,
                                                std::string_view name) {
  if (!name.starts_with(kSampleAttributePrefix)) return std::nullopt;
  name.remove_prefix(kSampleAttributePrefix.size());
  for (const auto& [told, tell] : kAttributes) {
    if (told != name) continue;
    auto extents = ExtentsOf(pack.index(), node);
    if (!extents) return Propagate(std::move(extents));
    if (extents->empty()) return std::nullopt;
    return tell(pack, cache, *extents);
  }
  return std::nullopt;
}

}  // namespace quire
