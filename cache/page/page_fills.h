// SPDX-License-Identifier: Apache-2.0
// Pages on their way from a volume into their slots: which bytes are still to come, who waits for them, and what is
// read next. What a reader waits for is read at once. All else waits here, in this order: the rest of pages that
// readers asked for, pages read ahead of a run, pages that are swept. Of that only so much is in flight that the volume
// stays busy, since what is in flight already is what a reader has to wait for. Not thread-safe: the cache's lock
// guards it. Allocates in its constructor only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cache/page/extent_read.h"
#include "cache/page/unit_set.h"
#include "cache/volume/volume_set.h"
#include "cache/volume/volume_source.h"
#include "format/pack/geometry.h"

namespace quire {

// Why a page is read; the order is that in which bytes that nobody waits for are read.
enum class FillKind : uint8_t { kDemand, kReadahead, kSweep };
inline constexpr size_t kFillKinds = 3;

class PageFills {
 public:
  // What is known of a page's bytes is known by units: so a reader of a small sample waits for little more than that,
  // and a request is a run of units, up to the source's best size.
  // In flight for one page: eight of 256 KiB, and as many that readers cut in between. What finds none free waits for
  // one to come back.
  static constexpr size_t kRequests = 16;

  struct Request : VolumeRead {
    PageCache* cache = nullptr;
    uint32_t slot = 0;          // into which it reads
    UnitSet units;              // of the page, that it reads
    uint32_t needed_bytes = 0;  // of the page's data; what is read beyond is the rest of a disk block
  };

  struct Fill {
    bool is_filling = false;
    bool is_queued = false;
    bool has_memory = false;  // of its slot: nothing is read before
    FillKind kind = FillKind::kDemand;
    uint16_t free_requests = 0;  // a bit for each
    UnitSet pending;             // have not come yet
    UnitSet unsent;              // of these: are not in flight either
    UnitSet failed;              // came incomplete
    UnitSet left_out;            // are not read: nobody will ask for them
    uint32_t read_bytes = 0;
    uint32_t next_queued = 0;
    std::byte* into = nullptr;  // where the page begins in memory
    VolumeSet::Page page;       // where its data lies
    uint64_t began_ns = 0;
    ExtentReadQueue waiters;
    std::array<Request, kRequests> requests;
  };

  // Of slots [0, slots), read from `volumes`, which must outlive the fills. Each request's `done` is called with
  // `cache` in it. What is to be read is put behind `to_submit`, which must outlive the fills.
  PageFills(uint32_t slots, const VolumeSet& volumes, ReadQueue& to_submit, PageCache* cache,
            void (*done)(VolumeRead& read, int64_t result));

  Fill& operator[](uint32_t slot) { return fills_[slot]; }
  const Fill& operator[](uint32_t slot) const { return fills_[slot]; }

  // A fill of `page` into `slot`, whose memory begins at `into`. Nothing is read before HasMemory, and of what is to be
  // left out only what somebody joins for. Returns the bytes of the page that are left out: none where it would be all.
  uint32_t Begin(uint32_t slot, FillKind kind, const VolumeSet::Page& page, const UnitSet& leave_out, std::byte* into,
                 uint64_t now_ns);
  // The slot's memory is there: reads what readers wait for, and queues the rest.
  void HasMemory(uint32_t slot);
  // The slot gets no memory: all has failed.
  void HasNoMemory(uint32_t slot);

  // Whether all of `extent` has come; whether some of it has failed.
  [[nodiscard]] bool IsThere(uint32_t slot, const Extent& extent) const {
    return !UnitsOf(extent).Overlaps(fills_[slot].pending);
  }
  [[nodiscard]] bool HasFailed(uint32_t slot, const Extent& extent) const {
    return UnitsOf(extent).Overlaps(fills_[slot].failed);
  }
  // Whether some of `extent` was left out. Without the lock where the slot is pinned.
  [[nodiscard]] bool IsLeftOut(uint32_t slot, const Extent& extent) const {
    return UnitsOf(extent).Overlaps(fills_[slot].left_out);
  }
  // Waits for its extent, which is urgent from now on.
  void Join(uint32_t slot, ExtentRead& read);

  // A request came back: its units are there, or failed. Returns whether it was the last one of its fill.
  bool Came(Request& request, bool is_complete);

  // Counts a read of an extent alone, for which a reader waits, as urgent: it was sent, and it came back.
  void UrgentSent();
  void UrgentCame() { --urgent_in_flight_; }

  // Sends what is queued while there is room for it in flight. `busy_depth`: requests that keep the volume busy. Where
  // a reader waited lately no more are in flight, since a reader finds them before itself; but some more are for each
  // read that waits beside another, or the pages that their readers need next would get no share of the volume. A
  // source that finds its depth has as many in flight as it says.
  void Pump(uint32_t busy_depth);

  // The last request came, and was dealt with. REQUIRES: no read waits.
  void Ended(uint32_t slot);
  // How many pages are being filled for that reason.
  [[nodiscard]] uint32_t filling(FillKind kind) const { return filling_[static_cast<size_t>(kind)]; }

 private:
  [[nodiscard]] static UnitSet UnitsOf(const Extent& extent) {
    return UnitSet::Touching(extent.offset % kPageBytes, extent.length_bytes);
  }
  // Sends those of `units`, which are in a row, that were not sent yet, as far as there are requests.
  void SendUrgent(Fill& fill, const UnitSet& units);
  [[nodiscard]] UnitSet WorthOneRequest(const UnitSet& units) const;
  // Sends one request from the lowest unit that was not sent; false where there is none to be had.
  bool SendNext(Fill& fill);
  void Send(Fill& fill, const UnitSet& units, bool is_urgent);
  [[nodiscard]] Fill* NextQueued();
  void Unqueue(uint32_t slot);

  const VolumeSet& volumes_;
  const uint32_t alignment_bytes_;
  const uint32_t units_a_request_;
  const uint32_t most_background_;  // requests that nobody waits for, in flight at a time
  std::vector<Fill> fills_;         // by slot
  struct Queue {
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t count = 0;
  };
  std::array<Queue, kFillKinds> queues_;
  std::array<uint32_t, kFillKinds> filling_ = {};
  uint32_t background_in_flight_ = 0;
  uint32_t urgent_in_flight_ = 0;
  double urgents_together_ = 1;     // in flight when one is sent, of late
  uint32_t sent_since_urgent_ = 0;  // reads for nobody
  ReadQueue& to_submit_;
};

}  // namespace quire
