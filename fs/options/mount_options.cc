// SPDX-License-Identifier: Apache-2.0
#include "fs/options/mount_options.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fs/help_text.h"
#include "fs/nearest_name.h"
#include "fs/options/mount_option_table.h"

namespace quire {
namespace {

// "; did you mean 'NAME'?", or nothing where no option is near.
std::string Suggestion(std::string_view name) {
  std::vector<std::string_view> names;
  for (const MountOptionEntry& entry : MountOptionTable()) names.push_back(entry.description.name);
  const auto nearest = FindNearestName(name, names);
  return nearest ? fmt::format("; did you mean '{}'?", *nearest) : "; 'quire mount --help' lists those that there are";
}

// "x-*" stands for all that begin with "x-".
bool IsPrefix(const MountOptionDescription& description) { return description.name.ends_with('*'); }

bool Names(const MountOptionDescription& description, std::string_view name) {
  if (!IsPrefix(description)) return description.name == name;
  return name.starts_with(description.name.substr(0, description.name.size() - 1));
}

// A value that is quoted as a whole, without its quotes.
std::string_view Unquote(std::string_view value) {
  if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) return value.substr(1, value.size() - 2);
  return value;
}

Result<void> ApplyOption(MountOptions& options, std::string_view text, MountOptionRules rules) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const auto table = MountOptionTable();
  const auto entry = std::ranges::find_if(table, [name](const auto& one) { return Names(one.description, name); });
  if (entry == table.end()) {
    if (rules.ignore_unknown) return {};
    return Invalid("unknown option '{}'{}", name, Suggestion(name));
  }
  if (rules.ignore_rw && name == kWritableOption) return {};
  const bool has_value = equals != std::string_view::npos;
  const bool takes_value = !entry->description.value.empty();
  // libmount tells helpers who mounts as 'user=NAME'.
  if (IsPrefix(entry->description) || name == "user") return entry->apply(options, name, "");
  if (takes_value && !has_value) return Invalid("option '{}' needs a value: {}=...", name, name);
  if (!takes_value && has_value) return Invalid("option '{}' takes no value", name);
  return entry->apply(options, name, has_value ? Unquote(text.substr(equals + 1)) : std::string_view());
}

// The end of the option that begins at `begin`: the next comma outside of double quotes.
size_t FindOptionEnd(std::string_view list, size_t begin) {
  bool is_quoted = false;
  for (size_t i = begin; i < list.size(); ++i) {
    if (list[i] == '"') is_quoted = !is_quoted;
    if (list[i] == ',' && !is_quoted) return i;
  }
  return list.size();
}

std::vector<std::string_view> SplitOptions(std::span<const std::string> lists) {
  std::vector<std::string_view> texts;
  for (const std::string_view list : lists) {
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = FindOptionEnd(list, begin);
      if (end > begin) texts.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return texts;
}

// "name" or "name=VALUE"; for a choice of many words its text is where they stand.
std::string Label(const MountOptionDescription& description) {
  if (description.value.empty()) return std::string(description.name);
  return fmt::format("{}={}", description.name, description.value);
}

// What says how a tier is used does nothing without one, and whoever says it believes that there is one.
Result<void> CheckTier(const TierOptions& tier) {
  if (!tier.directory.empty()) return {};
  const TierOptions unsaid;
  const std::array<std::pair<std::string_view, bool>, 4> options = {{
      {"tier_size", tier.most_bytes != unsaid.most_bytes},
      {"peers", tier.peers != unsaid.peers},
      {"prefetch", tier.prefetch != unsaid.prefetch},
      {"limit", tier.prefetch_bytes_per_s != unsaid.prefetch_bytes_per_s},
  }};
  for (const auto& [name, is_said] : options)
    if (is_said) return Invalid("option '{}=' needs 'tier=': without a tier there is nothing that it could say", name);
  return {};
}

}  // namespace

Result<MountOptions> ParseMountOptions(std::span<const std::string> lists, MountOptionRules rules) {
  MountOptions options;
  std::vector<std::string_view> texts = SplitOptions(lists);
  // First, since newer releases of mount(8) put before it what the kernel shows of the mount, which are not our
  // options.
  std::ranges::stable_partition(texts, [](std::string_view text) { return text == kRemountOption; });
  for (const std::string_view text : texts)
    if (auto applied = ApplyOption(options, text, rules); !applied) return Propagate(std::move(applied));
  if (options.direct_io && options.push == PushMode::kOn)
    return Invalid("options 'direct_io' and 'push=on' exclude each other: there is nothing to push into");
  if (options.direct_io) options.push = PushMode::kOff;
  if (options.allow_other && options.allow_root)
    return Invalid("options 'allow_other' and 'allow_root' exclude each other");
  if (options.follow && options.generation != 0)
    return Invalid("options 'follow' and 'generation=' exclude each other: a generation that is told never changes");
  options.cache.grows = options.follow;
  if (auto checked = CheckTier(options.cache.tier); !checked) return Propagate(std::move(checked));
  options.cache.tier.ca_file = options.remote.ca_file;
  // Without it the kernel lets everyone who may use the mount read everything, whatever the modes say.
  if (options.allow_other || options.allow_root) options.default_permissions = true;
  return options;
}

std::span<const MountOptionDescription> DescribeMountOptions() {
  static const auto descriptions = [] {
    std::vector<MountOptionDescription> list;
    for (const MountOptionEntry& entry : MountOptionTable()) list.push_back(entry.description);
    return list;
  }();
  return descriptions;
}

std::string FormatMountOptions(size_t columns) {
  std::string text;
  std::string unexplained;  // of the group: their names, together in one line at its end
  std::string_view group;
  const auto end_group = [&] {
    if (!unexplained.empty()) text += WrapText("also " + std::exchange(unexplained, {}), 2, columns) + "\n";
  };
  for (const MountOptionDescription& option : DescribeMountOptions()) {
    if (option.group != group) {
      end_group();
      group = option.group;
      text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", group);
    }
    if (option.text.empty()) {
      unexplained += fmt::format("{}{}", unexplained.empty() ? "" : ", ", Label(option));
      continue;
    }
    text += FormatHelpEntry(Label(option), option.text, columns);
  }
  end_group();
  return text;
}

}  // namespace quire
