#include "tools/usage_fault.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <string_view>
#include <utility>

#include "fs/nearest_name.h"
#include "tools/command_help.h"
#include "tools/command_words.h"

namespace quire {
namespace {

// What other programs call what ours do.
constexpr auto kWordsOfOthers = std::to_array<std::pair<std::string_view, std::string_view>>({{"list", "ls"},
                                                                                              {"dir", "ls"},
                                                                                              {"create", "pack"},
                                                                                              {"unpack", "extract"},
                                                                                              {"check", "verify"},
                                                                                              {"test", "verify"},
                                                                                              {"compare", "diff"},
                                                                                              {"detach", "umount"}});

std::vector<std::string_view> SubcommandNames(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const CLI::App* const sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

// "; did you mean 'NAME'?", or nothing where none is near.
std::string Suggest(std::string_view word, const std::vector<std::string_view>& names) {
  const auto nearest = FindNearestName(word, names);
  return nearest ? fmt::format("; did you mean '{}'?", *nearest) : "";
}

std::string NoSuchCommand(const CLI::App& app, const std::string& word) {
  const auto names = SubcommandNames(app);
  const auto others = std::ranges::find(kWordsOfOthers, word, &std::pair<std::string_view, std::string_view>::first);
  if (others != kWordsOfOthers.end() && std::ranges::find(names, others->second) != names.end())
    return fmt::format("there is no command '{}'; did you mean '{}'?", word, others->second);
  const bool can_mount = std::ranges::find(names, "mount") != names.end();
  if (can_mount && access(word.c_str(), F_OK) == 0)
    return fmt::format("'{0}' is no command; to mount it, say where: {1} mount {0} DIR", word, app.get_name());
  if (can_mount && word.contains('.')) return fmt::format("'{}' is no command, and there is no such file", word);
  return fmt::format("there is no command '{}'{}", word, Suggest(word, names));
}

std::string NoSuchOption(const CLI::App& app, const std::string& name) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : app.get_options())
    for (const std::string& long_name : option->get_lnames()) names.push_back("--" + long_name);
  return fmt::format("there is no option '{}'{}", name, Suggest(name, {names.begin(), names.end()}));
}

// REQUIRES: the last word was taken as a positional.
std::string EmptyArgument(const CommandWords& line) {
  const auto arguments = PositionalsOf(line.app());
  if (arguments.empty()) return "an argument is empty";
  const size_t number = std::min(line.positionals().size(), arguments.size()) - 1;  // the last may be given repeatedly
  return fmt::format("{} is empty", arguments[number]->get_name(true));
}

// "quire ls".
std::string ProgramName(const CLI::App& root, const CLI::App& app) {
  return &root == &app ? root.get_name() : root.get_name() + " " + app.get_name();
}

}  // namespace

std::optional<UsageFault> FindUsageFault(const CLI::App& app, const std::vector<std::string>& words) {
  CommandWords line(app);
  for (const std::string& word : words) {
    const auto role = line.Take(word);
    if (role == CommandWords::Role::kUnknownOption)
      return UsageFault{ProgramName(app, line.app()), NoSuchOption(line.app(), *line.ParseOption(word).unknown)};
    if (role != CommandWords::Role::kPositional) continue;
    if (!SubcommandNames(line.app()).empty())
      return UsageFault{ProgramName(app, line.app()), NoSuchCommand(line.app(), word)};
    // As a rule a variable of a script that is not set. No file and no entry of a pack has this name.
    if (word.empty()) return UsageFault{ProgramName(app, line.app()), EmptyArgument(line)};
  }
  return std::nullopt;
}

UsageFault ExplainParseError(const CLI::App& app, const std::vector<std::string>& words, const CLI::ParseError& error) {
  CommandWords line(app);
  for (const std::string& word : words) line.Take(word);
  UsageFault fault{ProgramName(app, line.app()), error.what()};
  if (const auto names = SubcommandNames(line.app()); !names.empty())
    fault.message = fmt::format("name a command: {}", fmt::join(names, ", "));
  else if (line.awaits_value() != nullptr)
    fault.message = fmt::format("{} needs a value", line.awaits_value()->get_name(false, true));
  else if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)
    fault.message += fmt::format("; usage: {}", UsageOf(line.app(), fault.program));
  else if (const size_t most = PositionalsOf(line.app()).size();
           dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && line.positionals().size() > most)
    fault.message = fmt::format("one argument too many: '{}'", line.positionals()[most]);
  return fault;
}

}  // namespace quire
