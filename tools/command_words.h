// SPDX-License-Identifier: Apache-2.0
// What each word of a command line is to a parser that has not seen it: for completion, and to name a word that is
// wrong as the parser does not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/parser.h"

namespace quire {

// Words in their order, without the program's name.
class CommandWords {
 public:
  explicit CommandWords(Command root) : command_(root) {}

  enum class Role : uint8_t { kSubcommand, kOption, kUnknownOption, kValue, kSeparator, kPositional };
  Role Take(const std::string& word);

  // The subcommand that the words are in, else the program.
  [[nodiscard]] Command command() const { return command_; }
  void Enter(Command subcommand) { command_ = subcommand; }
  // The option whose value the next word is, if any.
  [[nodiscard]] std::optional<Option> awaits_value() const { return awaits_value_; }
  // Whether the next word may be an option: no "--" went before.
  [[nodiscard]] bool takes_options() const { return takes_options_; }
  [[nodiscard]] const std::vector<std::string>& positionals() const { return positionals_; }

  // What a word that begins with '-' asks for.
  struct OptionWord {
    std::optional<Option> option = {};        // that takes a value, if any
    size_t value_at = std::string::npos;      // the byte of the word that begins it; else it is the next word
    std::optional<std::string> unknown = {};  // the first name in it that is none
  };
  [[nodiscard]] OptionWord ParseOption(const std::string& word) const;

 private:
  Command command_;
  std::optional<Option> awaits_value_;
  bool takes_options_ = true;
  std::vector<std::string> positionals_;
};

}  // namespace quire
