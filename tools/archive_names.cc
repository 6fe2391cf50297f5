// SPDX-License-Identifier: Apache-2.0
#include "tools/archive_names.h"

#include <glob.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>

#include "fs/options/brace_expansion.h"

namespace quire {
namespace {

// As many as an index has room for.
constexpr size_t kMostArchives = UINT16_MAX - 1;

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
