// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tiered_bytes.h"

#include <algorithm>

#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {

Result<void> TieredBytes::Read(uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    // Whole units of one page.
    const uint64_t begin = AlignDown(offset, UnitSet::kUnitBytes);
    const uint64_t page_end = AlignDown(offset, kPageBytes) + kPageBytes;
    const uint64_t end =
        std::min({AlignUp(offset + into.size(), UnitSet::kUnitBytes), page_end, origin_->size_bytes()});
    if (end <= offset) return origin_->Read(offset, into);  // which says what is wrong
    const auto units = MakeAligned(AlignUp(end - begin, UnitSet::kUnitBytes));
    if (!volume_->Read(begin, units.get(), end - begin)) {
      if (auto read = origin_->Read(begin, {units.get(), end - begin}); !read) return read;
      volume_->KeepUnits(begin, units.get(), end - begin);
    }
    const size_t taken = std::min<uint64_t>(into.size(), end - offset);
    std::copy_n(units.get() + (offset - begin), taken, into.begin());
    offset += taken;
    into = into.subspan(taken);
  }
  return {};
}

PackBytes* OriginOf(PackBytes* bytes) {
  auto* const tiered = dynamic_cast<TieredBytes*>(bytes);
  return tiered == nullptr ? bytes : &tiered->origin();
}

const PackBytes* OriginOf(const PackBytes* bytes) {
  const auto* const tiered = dynamic_cast<const TieredBytes*>(bytes);
  return tiered == nullptr ? bytes : &tiered->origin();
}

}  // namespace quire
