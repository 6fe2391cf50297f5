// SPDX-License-Identifier: Apache-2.0
#include "tools/stats/figures.h"

#include <fmt/format.h>

namespace quire {

uint64_t Reads(const Figures& figures) {
  return figures.Number("/counters/hits") + figures.Number("/counters/joined") +
         figures.Number("/counters/fill_misses") + figures.Number("/counters/bypasses");
}

uint64_t Since(const Figures& before, const Figures& after, const std::string& path) {
  const uint64_t then = before.Number(path);
  const uint64_t now = after.Number(path);
  return now >= then ? now - then : now;
}

std::string FormatUs(double us) {
  constexpr double kUsPerMs = 1e3;
  constexpr double kUsPerSecond = 1e6;
  if (us < kUsPerMs) return fmt::format("{:.0f} us", us);
  if (us < kUsPerSecond) return fmt::format("{:.1f} ms", us / kUsPerMs);
  return fmt::format("{:.1f} s", us / kUsPerSecond);
}

}  // namespace quire
