// SPDX-License-Identifier: Apache-2.0
// Which processes the threads are that a mount names by number.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/top/mount_rates.h"

namespace quire {

struct ReaderRate {
  uint64_t process = 0;  // 0: it cannot be known
  std::string command;   // any bytes; "" where it is not known, since the process has ended, or is in another namespace
  size_t threads = 0;    // that read
  ReadRate rate;
};

// One thread.
class ReaderNames {
 public:
  // `proc`: "/proc", or what stands for it in a test.
  explicit ReaderNames(std::string proc = "/proc");

  // The processes of `rates.threads`, the most reads first. What was known of a process is still known at the first
  // call after its end.
  std::vector<ReaderRate> Group(const MountRates& rates);

 private:
  struct Name {
    uint64_t process = 0;
    std::string command;
  };
  [[nodiscard]] Name Find(uint64_t thread) const;

  const std::string proc_;
  const uint64_t pid_namespace_;
  std::unordered_map<uint64_t, Name> known_;  // by thread
};

}  // namespace quire
