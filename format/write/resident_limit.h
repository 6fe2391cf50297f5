// SPDX-License-Identifier: Apache-2.0
// Says when a program that goes through large spools should let go of their pages. The kernel takes pages of files back
// where memory is short, but until then they count as memory of the process, for `ps`, for a user who looks at it and
// for job schedulers that end what has too much.
//
// Pages that are passed in order are not needed again, and letting go of them costs little. Where records are looked at
// in an order that is not that of the spool, each page is needed again and again, and each time costs a fault of some
// microseconds: where that goes on, they stay.
#pragma once

#include <atomic>
#include <cstdint>

namespace quire {

// Thread-safe.
class ResidentLimit {
 public:
  // Of mapped files. A look costs some 10 us: 10 ns a record. From one look to the next each record may bring 64 KiB of
  // pages (fault_around_bytes of the kernel), 64 MiB in all.
  static constexpr uint64_t kMostBytes = 64 << 20;
  static constexpr uint64_t kRecordsALook = 1024;
  // Records of 300 bytes in order reach the limit every 200 looks, those that lie apart at each or at every second. A
  // folder of ten thousand folders is 20 looks at what lies apart, which are no reason to rest.
  static constexpr uint64_t kLooksApart = 8;
  static constexpr uint64_t kMostTimesInRow = 64;
  // In which nothing is let go. 64 times 64 MiB are 65,000 faults, some 0.3 us for each of these.
  static constexpr uint64_t kRecordsOfRest = 1 << 20;

  // To be called for each record that is looked at. True where more than kMostBytes are resident and will hardly be
  // needed again.
  bool IsReached() {
    const uint64_t record = records_.fetch_add(1, std::memory_order_relaxed);
    return record % kRecordsALook == kRecordsALook - 1 && Look(record);
  }

 private:
  bool Look(uint64_t record);

  std::atomic<uint64_t> records_ = 0;
  std::atomic<uint64_t> last_reached_ = 0;  // the record
  std::atomic<uint64_t> times_in_row_ = 0;  // that it was reached within kLooksApart
  std::atomic<uint64_t> rest_end_ = 0;      // the record before which nothing is let go
};

}  // namespace quire
