// SPDX-License-Identifier: Apache-2.0
#include "fs/options/brace_expansion.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>

namespace quire {
namespace {

// What stands between two braces, as the words that it means; nothing where it is no list and no range.
std::optional<std::vector<std::string>> ExpandOne(std::string_view inside, size_t most) {
  if (inside.contains(',')) {
    std::vector<std::string> words;
    for (const auto part : std::views::split(inside, ',')) words.emplace_back(part.begin(), part.end());
    return words;
  }
  const size_t dots = inside.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const std::string_view texts[] = {inside.substr(0, dots), inside.substr(dots + 2)};
  uint64_t ends[2] = {};
  for (size_t i = 0; i < 2; ++i) {
    const auto [end, error] = std::from_chars(texts[i].begin(), texts[i].end(), ends[i]);
    if (error != std::errc() || end != texts[i].end()) return std::nullopt;
  }
  const bool is_padded = texts[0].starts_with('0') || texts[1].starts_with('0');
  const size_t digits = is_padded ? std::max(texts[0].size(), texts[1].size()) : 1;
  const bool is_upwards = ends[0] <= ends[1];
  const uint64_t steps = is_upwards ? ends[1] - ends[0] : ends[0] - ends[1];
  std::vector<std::string> words;
  for (uint64_t i = 0; i <= steps && words.size() <= most; ++i)
    words.push_back(fmt::format("{:0{}}", is_upwards ? ends[0] + i : ends[0] - i, digits));
  return words;
}

}  // namespace

Result<std::vector<std::string>> ExpandBraces(std::string_view pattern, size_t most) {
  std::vector<std::string> words = {""};
  while (!pattern.empty()) {
    const size_t open = std::min(pattern.find('{'), pattern.size());
    for (std::string& word : words) word += pattern.substr(0, open);
    pattern.remove_prefix(open);
    if (pattern.empty()) break;
    const size_t close = pattern.find('}');
    const auto means = close == std::string_view::npos ? std::nullopt : ExpandOne(pattern.substr(1, close - 1), most);
    if (!means) {
      for (std::string& word : words) word += '{';
      pattern.remove_prefix(1);
      continue;
    }
    pattern.remove_prefix(close + 1);
    if (words.size() * means->size() > most) return Invalid("'{}' means more than {} names", pattern, most);
    std::vector<std::string> longer;
    for (const std::string& word : words)
      for (const std::string& end : *means) longer.push_back(word + end);
    words = std::move(longer);
  }
  return words;
}

}  // namespace quire
