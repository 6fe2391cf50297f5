// SPDX-License-Identifier: Apache-2.0
// What is shown of mounts: rates of late, and those before them.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "tools/top/mount_rates.h"
#include "tools/top/reader_names.h"

namespace quire {

// What was before, the newest last.
class RateHistory {
 public:
  static constexpr size_t kMost = 400;  // updates; more columns no terminal has

  void Add(const MountRates& rates) {
    for (const LevelRate& level : rates.levels) Append(bytes_[level.name], level.bytes_per_s);
    for (const LatencyRate& latency : rates.latencies) {
      Append(p50_us_[latency.name], latency.p50_us);
      Append(p99_us_[latency.name], latency.p99_us);
    }
  }

  [[nodiscard]] const std::deque<double>& bytes(const std::string& level) const { return Of(bytes_, level); }
  [[nodiscard]] const std::deque<double>& p50_us(const std::string& operation) const { return Of(p50_us_, operation); }
  [[nodiscard]] const std::deque<double>& p99_us(const std::string& operation) const { return Of(p99_us_, operation); }

 private:
  using Lists = std::map<std::string, std::deque<double>>;

  static void Append(std::deque<double>& list, double value) {
    list.push_back(value);
    if (list.size() > kMost) list.pop_front();
  }
  static const std::deque<double>& Of(const Lists& lists, const std::string& name) {
    static const std::deque<double> kNone;
    const auto found = lists.find(name);
    return found == lists.end() ? kNone : found->second;
  }

  Lists bytes_;
  Lists p50_us_;
  Lists p99_us_;
};

// A mount as it is shown. Names are any bytes.
struct TopView {
  std::string mount_point;
  std::string source;
  std::string trouble;      // why there are no figures now; "" where there are
  bool has_rates = false;   // there were two looks
  std::string no_activity;  // why it is not told who reads; "" where it is
  MountRates rates = {};
  std::vector<ReaderRate> readers = {};
  RateHistory history = {};
};

}  // namespace quire
