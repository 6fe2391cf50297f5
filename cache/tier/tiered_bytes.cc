// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tiered_bytes.h"

#include <algorithm>

#include "format/pack/geometry.h"
#include "format/pack/superblock.h"
#include "format/rounding.h"

namespace quire {
namespace {

// Reads ahead of a walk at a time: BlockFlights::kMaxAhead.
constexpr unsigned kThreads = 12;

struct RangeRead : VolumeRead {
  std::shared_ptr<PendingRead> pending;
};

}  // namespace

Result<std::unique_ptr<TieredBytes>> TieredBytes::Create(std::unique_ptr<PackBytes> origin,
                                                         std::shared_ptr<TierParts> parts) {
  std::unique_ptr<TieredBytes> bytes(new TieredBytes(std::move(origin), std::move(parts)));
  if (auto started = bytes->threads_.Start(kThreads, 0); !started) return Propagate(std::move(started));
  return bytes;
}

// What nobody waits for any more is not asked for.
TieredBytes::~TieredBytes() { is_ending_ = true; }

std::shared_ptr<PendingRead> TieredBytes::StartRead(uint64_t offset, uint64_t bytes) {
  const uint64_t begin = AlignDown(offset, UnitSet::kUnitBytes);
  const TierVolume* const part = parts_->Find(offset, 1);
  if (std::this_thread::get_id() == reader() || (part != nullptr && part->Has(begin, offset + bytes - begin)))
    return nullptr;
  auto read = std::make_unique<RangeRead>();
  read->offset = offset;
  read->pending = std::make_shared<PendingRead>(bytes, reader());
  auto pending = read->pending;
  threads_.Submit(read.release());
  return pending;
}

void TieredBytes::BringPending(VolumeRead& read) {
  const std::unique_ptr<RangeRead> own(static_cast<RangeRead*>(&read));
  own->pending->End(!is_ending_ && Read(own->offset, own->pending->into()));
}

void TieredBytes::Distrust(uint64_t offset, uint64_t bytes) {
  for (uint64_t at = offset; at < offset + bytes;) {
    const uint64_t end = std::min(offset + bytes, AlignDown(at, kPageBytes) + kPageBytes);
    if (TierVolume* const part = parts_->Find(at, 1); part != nullptr) part->Drop(at, end - at);
    at = end;
  }
}

// The thread that other reads wait for does not wait for neighbours.
bool TieredBytes::ReadFromPeers(TierVolume& part, uint64_t offset, std::byte* into, size_t bytes) {
  return std::this_thread::get_id() != reader() &&
         part.ReadFromPeers(offset, into, bytes) == PeerVolume::Outcome::kRead;
}

// Whether what is there by now is the pack that has grown is known when its layers are: TierParts::Take.
Result<bool> TieredBytes::Renew(size_t most_head_bytes, std::vector<std::byte>& head) {
  parts_->Doubt();
  auto renewed = origin_->Renew(most_head_bytes, head);
  if (!renewed || !*renewed) parts_->Trust();
  return renewed;
}

void TieredBytes::Refuse() {
  origin_->Refuse();
  parts_->Forget();
}

Result<void> TieredBytes::Read(uint64_t offset, std::span<std::byte> into) {
  // The origin had to be asked for these when it was opened, and knows them.
  if (offset + into.size() <= 2 * kSuperblockBytes) return origin_->Read(offset, into);
  while (!into.empty()) {
    TierVolume* const part = parts_->is_in_doubt() ? nullptr : parts_->Find(offset, 1);
    // Whole units of one page.
    const uint64_t begin = AlignDown(offset, UnitSet::kUnitBytes);
    const uint64_t page_end = AlignDown(offset, kPageBytes) + kPageBytes;
    const uint64_t end = std::min({AlignUp(offset + into.size(), UnitSet::kUnitBytes), page_end,
                                   part == nullptr ? origin_->size_bytes() : part->end_bytes()});
    if (end <= offset) return origin_->Read(offset, into);  // which says what is wrong
    auto units = MakeAligned(AlignUp(end - begin, UnitSet::kUnitBytes));
    const bool is_there = part != nullptr && part->Read(begin, units.get(), end - begin);
    if (!is_there && (part == nullptr || !ReadFromPeers(*part, begin, units.get(), end - begin)))
      if (auto read = origin_->Read(begin, {units.get(), end - begin}); !read) return read;
    const size_t taken = std::min<uint64_t>(into.size(), end - offset);
    std::copy_n(units.get() + (offset - begin), taken, into.begin());
    if (part == nullptr)
      parts_->KeepLater(offset, std::move(units), end - begin);
    else if (!is_there)
      part->KeepUnits(begin, units.get(), end - begin);
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
