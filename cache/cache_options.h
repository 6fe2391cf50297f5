// SPDX-License-Identifier: Apache-2.0
// What a user may choose about the cache, and the names of the choices: for mount options, benchmarks and reports.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "cache/tier/tier_options.h"

namespace quire {

// Where the arena's memory comes from. kAuto tries them in this order; a choice that cannot be had is an error, but for
// kThp, of which the kernel gives as much as it likes.
enum class HugePages : uint8_t { kAuto, kHugetlb, kThp, kOff };

// Which page goes when another needs its slot; eviction_policy.h.
enum class PolicyKind : uint8_t { kAuto, kLru, kFifo, kPin, kBelady };

// What a read of a page that is not resident brings in: kPage and kExtent always that, kAuto what costs less;
// admission.h.
enum class AdmissionMode : uint8_t { kAuto, kPage, kExtent };

// Whether samples are pushed on into the kernel's page cache; policy/residency.h. kAuto: while it fits and pays. kOn:
// whenever a page is there and memory left. kOff: never.
enum class PushMode : uint8_t { kAuto, kOn, kOff };

// How the pack is read. kAuto: io_uring, or threads where it is refused. fill_engine.h.
enum class IoKind : uint8_t { kAuto, kUring, kThreads };

struct CacheOptions {
  std::optional<uint64_t> cache_bytes = {};  // empty: from the memory that the process may use
  HugePages huge = HugePages::kAuto;
  PolicyKind policy = PolicyKind::kAuto;
  AdmissionMode admission = AdmissionMode::kAuto;
  IoKind io = IoKind::kAuto;
  bool readahead = true;
  TierOptions tier = {};
  bool grows = false;  // later generations of the pack may come while it is read
  // Who reads, and so not said by users of the cache alone.
  PushMode push = PushMode::kOff;
  bool readers_keep = true;  // a page that was read whole is of no more use: the kernel has it, or the tool is done

  bool operator==(const CacheOptions&) const = default;
};

template <typename Choice, size_t kCount>
using ChoiceNames = std::array<std::pair<std::string_view, Choice>, kCount>;

inline constexpr ChoiceNames<HugePages, 4> kHugePagesNames = {{
    {"auto", HugePages::kAuto},
    {"hugetlb", HugePages::kHugetlb},
    {"thp", HugePages::kThp},
    {"off", HugePages::kOff},
}};
inline constexpr ChoiceNames<PolicyKind, 5> kPolicyNames = {{
    {"auto", PolicyKind::kAuto},
    {"lru", PolicyKind::kLru},
    {"fifo", PolicyKind::kFifo},
    {"pin", PolicyKind::kPin},
    {"belady", PolicyKind::kBelady},
}};
inline constexpr ChoiceNames<AdmissionMode, 3> kAdmissionNames = {{
    {"auto", AdmissionMode::kAuto},
    {"page", AdmissionMode::kPage},
    {"extent", AdmissionMode::kExtent},
}};
inline constexpr ChoiceNames<PushMode, 3> kPushNames = {{
    {"auto", PushMode::kAuto},
    {"on", PushMode::kOn},
    {"off", PushMode::kOff},
}};
inline constexpr ChoiceNames<IoKind, 3> kIoNames = {{
    {"auto", IoKind::kAuto},
    {"uring", IoKind::kUring},
    {"threads", IoKind::kThreads},
}};

template <typename Choice, size_t kCount>
constexpr std::string_view NameOf(const ChoiceNames<Choice, kCount>& names, Choice choice) {
  for (const auto& [name, value] : names)
    if (value == choice) return name;
  return "";
}

template <typename Choice, size_t kCount>
constexpr std::optional<Choice> ChoiceOf(const ChoiceNames<Choice, kCount>& names, std::string_view wanted) {
  for (const auto& [name, value] : names)
    if (name == wanted) return value;
  return std::nullopt;
}

}  // namespace quire
