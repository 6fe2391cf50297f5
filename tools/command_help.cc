#include "tools/command_help.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "fs/help_text.h"
#include "tools/command_words.h"

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
std::string ValueLabel(const CLI::Option& option) {
  const std::string type_name = option.get_type_name();
  const std::string type = type_name.substr(0, type_name.find(':'));
  std::string choices = Between(type_name, "{", '}');
  if (type != "TEXT" || choices.empty()) return type == "UINT" || type == "INT" ? "N" : type;
  std::ranges::replace(choices, ',', '|');
  return choices;
}

// What may be given and what is taken where nothing is: " (1 to 256; default 16)".
std::string Bounds(const CLI::Option& option) {
  std::string text;
  const std::string type_name = option.get_type_name();
  std::string range = Between(type_name, " in [", ']');
  if (const size_t dash = range.find(" - "); dash != std::string::npos) range.replace(dash, 3, " to ");
  text += range;
  if (!option.get_default_str().empty())
    text += fmt::format("{}default {}", text.empty() ? "" : "; ", option.get_default_str());
  return text.empty() ? text : " (" + text + ")";
}

std::string OptionLabel(const CLI::Option& option) {
  std::string label;
  for (const std::string& name : option.get_snames()) label += fmt::format("{}-{}", label.empty() ? "" : ",", name);
  for (const std::string& name : option.get_lnames()) label += fmt::format("{}--{}", label.empty() ? "" : ",", name);
  if (TakesValue(option)) label += " " + ValueLabel(option);
  return label;
}

std::string PositionalLabel(const CLI::Option& option) {
  const std::string name = option.get_name(true);
  const bool is_list = option.get_items_expected_max() > 1;
  if (option.get_required()) return is_list ? name + "..." : name;
  return fmt::format("[{}]{}", name, is_list ? "..." : "");
}

std::string FormatOptions(const CLI::App& app, const std::string& group) {
  std::string text;
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_positional() || option->get_group() != group) continue;
    text += FormatHelpEntry(OptionLabel(*option), option->get_description() + Bounds(*option), kHelpColumns);
  }
  return text.empty() ? text : fmt::format("\n{}:\n{}", group, text);
}

}  // namespace

std::string UsageOf(const CLI::App& app, const std::string& program) {
  if (!app.get_subcommands([](const CLI::App*) { return true; }).empty()) return program + " COMMAND [ARGUMENT]...";
  std::string usage = program;
  for (const CLI::Option* const option : PositionalsOf(app)) usage += " " + PositionalLabel(*option);
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_positional() || !option->get_required()) continue;
    usage += option->get_snames().empty() ? " --" + option->get_lnames().front() : " -" + option->get_snames().front();
    if (TakesValue(*option)) usage += " " + ValueLabel(*option);
  }
  return usage + " [OPTION]...";
}

std::string FormatHelp(const CLI::App* app, const std::string& program, CLI::AppFormatMode /*mode*/) {
  std::string text = fmt::format("Usage: {}\n", UsageOf(*app, program));
  if (!app->get_description().empty()) text += "\n" + WrapText(app->get_description(), 0, kHelpColumns) + "\n";
  const auto positionals = PositionalsOf(*app);
  if (!positionals.empty()) text += "\nArguments:\n";
  for (const CLI::Option* const option : positionals)
    text += FormatHelpEntry(option->get_name(true), option->get_description(), kHelpColumns);
  const auto commands = app->get_subcommands([](const CLI::App*) { return true; });
  if (!commands.empty()) text += "\nCommands:\n";
  for (const CLI::App* const command : commands)
    text += FormatHelpEntry(command->get_name(), command->get_description(), kHelpColumns);
  for (const std::string& group : app->get_groups())
    if (!group.empty()) text += FormatOptions(*app, group);
  if (!app->get_footer().empty()) text += "\n" + app->get_footer() + "\n";
  return text;
}

}  // namespace quire
