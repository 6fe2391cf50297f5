// SPDX-License-Identifier: Apache-2.0
#include "tools/command_help.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "fs/help_text.h"

namespace quire {
namespace {

// What `text` has between `open` and the next `close`, if it has both.
std::string Between(std::string_view text, std::string_view open, char close) {
  const size_t at = text.find(open);
  if (at == std::string_view::npos) return {};
  const size_t begin = at + open.size();
  const size_t end = text.find(close, begin);
  return end == std::string_view::npos ? "" : std::string(text.substr(begin, end - begin));
}

// "TYPE:CHECK:...", as CLI11 has it: the type alone, or the choices "{a,b}" where a check knows them.
std::string ValueLabel(Option option) {
  const std::string type_name = option.type();
  const std::string type = type_name.substr(0, type_name.find(':'));
  std::string choices = Between(type_name, "{", '}');
  if (type != "TEXT" || choices.empty()) return type == "UINT" || type == "INT" ? "N" : type;
  std::ranges::replace(choices, ',', '|');
  return choices;
}

// What may be given and what is taken where nothing is: " (1 to 256; default 16)".
std::string Bounds(Option option) {
  std::string text;
  const std::string type_name = option.type();
  std::string range = Between(type_name, " in [", ']');
  if (const size_t dash = range.find(" - "); dash != std::string::npos) range.replace(dash, 3, " to ");
  text += range;
  if (!option.default_value().empty())
    text += fmt::format("{}default {}", text.empty() ? "" : "; ", option.default_value());
  return text.empty() ? text : " (" + text + ")";
}

std::string OptionLabel(Option option) {
  std::string label;
  for (const std::string& name : option.short_names()) label += fmt::format("{}-{}", label.empty() ? "" : ",", name);
  for (const std::string& name : option.long_names()) label += fmt::format("{}--{}", label.empty() ? "" : ",", name);
  if (option.takes_value()) label += " " + ValueLabel(option);
  return label;
}

std::string PositionalLabel(Option option) {
  const std::string name = option.positional_name();
  const bool is_list = option.takes_list();
  if (option.is_required()) return is_list ? name + "..." : name;
  return fmt::format("[{}]{}", name, is_list ? "..." : "");
}

// As it is typed, with what may be given in its place.
std::string RequiredLabel(Option option) {
  std::string label = option.is_positional()         ? PositionalLabel(option)
                      : option.short_names().empty() ? "--" + option.long_names().front()
                                                     : "-" + option.short_names().front();
  if (!option.is_positional() && option.takes_value()) label += " " + ValueLabel(option);
  if (!option.is_required()) return label;
  std::string others;
  for (const Option& other : option.excluded()) others += " | " + RequiredLabel(other);
  return others.empty() ? label : fmt::format("({}{})", label, others);
}

std::string FormatOptions(Command command, const std::string& group) {
  std::string text;
  for (const Option& option : command.options()) {
    if (option.is_positional() || option.group() != group) continue;
    text += FormatHelpEntry(OptionLabel(option), option.description() + Bounds(option), kHelpColumns);
  }
  return text.empty() ? text : fmt::format("\n{}:\n{}", group, text);
}

}  // namespace

std::string UsageOf(Command command) {
  std::string usage = command.full_name();
  if (!command.subcommands().empty()) return usage + " COMMAND [ARGUMENT]...";
  for (const Option& option : command.positionals()) usage += " " + RequiredLabel(option);
  for (const Option& option : command.options())
    if (!option.is_positional() && option.is_required()) usage += " " + RequiredLabel(option);
  return usage + " [OPTION]...";
}

std::string FormatHelp(Command command) {
  std::string text = fmt::format("Usage: {}\n", UsageOf(command));
  if (!command.description().empty()) text += "\n" + WrapText(command.description(), 0, kHelpColumns) + "\n";
  const auto positionals = command.positionals();
  if (!positionals.empty()) text += "\nArguments:\n";
  for (const Option& option : positionals)
    text += FormatHelpEntry(option.positional_name(), option.description(), kHelpColumns);
  const auto subcommands = command.subcommands();
  if (!subcommands.empty()) text += "\nCommands:\n";
  for (const Command& subcommand : subcommands)
    text += FormatHelpEntry(subcommand.name(), subcommand.description(), kHelpColumns);
  for (const std::string& group : command.groups())
    if (!group.empty()) text += FormatOptions(command, group);
  if (!command.footer().empty()) text += "\n" + command.footer() + "\n";
  return text;
}

}  // namespace quire
