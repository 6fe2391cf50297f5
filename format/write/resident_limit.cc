// SPDX-License-Identifier: Apache-2.0
#include "format/write/resident_limit.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "format/coding.h"
#include "format/file.h"

namespace quire {
namespace {

// Of mapped files. Where /proc is not there none is known, so nothing is let go, and the kernel takes what it needs.
uint64_t ResidentBytes() {
  const auto file = File::Open("/proc/self/statm", O_RDONLY);
  if (!file) return 0;
  std::array<std::byte, 128> buffer = {};
  const auto got = file->ReadUpTo(0, buffer);
  if (!got || *got == 0) return 0;
  // In pages: size, resident, of which of files, and others.
  std::string_view text = AsText(std::span(buffer).first(*got));
  for (int field = 0; field < 2; ++field) text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
  uint64_t pages = 0;
  std::from_chars(text.data(), text.data() + text.size(), pages);
  static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return pages * page_bytes;
}

}  // namespace

bool ResidentLimit::Look(uint64_t record) {
  if (record < rest_end_.load(std::memory_order_relaxed) || ResidentBytes() <= kMostBytes) return false;
  const uint64_t last = last_reached_.exchange(record, std::memory_order_relaxed);
  if (record - last > kLooksApart * kRecordsALook) times_in_row_.store(0, std::memory_order_relaxed);
  if (times_in_row_.fetch_add(1, std::memory_order_relaxed) >= kMostTimesInRow) {
    times_in_row_.store(0, std::memory_order_relaxed);
    rest_end_.store(record + kRecordsOfRest, std::memory_order_relaxed);
  }
  return true;
}

}  // namespace quire
