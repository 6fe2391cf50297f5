// SPDX-License-Identifier: Apache-2.0
#include "tools/stats/metric_merge.h"

#include <algorithm>
#include <ranges>

namespace quire {
namespace {

constexpr std::string_view kHelp = "# HELP ";
constexpr std::string_view kType = "# TYPE ";

// "NAME" of "NAME the rest".
std::string_view FirstWord(std::string_view text) { return text.substr(0, text.find(' ')); }

}  // namespace

MetricMerge::Family& MetricMerge::FindFamily(std::string_view name) {
  const auto found = std::ranges::find(families_, name, &Family::name);
  return found == families_.end() ? families_.emplace_back(std::string(name)) : *found;
}

void MetricMerge::Add(std::string_view document) {
  // Samples follow the head of their metric, of whose name theirs may be a longer one ("_bucket").
  Family* family = nullptr;
  bool is_new = false;
  for (const auto part : std::views::split(document, '\n')) {
    const std::string_view line(part.begin(), part.end());
    if (line.empty()) continue;
    if (line.starts_with(kHelp) || line.starts_with(kType)) {
      const std::string_view name = FirstWord(line.substr(kHelp.size()));
      if (family == nullptr || family->name != name) {
        family = &FindFamily(name);
        is_new = family->head.empty();
      }
      if (is_new) family->head.append(line).push_back('\n');
    } else if (!line.starts_with('#') && family != nullptr && line.starts_with(family->name)) {
      family->samples.append(line).push_back('\n');
    }
  }
}

std::string MetricMerge::Format() const {
  std::string text;
  for (const Family& family : families_) text += family.head + family.samples;
  return text;
}

}  // namespace quire
