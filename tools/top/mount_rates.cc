// SPDX-License-Identifier: Apache-2.0
#include "tools/top/mount_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "tools/stats/figures.h"

namespace quire {
namespace {

constexpr double kHalf = 0.5;
constexpr double kNearlyAll = 0.99;

std::optional<double> Part(double part, double whole) {
  return whole <= 0 ? std::nullopt : std::optional(part / whole);
}

const Json& FieldOf(const Json& object, std::string_view field) {
  static const Json kNothing;
  const auto found = object.is_object() ? object.find(field) : object.end();
  return found == object.end() ? kNothing : *found;
}

uint64_t NumberIn(const Json& object, std::string_view field) {
  const Json& value = FieldOf(object, field);
  return value.is_number_integer() && value >= 0 ? value.get<uint64_t>() : 0;
}

uint64_t Grown(uint64_t before, uint64_t after) { return after >= before ? after - before : after; }

// The border of the range below which `part` of `counts` are.
double Quantile(const Json& ranges, const std::vector<uint64_t>& counts, double part) {
  uint64_t all = 0;
  for (const uint64_t count : counts) all += count;
  uint64_t seen = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    seen += counts[i];
    if (counts[i] == 0 || static_cast<double>(seen) < part * static_cast<double>(all)) continue;
    const uint64_t below_us = NumberIn(ranges[i], "below_us");
    return static_cast<double>(below_us == 0 ? NumberIn(ranges[i], "from_us") : below_us);
  }
  return 0;
}

// Of two lists of ranges of time, `what` in each.
LatencyRate LatencyBetween(std::string name, const Json& before, const Json& after, const char* what, double seconds) {
  LatencyRate rate = {.name = std::move(name)};
  if (!after.is_array()) return rate;
  std::vector<uint64_t> counts(after.size());
  uint64_t all = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    const uint64_t then = before.is_array() && i < before.size() ? NumberIn(before[i], what) : 0;
    all += counts[i] = Grown(then, NumberIn(after[i], what));
  }
  rate.per_s = static_cast<double>(all) / seconds;
  rate.p50_us = Quantile(after, counts, kHalf);
  rate.p99_us = Quantile(after, counts, kNearlyAll);
  return rate;
}

// What `.quire/activity` tells, per second of the time in which it counted.
class ActivityRates {
 public:
  ActivityRates(const Json& before, const Json& after) : before_(before), after_(after) {
    const double then = SecondsOf(before);
    const double now = SecondsOf(after);
    seconds_ = now >= then ? now - then : now;
  }

  // False before the second look, since nothing was counted before the first.
  [[nodiscard]] bool is_told() const { return seconds_ > 0; }

  void Tell(MountRates& rates) const {
    for (const Json& operation : FieldOf(after_, "operations")) {
      const Json& name = FieldOf(operation, "operation");
      if (!name.is_string()) continue;
      const Json& then = FieldOf(Find("operations", "operation", name), "latency");
      LatencyRate latency =
          LatencyBetween(name.get<std::string>(), then, FieldOf(operation, "latency"), "requests", seconds_);
      if (latency.name == "read") rates.answered.reads_per_s = latency.per_s;
      rates.latencies.push_back(std::move(latency));
    }
    for (const auto& [entry, sum] : Listed("threads", "thread")) {
      rates.threads.push_back({.thread = NumberIn(*entry, "thread"), .rate = sum});
      rates.answered.files_per_s += sum.files_per_s;
      rates.answered.bytes_per_s += sum.bytes_per_s;
    }
    // Of reads beyond what the daemon could keep apart, only the number is known: they are taken to be as the others.
    const double unassigned =
        static_cast<double>(Grown(NumberIn(before_, "unassigned_reads"), NumberIn(after_, "unassigned_reads"))) /
        seconds_;
    const double assigned = SumOfReads(rates.threads);
    const double scale = assigned > 0 ? (assigned + unassigned) / assigned : 1;
    Scale(rates.answered.files_per_s, rates.answered.bytes_per_s, scale);
    for (ThreadRate& thread : rates.threads) ScaleAll(thread.rate, scale);
    for (const auto& [entry, sum] : Listed("folders", "path")) {
      FolderRate folder = {.path = NameIn(*entry, "path"), .rate = sum};
      ScaleAll(folder.rate, scale);
      rates.folders.push_back(std::move(folder));
    }
    const auto reads = [](const auto& each) { return each.rate.reads_per_s; };
    std::ranges::stable_sort(rates.threads, std::greater(), reads);
    std::ranges::stable_sort(rates.folders, std::greater(), reads);
    rates.pid_namespace = NumberIn(after_, "pid_namespace");
  }

 private:
  static double SecondsOf(const Json& activity) {
    const Json& seconds = FieldOf(activity, "counted_s");
    return seconds.is_number() ? seconds.get<double>() : 0;
  }

  static std::string NameIn(const Json& entry, const char* field) {
    const Json& name = FieldOf(entry, field);
    return name.is_string() ? name.get<std::string>() : "";
  }

  static double SumOfReads(const std::vector<ThreadRate>& threads) {
    double sum = 0;
    for (const ThreadRate& thread : threads) sum += thread.rate.reads_per_s;
    return sum;
  }

  static void Scale(double& files, double& bytes, double scale) {
    files *= scale;
    bytes *= scale;
  }
  static void ScaleAll(ReadRate& rate, double scale) {
    rate.reads_per_s *= scale;
    Scale(rate.files_per_s, rate.bytes_per_s, scale);
  }

