// SPDX-License-Identifier: Apache-2.0
// The fields of `.quire/stats`, for those who tell people of them.
#pragma once

#include <cstdint>
#include <string>

#include "fs/json_text.h"

namespace quire {

// Reads fields by their path, "/push/samples". A document of another release may lack some.
class Figures {
 public:
  explicit Figures(const Json& stats) : stats_(stats) {}

  [[nodiscard]] bool Has(const char* path) const { return stats_.contains(Json::json_pointer(path)); }
  [[nodiscard]] uint64_t Number(const std::string& path) const {
    const Json::json_pointer at(path);
    return stats_.contains(at) && stats_[at].is_number() ? stats_[at].get<uint64_t>() : 0;
  }
  [[nodiscard]] double Real(const char* path) const {
    const Json::json_pointer at(path);
    return stats_.contains(at) && stats_[at].is_number() ? stats_[at].get<double>() : 0;
  }
  [[nodiscard]] bool Is(const char* path) const {
    const Json::json_pointer at(path);
    return stats_.contains(at) && stats_[at].is_boolean() && stats_[at].get<bool>();
  }
  [[nodiscard]] std::string Text(const char* path) const {
    const Json::json_pointer at(path);
    return stats_.contains(at) && stats_[at].is_string() ? stats_[at].get<std::string>() : "";
  }
  [[nodiscard]] const Json* List(const char* path) const {
    const Json::json_pointer at(path);
    return stats_.contains(at) && stats_[at].is_array() ? &stats_[at] : nullptr;
  }

 private:
  const Json& stats_;
};

// Of extents, from the mount.
uint64_t Reads(const Figures& figures);

// What came between two documents of a mount; all of it where the mount is a new one.
uint64_t Since(const Figures& before, const Figures& after, const std::string& path);

// 1500 -> "1.5 ms".
std::string FormatUs(double us);

}  // namespace quire
