// SPDX-License-Identifier: Apache-2.0
#include "tools/archive_names.h"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <ranges>

namespace quire {
namespace {

// As many as an index has room for.
constexpr size_t kMostArchives = UINT16_MAX - 1;

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

bool HasWildcard(std::string_view word) { return word.find_first_of("*?[") != std::string_view::npos; }

Result<std::vector<std::string>> ExpandWildcards(const std::string& word) {
  glob_t found = {};
  const int error = glob(word.c_str(), GLOB_ERR, nullptr, &found);
  std::vector<std::string> files;
  if (error == 0) files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (error == GLOB_NOMATCH) return MakeError(ErrorCode::kNotFound, "'{}': no file is named so", word);
  if (error != 0) return MakeError(ErrorCode::kSystem, "'{}': a folder in it cannot be read", word);
  return files;
}

}  // namespace

bool IsArchivePattern(const std::string& word) {
  std::error_code error;
  return (HasWildcard(word) || word.contains('{')) && !std::filesystem::exists(word, error);
}

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
    if (words.size() * means->size() > most) return Invalid("'{}' means more than {} files", pattern, most);
    std::vector<std::string> longer;
    for (const std::string& word : words)
      for (const std::string& end : *means) longer.push_back(word + end);
    words = std::move(longer);
  }
  return words;
}

Result<std::vector<std::string>> ExpandArchives(const std::string& word) {
  if (!IsArchivePattern(word)) return std::vector{word};
  auto words = ExpandBraces(word, kMostArchives);
  if (!words) return words;
  std::vector<std::string> files;
  for (const std::string& expanded : *words) {
    if (!HasWildcard(expanded)) {
      files.push_back(expanded);
      continue;
    }
    auto matching = ExpandWildcards(expanded);
    if (!matching) return matching;
    files.insert(files.end(), matching->begin(), matching->end());
  }
  return files;
}

}  // namespace quire
