#include "tools/command_words.h"

namespace quire {

std::vector<const CLI::Option*> PositionalsOf(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

const CLI::App* FindSubcommand(const CLI::App& app, std::string_view name) {
  const auto found = app.get_subcommands([name](const CLI::App* sub) { return sub->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

CommandWords::Role CommandWords::Take(const std::string& word) {
  if (awaits_value_ != nullptr) {
    awaits_value_ = nullptr;
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
  if (const CLI::App* const subcommand = FindSubcommand(*app_, word)) {
    app_ = subcommand;
    return Role::kSubcommand;
  }
  positionals_.push_back(word);
  return Role::kPositional;
}

CommandWords::OptionWord CommandWords::ParseOption(const std::string& word) const {
  if (word.starts_with("--")) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* const option = app_->get_option_no_throw(name);
    if (option == nullptr) return {.unknown = name};
    if (!TakesValue(*option)) return {};
    return {.option = option, .value_at = equals == std::string::npos ? equals : equals + 1};
  }
  for (size_t i = 1; i < word.size(); ++i) {  // -lR, -oro
    const std::string name = {'-', word[i]};
    const CLI::Option* const option = app_->get_option_no_throw(name);
    if (option == nullptr) return {.unknown = name};
    if (TakesValue(*option)) return {.option = option, .value_at = i + 1 < word.size() ? i + 1 : std::string::npos};
  }
  return {};
}

}  // namespace quire
