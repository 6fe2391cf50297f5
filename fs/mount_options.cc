#include "fs/mount_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace quire {
namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr unsigned kMaxReadAheadKb = 64 << 10;  // more than any file system asks for at once

// Those that a mount can be given.
constexpr ChoiceNames<PolicyKind, 4> kPolicies = {kPolicyNames[0], kPolicyNames[1], kPolicyNames[2], kPolicyNames[3]};

constexpr ChoiceNames<bool, 2> kSwitch = {{{"on", true}, {"off", false}}};

using Apply = Result<void> (*)(MountOptions& options, std::string_view value);

struct Option {
  std::string_view name;
  bool takes_value;
  Apply apply;
};

Result<void> Ignore(MountOptions& /*options*/, std::string_view /*value*/) { return {}; }

template <bool MountOptions::* kFlag>
Result<void> Set(MountOptions& options, std::string_view /*value*/) {
  options.*kFlag = true;
  return {};
}

Result<void> RefuseWriting(MountOptions& /*options*/, std::string_view /*value*/) {
  return Invalid("option 'rw': packs are read-only; leave it out or say 'ro'");
}

std::optional<unsigned> ParseNumber(std::string_view text, unsigned least, unsigned most) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc() || end != text.end() || number < least || number > most) return std::nullopt;
  return number;
}

Result<void> SetThreads(MountOptions& options, std::string_view value) {
  const auto threads = ParseNumber(value, 1, kMaxThreads);
  if (!threads) return Invalid("option 'threads={}': give a number from 1 to {}", value, kMaxThreads);
  options.threads = *threads;
  return {};
}

// "512M": a number, and a binary unit where it does not count bytes.
std::optional<uint64_t> ParseSize(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, text.end());
  if (unit.empty()) return number;
  const size_t power = kUnits.find(unit);
  if (unit.size() != 1 || power == std::string_view::npos) return std::nullopt;
  const size_t shift = 10 * (power + 1);
  if (number > std::numeric_limits<uint64_t>::max() >> shift) return std::nullopt;
  return number << shift;
}

// How large it may be depends on the machine, and is checked when the memory is taken.
Result<void> SetCacheSize(MountOptions& options, std::string_view value) {
  const auto bytes = ParseSize(value);
  if (!bytes) return Invalid("option 'cache_size={}': give bytes, or a size such as 512M or 4G", value);
  options.cache.cache_bytes = bytes;
  return {};
}

// "auto, page or extent".
template <typename Choice, size_t kCount>
std::string ListNames(const ChoiceNames<Choice, kCount>& names) {
  std::string list;
  for (size_t i = 0; i < kCount; ++i) {
    if (i > 0) list += i + 1 < kCount ? ", " : " or ";
    list += names[i].first;
  }
  return list;
}

template <const auto& kNames>
Result<void> Choose(auto& choice, std::string_view value, std::string_view option) {
  const auto chosen = ChoiceOf(kNames, value);
  if (!chosen) return Invalid("option '{}={}': give {}", option, value, ListNames(kNames));
  choice = *chosen;
  return {};
}

Result<void> SetHuge(MountOptions& options, std::string_view value) {
  return Choose<kHugePagesNames>(options.cache.huge, value, "huge");
}

Result<void> SetAdmission(MountOptions& options, std::string_view value) {
  return Choose<kAdmissionNames>(options.cache.admission, value, "admit");
}

Result<void> SetIo(MountOptions& options, std::string_view value) {
  return Choose<kIoNames>(options.cache.io, value, "io");
}

Result<void> SetPolicy(MountOptions& options, std::string_view value) {
  if (value == NameOf(kPolicyNames, PolicyKind::kBelady))
    return Invalid("option 'policy={}': it needs to be told the order of all reads, and no option does; give {}", value,
                   ListNames(kPolicies));
  return Choose<kPolicies>(options.cache.policy, value, "policy");
}

Result<void> SetReadahead(MountOptions& options, std::string_view value) {
  return Choose<kSwitch>(options.cache.readahead, value, "readahead");
}

Result<void> SetPush(MountOptions& options, std::string_view value) {
  return Choose<kPushNames>(options.push, value, "push");
}

