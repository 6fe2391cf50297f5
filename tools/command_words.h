// What each word of a command line is to a parser that has not seen it: for completion, and to name a word that is
// wrong as the parser does not.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

// Options in the order in which they were added.
std::vector<const CLI::Option*> PositionalsOf(const CLI::App& app);
bool TakesValue(const CLI::Option& option);
// Null where there is none of that name.
const CLI::App* FindSubcommand(const CLI::App& app, std::string_view name);

// Words in their order, without the program's name. `app` must outlive it.
class CommandWords {
 public:
  explicit CommandWords(const CLI::App& app) : app_(&app) {}

  enum class Role : uint8_t { kSubcommand, kOption, kUnknownOption, kValue, kSeparator, kPositional };
  Role Take(const std::string& word);

  // The subcommand that the words are in, else the program.
  [[nodiscard]] const CLI::App& app() const { return *app_; }
  void Enter(const CLI::App& subcommand) { app_ = &subcommand; }
  // The option whose value the next word is; null when there is none.
  [[nodiscard]] const CLI::Option* awaits_value() const { return awaits_value_; }
  // Whether the next word may be an option: no "--" went before.
  [[nodiscard]] bool takes_options() const { return takes_options_; }
  [[nodiscard]] const std::vector<std::string>& positionals() const { return positionals_; }

  // What a word that begins with '-' asks for.
  struct OptionWord {
    const CLI::Option* option = nullptr;      // that takes a value, if any
    size_t value_at = std::string::npos;      // the byte of the word that begins it; else it is the next word
    std::optional<std::string> unknown = {};  // the first name in it that is none
  };
  [[nodiscard]] OptionWord ParseOption(const std::string& word) const;

 private:
  const CLI::App* app_;
  const CLI::Option* awaits_value_ = nullptr;
  bool takes_options_ = true;
  std::vector<std::string> positionals_;
};

}  // namespace quire
