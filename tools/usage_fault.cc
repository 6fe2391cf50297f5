// SPDX-License-Identifier: Apache-2.0
#include "tools/usage_fault.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
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

std::vector<std::string> SubcommandNames(Command command) {
  std::vector<std::string> names;
  for (const Command& subcommand : command.subcommands()) names.push_back(subcommand.name());
  return names;
}

// "; did you mean 'NAME'?", or nothing where none is near.
std::string Suggest(std::string_view word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto nearest = FindNearestName(word, known);
  return nearest ? fmt::format("; did you mean '{}'?", *nearest) : "";
}

std::string NoSuchCommand(Command command, const std::string& word) {
  const auto names = SubcommandNames(command);
  const auto others = std::ranges::find(kWordsOfOthers, word, &std::pair<std::string_view, std::string_view>::first);
  if (others != kWordsOfOthers.end() && std::ranges::find(names, others->second) != names.end())
    return fmt::format("there is no command '{}'; did you mean '{}'?", word, others->second);
  const bool can_mount = std::ranges::find(names, "mount") != names.end();
  if (can_mount && access(word.c_str(), F_OK) == 0)
    return fmt::format("'{0}' is no command; to mount it, say where: {1} mount {0} DIR", word, command.name());
  if (can_mount && word.contains('.')) return fmt::format("'{}' is no command, and there is no such file", word);
  return fmt::format("there is no command '{}'{}", word, Suggest(word, names));
}

std::string NoSuchOption(Command command, const std::string& name) {
  std::vector<std::string> names;
  for (const Option& option : command.options())
    for (const std::string& long_name : option.long_names()) names.push_back("--" + long_name);
  return fmt::format("there is no option '{}'{}", name, Suggest(name, names));
}

// REQUIRES: the last word was taken as a positional.
std::string EmptyArgument(const CommandWords& line) {
  const auto arguments = line.command().positionals();
  if (arguments.empty()) return "an argument is empty";
  const size_t number = std::min(line.positionals().size(), arguments.size()) - 1;  // the last may be given repeatedly
  return fmt::format("{} is empty", arguments[number].positional_name());
}

// What a shell makes of a pattern without quotes.
bool AreShards(const std::vector<std::string>& words) {
  const auto is_archive = [](std::string_view word) {
    return word.ends_with(".tar") || word.ends_with(".zip") || word.ends_with(".beton");
  };
  return words.size() > 1 && is_archive(words[0]) && is_archive(words[1]);
}

}  // namespace

std::optional<UsageFault> FindUsageFault(Command root, const std::vector<std::string>& words) {
  CommandWords line(root);
  for (const std::string& word : words) {
    const auto role = line.Take(word);
    const Command command = line.command();
    if (role == CommandWords::Role::kUnknownOption)
      return UsageFault{command.full_name(), NoSuchOption(command, *line.ParseOption(word).unknown)};
    if (role != CommandWords::Role::kPositional) continue;
    if (!command.subcommands().empty()) return UsageFault{command.full_name(), NoSuchCommand(command, word)};
    // As a rule a variable of a script that is not set. No file and no entry of a pack has this name.
    if (word.empty()) return UsageFault{command.full_name(), EmptyArgument(line)};
  }
  return std::nullopt;
}

UsageFault ExplainParseFault(Command root, const std::vector<std::string>& words, const ParseFault& found) {
  CommandWords line(root);
  for (const std::string& word : words) line.Take(word);
  const Command command = line.command();
  UsageFault fault{command.full_name(), found.message};
  if (const auto names = SubcommandNames(command); !names.empty())
    fault.message = fmt::format("name a command: {}", fmt::join(names, ", "));
  else if (line.awaits_value())
    fault.message = fmt::format("{} needs a value", line.awaits_value()->names());
  else if (found.kind == ParseFault::Kind::kMissing)
    fault.message += fmt::format("; usage: {}", UsageOf(command));
  else if (const size_t most = command.positionals().size();
           found.kind == ParseFault::Kind::kTooMany && line.positionals().size() > most)
    fault.message = fmt::format("one argument too many: '{}'{}", line.positionals()[most],
                                AreShards(line.positionals()) ? "; a pattern of archives stands in quotes" : "");
  return fault;
}

}  // namespace quire
