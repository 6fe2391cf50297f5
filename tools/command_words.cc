// SPDX-License-Identifier: Apache-2.0
#include "tools/command_words.h"

namespace quire {

CommandWords::Role CommandWords::Take(const std::string& word) {
  if (awaits_value_) {
    awaits_value_.reset();
    return Role::kValue;
  }
  if (takes_options_ && word == "--") {
    takes_options_ = false;
    return Role::kSeparator;
  }
  if (takes_options_ && word.size() > 1 && word.starts_with('-')) {
    const OptionWord parsed = ParseOption(word);
    if (parsed.unknown) return Role::kUnknownOption;
    if (parsed.value_at == std::string::npos) awaits_value_ = parsed.option;
    return Role::kOption;
  }
  if (const auto subcommand = command_.FindSubcommand(word)) {
    command_ = *subcommand;
    return Role::kSubcommand;
  }
  positionals_.push_back(word);
  return Role::kPositional;
}

CommandWords::OptionWord CommandWords::ParseOption(const std::string& word) const {
  if (word.starts_with("--")) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const auto option = command_.FindOption(name);
    if (!option) return {.unknown = name};
    if (!option->takes_value()) return {};
    return {.option = option, .value_at = equals == std::string::npos ? equals : equals + 1};
  }
  for (size_t i = 1; i < word.size(); ++i) {  // -lR, -oro
    const std::string name = {'-', word[i]};
    const auto option = command_.FindOption(name);
    if (!option) return {.unknown = name};
    if (option->takes_value()) return {.option = option, .value_at = i + 1 < word.size() ? i + 1 : std::string::npos};
  }
  return {};
}

}  // namespace quire