  [[nodiscard]] const Json& Find(const char* list, const char* field, const Json& value) const {
    static const Json kNothing;
    for (const Json& entry : FieldOf(before_, list))
      if (FieldOf(entry, field) == value) return entry;
    return kNothing;
  }

  // Those that read in between. What lost its place and came back in between counts from its coming back.
  [[nodiscard]] std::vector<std::pair<const Json*, ReadRate>> Listed(const char* list, const char* field) const {
    // A name that is no UTF-8 is told exactly by a second field.
    const auto key_of = [field](const Json& entry) {
      return FieldOf(entry, field).dump() + FieldOf(entry, fmt::format("{}_base64", field)).dump();
    };
    std::map<std::string, const Json*> known;
    for (const Json& entry : FieldOf(before_, list)) known.emplace(key_of(entry), &entry);
    std::vector<std::pair<const Json*, ReadRate>> listed;
    for (const Json& entry : FieldOf(after_, list)) {
      const auto then = known.find(key_of(entry));
      const bool goes_on = then != known.end() && NumberIn(*then->second, "reads") <= NumberIn(entry, "reads");
      const auto rate = [&](const char* what) {
        const uint64_t before = goes_on ? NumberIn(*then->second, what) : 0;
        return static_cast<double>(Grown(before, NumberIn(entry, what))) / seconds_;
      };
      const ReadRate sum = {.reads_per_s = rate("reads"), .files_per_s = rate("files"), .bytes_per_s = rate("bytes")};
      if (sum.reads_per_s > 0) listed.emplace_back(&entry, sum);
    }
    return listed;
  }

  const Json& before_;
  const Json& after_;
  double seconds_ = 0;
};

}  // namespace

ReadRate& ReadRate::operator+=(const ReadRate& other) {
  reads_per_s += other.reads_per_s;
  files_per_s += other.files_per_s;
  bytes_per_s += other.bytes_per_s;
  return *this;
}

MountRates RatesBetween(const MountLook& before, const MountLook& after, double seconds) {
  const Figures then(before.stats);
  const Figures now(after.stats);
  const auto rate = [&](const std::string& path) { return static_cast<double>(Since(then, now, path)) / seconds; };
  MountRates rates = {.uptime_s = now.Real("/uptime_s")};
  const double reads =
      rate("/counters/hits") + rate("/counters/joined") + rate("/counters/fill_misses") + rate("/counters/bypasses");

  // What memory lacked came from one of these.
  const double brought = rate("/sources/tier_bytes") + rate("/sources/peers_bytes") + rate("/sources/disk_bytes") +
                         rate("/sources/network_bytes");
  const auto add_source = [&](const char* name) {
    const double bytes = rate(fmt::format("/sources/{}_bytes", name));
    rates.levels.push_back({.name = name, .bytes_per_s = bytes, .hits = Part(bytes, brought)});
  };
  if (now.Number("/push/control_pages") > 0) rates.push_yield = now.Real("/push/read_share");
  // Where nothing is given to the kernel there is no such level.
  if (now.Text("/push/mode") != "off" || now.Number("/push/samples") > 0)
    rates.levels.push_back({.name = "kernel", .bytes_per_s = rate("/sources/kernel_bytes"), .hits = rates.push_yield});
  rates.levels.push_back(
      {.name = "memory", .bytes_per_s = rate("/sources/memory_bytes"), .hits = Part(rate("/counters/hits"), reads)});
  if (now.Has("/tier")) add_source("tier");
  if (now.Has("/peers")) add_source("peers");
  add_source(now.Has("/remote") ? "network" : "disk");

  const ActivityRates activity(before.activity, after.activity);
  rates.is_activity_told = activity.is_told();
  if (activity.is_told())
    activity.Tell(rates);
  else
    rates.answered = {.reads_per_s = reads,
                      .bytes_per_s = rate("/counters/hit_bytes") + rate("/counters/missed_bytes")};
  rates.latencies.push_back(LatencyBetween("wait", FieldOf(FieldOf(before.stats, "waits"), "latency"),
                                           FieldOf(FieldOf(after.stats, "waits"), "latency"), "reads", seconds));
  rates.latencies.push_back(LatencyBetween("fill", FieldOf(before.stats, "fill_latency"),
                                           FieldOf(after.stats, "fill_latency"), "fills", seconds));
  if (now.Has("/remote")) {
    rates.latencies.push_back({.name = "network",
                               .per_s = rate("/remote/requests"),
                               .p50_us = now.Real("/remote/latency_p50_us"),
                               .p99_us = now.Real("/remote/latency_p99_us")});
    rates.requests_in_flight = now.Number("/remote/in_flight");
    rates.window = now.Number("/remote/window");
  }

  rates.pushed_per_s = rate("/push/samples");
  rates.dropped_per_s = rate("/push/dropped_samples");
  rates.is_push_paused = now.Is("/push/is_paused");
  rates.is_memory_short = now.Is("/push/is_memory_short");
  rates.swept_pages_per_s = rate("/counters/swept_pages");
  rates.prefetched_pages_per_s = rate("/counters/prefetched_pages");
  rates.wasted_pages_per_s = rate("/counters/prefetched_wasted");
  rates.filled_pages_per_s = rate("/counters/filled_pages");
  rates.waiting = now.Number("/parked_requests");
  rates.slow = Since(then, now, "/slow/reads");
  rates.failed = Since(then, now, "/failed_requests");
  rates.wrong = Since(then, now, "/counters/verify_failures");
  rates.plan_left = now.Number("/plan/left");
  return rates;
}

}  // namespace quire
