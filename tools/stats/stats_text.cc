// SPDX-License-Identifier: Apache-2.0
#include "tools/stats/stats_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "format/escaping.h"
#include "tools/progress.h"
#include "tools/stats/figures.h"

namespace quire {
namespace {

// "/dev/fuse" of "/dev/fuse (as asked)": `.quire/config` tells the rest.
std::string WithoutReason(const std::string& text) { return text.substr(0, text.find(" (")); }

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

// The border below which `per_hundred` of all are, of ranges that each tell how many are in them; nothing where there
// are none.
std::string Quantile(const Json& ranges, const char* what, unsigned per_hundred) {
  constexpr uint64_t kHundred = 100;
  uint64_t all = 0;
  for (const Json& range : ranges) all += range.value(what, uint64_t{0});
  uint64_t seen = 0;
  for (const Json& range : ranges) {
    seen += range.value(what, uint64_t{0});
    if (all == 0 || seen * kHundred < all * per_hundred) continue;
    if (range["below_us"].is_null()) return fmt::format("over {}", FormatUs(range.value("from_us", 0.0)));
    return FormatUs(range.value("below_us", 0.0));
  }
  return "";
}

constexpr std::array<std::pair<const char*, const char*>, 8> kStages = {{{"queue_us", "queue"},
                                                                         {"volume_us", "disk"},
                                                                         {"tier_us", "tier"},
                                                                         {"peers_us", "neighbours"},
                                                                         {"decode_us", "inflating"},
                                                                         {"check_us", "checking sums"},
                                                                         {"reply_us", "reply"},
                                                                         {"rest_us", "elsewhere"}}};

// "disk 93 %, queue 5 %", the largest first; what is below one of a hundred is left out.
std::string ListStages(const Figures& figures, const std::string& object) {
  const uint64_t total = figures.Number(object + "/total_us");
  const bool is_remote = figures.Has("/remote");
  std::vector<std::pair<double, std::string_view>> shares;
  for (const auto& [field, name] : kStages) {
    const double share = Share(figures.Number(fmt::format("{}/{}", object, field)), total);
    if (share >= 1) shares.emplace_back(share, is_remote && std::string_view(name) == "disk" ? "network" : name);
  }
  std::ranges::sort(shares, std::greater());
  std::string text;
  for (const auto& [share, name] : shares) text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", name, share);
  return text;
}

// Lines of one part of the text.
class Part {
 public:
  explicit Part(std::string_view heading) : text_(fmt::format("  {}\n", heading)) {}
  template <typename... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += "    " + fmt::format(format, std::forward<Args>(args)...) + "\n";
    ++lines_;
  }
  [[nodiscard]] bool empty() const { return lines_ == 0; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  size_t lines_ = 0;
};

Part WhatCameFromWhere(const Figures& figures) {
  Part part("what came from where");
  const auto line = [&part](std::string_view name, uint64_t bytes, const std::string& rest) {
    part.Line("{:<8} {:>10}  {}", name, FormatBytes(bytes), rest);
  };
  const uint64_t pushed = figures.Number("/push/samples");
  if (figures.Text("/push/mode") != "off" || pushed > 0)
    line("kernel", figures.Number("/sources/kernel_bytes"),
         fmt::format("{} given to it before they were asked for", FormatAmount(pushed, "sample", "samples")));
  line("memory", figures.Number("/sources/memory_bytes"),
       fmt::format("{} of {} were answered at once", FormatCount(figures.Number("/counters/hits")),
                   FormatAmount(Reads(figures), "read", "reads")));
  if (figures.Has("/tier"))
    line("tier", figures.Number("/sources/tier_bytes"), FormatAmount(figures.Number("/tier/reads"), "read", "reads"));
  if (figures.Has("/peers"))
    line("peers", figures.Number("/sources/peers_bytes"),
         fmt::format("{} of neighbours' tiers", FormatAmount(figures.Number("/peers/reads"), "read", "reads")));
  if (figures.Has("/remote"))
    line("network", figures.Number("/sources/network_bytes"),
         FormatAmount(figures.Number("/remote/requests"), "request", "requests"));
  else
    line("disk", figures.Number("/sources/disk_bytes"),
         FormatAmount(figures.Number("/counters/volume_reads"), "read", "reads"));
  return part;
}

Part WhatThatSaved(const Figures& figures) {
  Part part("what that saved");
  const uint64_t reads = Reads(figures);
  if (reads > 0) {
    const uint64_t hits = figures.Number("/counters/hits");
    const uint64_t joined = figures.Number("/counters/joined");
    part.Line("{:.1f} % of the reads that came here found their bytes in memory, {:.1f} % what was being read already",
              Share(hits, reads), Share(joined, reads));
  }
  if (figures.Number("/push/control_pages") > 0)
    part.Line("of what the kernel was given {:.0f} % was read, as far as can be told",
              100 * figures.Real("/push/read_share"));
  if (const uint64_t dropped = figures.Number("/push/dropped_samples"); dropped > 0)
    part.Line("{} of these were dropped by the kernel and asked for again", FormatCount(dropped));
  if (const uint64_t kept = figures.Number("/tier/kept_bytes"); kept > 0)
    part.Line("{} were kept in the tier for the next time", FormatBytes(kept));
  if (const uint64_t told = figures.Number("/plan/told"); told > 0)
    part.Line("{} of {} of plans were gone through ahead of readers", FormatCount(figures.Number("/plan/prefetched")),
              FormatAmount(told, "sample", "samples"));
  return part;
}

Part WhatIsSlow(const Figures& figures) {
  Part part("what is slow");
  const Json* const latency = figures.List("/waits/latency");
  uint64_t waited = 0;
  if (latency != nullptr)
    for (const Json& range : *latency) waited += range.value("reads", uint64_t{0});
  if (waited > 0) {
    part.Line("{} waited: half of them less than {}, 99 of 100 less than {}", FormatAmount(waited, "read", "reads"),
              Quantile(*latency, "reads", 50), Quantile(*latency, "reads", 99));
    part.Line("they waited for: {}", ListStages(figures, "/waits"));
  }
  if (const uint64_t slow = figures.Number("/slow/reads"); slow > 0) {
    part.Line("{} took {} ms or longer: {}", FormatAmount(slow, "read", "reads"), figures.Number("/slow/threshold_ms"),
              ListStages(figures, "/slow"));
  }
  if (const uint64_t parked = figures.Number("/parked_requests"); parked > 0)
    part.Line("{} now", FormatAmount(parked, "read waits", "reads wait"));
  if (figures.Has("/remote") && figures.Number("/remote/latency_p50_us") > 0)
    part.Line("answers of the server: half within {}, 99 of 100 within {}",
              FormatUs(figures.Real("/remote/latency_p50_us")), FormatUs(figures.Real("/remote/latency_p99_us")));
  if (figures.Is("/push/is_memory_short")) part.Line("memory is short: nothing is pushed into the kernel");
  if (figures.Is("/push/is_paused")) part.Line("the kernel dropped too much of what it was given: pushing pauses");
  return part;
}

Part WhatWentWrong(const Figures& figures) {
  Part part("what went wrong");
  const auto tell = [&](const char* path, const char* one, const char* many) {
    if (const uint64_t count = figures.Number(path); count > 0) part.Line("{}", FormatAmount(count, one, many));
  };
  tell("/failed_requests", "request failed; the log names it", "requests failed; the log names them");
  tell("/counters/verify_failures", "time bytes did not match their sum", "times bytes did not match their sum");
  tell("/counters/read_errors", "read of the pack failed", "reads of the pack failed");
  tell("/remote/retries", "request had to be repeated", "requests had to be repeated");
  tell("/remote/failures", "read of the server failed", "reads of the server failed");
  tell("/tier/faults", "fault of the tier's disk or lock", "faults of the tier's disk or lock");
  tell("/peers/faults", "request to neighbours without an answer", "requests to neighbours without an answer");
  if (const uint64_t wrong = figures.Number("/tier/wrong_bytes"); wrong > 0)
    part.Line("{} of the tier were not what had been kept", FormatBytes(wrong));
  return part;
}

}  // namespace

std::string FormatStats(const MountEntry& mount, const Json& stats) {
  const Figures figures(stats);
  std::string text =
      fmt::format("{}: {}\n  mounted {} ago; requests come by {}\n", EscapeName(mount.mount_point),
                  EscapeName(mount.source), FormatSeconds(static_cast<uint64_t>(figures.Real("/uptime_s"))),
                  EscapeLine(WithoutReason(figures.Text("/transport"))));
  for (const Part& part :
       {WhatCameFromWhere(figures), WhatThatSaved(figures), WhatIsSlow(figures), WhatWentWrong(figures)})
    if (!part.empty()) text += part.text();
  return text;
}

std::string WatchHeading() {
  return fmt::format("{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>5} {:>8} {:>5} {:>6}", "kernel/s", "memory/s",
                     "tier/s", "peers/s", "disk/s", "network/s", "reads/s", "hit%", "waiting", "slow", "failed");
}

std::string FormatWatch(const Json& before, const Json& after, double seconds) {
  const Figures then(before);
  const Figures now(after);
  const auto rate = [&](uint64_t amount) {
    return static_cast<uint64_t>(seconds <= 0 ? 0 : static_cast<double>(amount) / seconds);
  };
  const auto bytes = [&](const char* path) { return FormatBytes(rate(Since(then, now, path))); };
  const uint64_t hits = Since(then, now, "/counters/hits");
  const uint64_t reads = hits + Since(then, now, "/counters/joined") + Since(then, now, "/counters/fill_misses") +
                         Since(then, now, "/counters/bypasses");
  return fmt::format("{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>5} {:>8} {:>5} {:>6}",
                     bytes("/sources/kernel_bytes"), bytes("/sources/memory_bytes"), bytes("/sources/tier_bytes"),
                     bytes("/sources/peers_bytes"), bytes("/sources/disk_bytes"), bytes("/sources/network_bytes"),
                     FormatCount(rate(reads)), reads == 0 ? "-" : fmt::format("{:.0f}", Share(hits, reads)),
                     now.Number("/parked_requests"), Since(then, now, "/slow/reads"),
                     Since(then, now, "/failed_requests"));
}

}  // namespace quire
