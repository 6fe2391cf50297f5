// SPDX-License-Identifier: Apache-2.0
// The parser of a command line: what a program declares of it, and what help, completion and messages ask about what
// was declared. CLI11 does the work. A file that includes it takes 11 seconds to compile, so parser.cc alone does.
//
// Commands and options are handles of what their Program owns: they are copied freely, and it must outlive them.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace quire {

// What a command does; it returns an exit code.
using Body = std::function<int()>;

// A positional argument, an option with a value or a flag.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& Required(bool is_required = true);
  // What the value is, in help and for completion: "FILE".
  Option& Type(const char* name);
  // Help says which value is taken where none is given: the one that the variable has now.
  Option& ShowDefault();
  // The option may be given without a value, and means this one then.
  Option& ValueOr(const char* value);
  // Each time that a list is given, one word follows. Without this all words do that are no options.
  Option& OneWord();
  // A word holds several values, with this between them.
  Option& SeparatedBy(char delimiter);
  Option& Range(unsigned least, unsigned most);
  Option& Positive();
  Option& NotNegative();
  Option& OneOf(const std::vector<std::string>& choices);
  Option& Needs(Option other);
  Option& Excludes(Option other);
  // Either of both is given, where the other one is required, and help shows both.
  Option& Replaces(Option other);
  // The heading that help has for it.
  Option& Group(const char* heading);

  // "PACK" of a positional argument; empty for others.
  [[nodiscard]] std::string positional_name() const;
  // "-o,--output".
  [[nodiscard]] std::string names() const;
  [[nodiscard]] const std::vector<std::string>& short_names() const;  // without "-"
  [[nodiscard]] const std::vector<std::string>& long_names() const;   // without "--"
  [[nodiscard]] const std::string& description() const;
  [[nodiscard]] const std::string& group() const;
  // "TYPE:CHECK:...", where a check says what may be given: "{a,b}" for one of several, "UINT in [1 - 9]".
  [[nodiscard]] std::string type() const;
  [[nodiscard]] std::string default_value() const;  // empty unless ShowDefault
  [[nodiscard]] char delimiter() const;             // NUL unless SeparatedBy
  [[nodiscard]] bool is_positional() const;
  [[nodiscard]] bool is_required() const;
  [[nodiscard]] bool takes_value() const;
  [[nodiscard]] bool takes_list() const;
  [[nodiscard]] std::vector<Option> excluded() const;  // what does not go together with it

 private:
  CLI::Option* option_;
};

// A program, or one of its subcommands.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  // A program that has subcommands must be given one.
  Command AddSubcommand(const char* name, const char* description);
  // `names`: "PACK" of a positional argument, else "-o,--output". `value` must live until the line was parsed, and may
  // be a std::string, a std::vector of them, an unsigned, a uint64_t or a double.
  template <typename Value>
  Option Add(const char* names, Value& value, const std::string& description);
  Option AddFlag(const char* names, bool& is_given, const std::string& description);
  // Calls `take` as soon as the flag is met.
  Option AddFlag(const char* names, const std::function<void()>& take, const std::string& description);
  void SetHelpFlag(const char* names);
  // What help ends with. Subcommands that are added later have it as well.
  void SetFooter(const std::string& footer);
  // Where this subcommand is chosen, `run` becomes `body`.
  void SetBody(Body& run, const Body& body);

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] std::string full_name() const;  // "quire tier ls"
  [[nodiscard]] std::string description() const;
  [[nodiscard]] std::string footer() const;
  [[nodiscard]] std::vector<std::string> groups() const;  // the headings of its options
  [[nodiscard]] std::vector<Option> options() const;      // in the order in which they were added
  [[nodiscard]] std::vector<Option> positionals() const;  // those of them that are arguments
  [[nodiscard]] std::vector<Command> subcommands() const;
  [[nodiscard]] std::optional<Option> FindOption(const std::string& name) const;  // "--output", "-o"
  [[nodiscard]] std::optional<Command> FindSubcommand(std::string_view name) const;

  bool operator==(const Command&) const = default;

 private:
  CLI::App* app_;
};

// What the parser finds wrong.
struct ParseFault {
  enum class Kind : uint8_t { kMissing, kTooMany, kOther };
  Kind kind;
  std::string message;
};

class Program {
 public:
  // Has -h and -V. `version`: the line that the latter prints.
  Program(const char* name, const char* description, const char* version = "quire " QUIRE_VERSION);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  [[nodiscard]] Command root() const { return Command(app_.get()); }

  // Sets all variables and the body from the words behind the program's name. The value is false where -h or -V was
  // among them, which is answered on standard output then: nothing is left to do.
  [[nodiscard]] std::expected<bool, ParseFault> Parse(std::vector<std::string> words);
  // The subcommand that Parse met, or one of that, else the root.
  [[nodiscard]] Command chosen() const;

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace quire