Result<void> SetReaddirplus(MountOptions& options, std::string_view value) {
  return Choose<kSwitch>(options.readdirplus, value, "readdirplus");
}

Result<void> SetReadAheadKb(MountOptions& options, std::string_view value) {
  const auto kib = ParseNumber(value, 0, kMaxReadAheadKb);
  if (!kib) return Invalid("option 'read_ahead_kb={}': give a number from 0 to {}", value, kMaxReadAheadKb);
  options.read_ahead_kb = kib;
  return {};
}

Result<void> SetTransport(MountOptions& options, std::string_view value) {
  return Choose<kTransportNames>(options.transport, value, "transport");
}

Result<void> SetLogLevel(MountOptions& options, std::string_view value) {
  constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 5> kLevels = {{
      {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},
      {"warning", spdlog::level::warn},
      {"error", spdlog::level::err},
      {"off", spdlog::level::off},
  }};
  const auto* const level =
      std::ranges::find(kLevels, value, &std::pair<std::string_view, spdlog::level::level_enum>::first);
  if (level == kLevels.end()) return Invalid("option 'log_level={}': give debug, info, warning, error or off", value);
  options.log_level = level->second;
  return {};
}

// The ignored ones say what every mount of a pack does anyway: fstab lines carry them.
constexpr auto kOptions = std::to_array<Option>({
    {"admit", true, SetAdmission},
    {"allow_other", false, Set<&MountOptions::allow_other>},
    {"allow_root", false, Set<&MountOptions::allow_root>},
    {"cache_size", true, SetCacheSize},
    {"default_permissions", false, Set<&MountOptions::default_permissions>},
    {"defaults", false, Ignore},
    {"direct_io", false, Set<&MountOptions::direct_io>},
    {"huge", true, SetHuge},
    {"io", true, SetIo},
    {"log_level", true, SetLogLevel},
    {"noatime", false, Ignore},
    {"nodev", false, Ignore},
    {"nosuid", false, Ignore},
    {"policy", true, SetPolicy},
    {"push", true, SetPush},
    {"read_ahead_kb", true, SetReadAheadKb},
    {"readahead", true, SetReadahead},
    {"readdirplus", true, SetReaddirplus},
    {"ro", false, Ignore},
    {"rw", false, RefuseWriting},
    {"threads", true, SetThreads},
    {"transport", true, SetTransport},
});

// Levenshtein's: the number of bytes to insert, remove or replace.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string_view NearestOption(std::string_view name) {
  return std::ranges::min(kOptions, {}, [name](const Option& option) { return EditDistance(option.name, name); }).name;
}

Result<void> ApplyOption(MountOptions& options, std::string_view text) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const auto* const option = std::ranges::find(kOptions, name, &Option::name);
  if (option == kOptions.end()) return Invalid("unknown option '{}': did you mean '{}'?", name, NearestOption(name));
  const bool has_value = equals != std::string_view::npos;
  if (option->takes_value && !has_value) return Invalid("option '{}' needs a value: {}=...", name, name);
  if (!option->takes_value && has_value) return Invalid("option '{}' takes no value", name);
  return option->apply(options, has_value ? text.substr(equals + 1) : std::string_view());
}

}  // namespace

Result<MountOptions> ParseMountOptions(std::span<const std::string> lists) {
  MountOptions options;
  for (const std::string_view list : lists) {
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(',', begin), list.size());
      const std::string_view text = list.substr(begin, end - begin);
      begin = end + 1;
      if (text.empty()) continue;
      if (auto applied = ApplyOption(options, text); !applied) return Propagate(std::move(applied));
    }
  }
  if (options.direct_io && options.push == PushMode::kOn)
    return Invalid("options 'direct_io' and 'push=on' exclude each other: there is nothing to push into");
  if (options.direct_io) options.push = PushMode::kOff;
  if (options.allow_other && options.allow_root)
    return Invalid("options 'allow_other' and 'allow_root' exclude each other");
  // Without it the kernel lets everyone who may use the mount read everything, whatever the modes say.
  if (options.allow_other || options.allow_root) options.default_permissions = true;
  return options;
}

}  // namespace quire
