#include "cache/page/sum_check.h"

#include <spdlog/spdlog.h>

#include "format/checksum.h"
#include "format/geometry.h"

namespace quire {

bool SumCheck::IsPageRight(const Volume& volume, uint64_t page, std::span<const std::byte> bytes) const {
  const auto sum = pack_.index().GetPageSum(volume, page);
  if (sum && *sum == Xxh3(bytes)) return true;
  counters_.Add(Counter::kVerifyFailures);
  spdlog::warn("'{}': page {}: {}; its samples are read and checked one by one from now on", pack_.path(), page,
               sum ? "checksum mismatch" : sum.error().message);
  return false;
}

Result<void> SumCheck::Check(const Extent& extent, std::span<const std::byte> bytes) const {
  if (Xxh3(bytes) == extent.sum) return {};
  counters_.Add(Counter::kVerifyFailures);
  return Corrupt("{} bytes at {} (page {}): checksum mismatch", extent.length_bytes, extent.offset,
                 extent.offset / kPageBytes);
}

}  // namespace quire
