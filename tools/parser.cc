// SPDX-License-Identifier: Apache-2.0
#include "tools/parser.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "tools/command_help.h"

namespace quire {

Option& Option::Required(bool is_required) {
  option_->required(is_required);
  return *this;
}

Option& Option::Type(const char* name) {
  option_->type_name(name);
  return *this;
}

Option& Option::ShowDefault() {
  option_->capture_default_str();
  return *this;
}

Option& Option::ValueOr(const char* value) {
  option_->expected(0, 1)->default_str(value);
  return *this;
}

Option& Option::OneWord() {
  option_->allow_extra_args(false);
  return *this;
}

Option& Option::SeparatedBy(char delimiter) {
  option_->delimiter(delimiter);
  return *this;
}

Option& Option::Range(unsigned least, unsigned most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Option& Option::Positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}

Option& Option::NotNegative() {
  option_->check(CLI::NonNegativeNumber);
  return *this;
}

Option& Option::OneOf(const std::vector<std::string>& choices) {
  option_->check(CLI::IsMember(choices));
  return *this;
}

Option& Option::Needs(Option other) {
  option_->needs(other.option_);
  return *this;
}

Option& Option::Excludes(Option other) {
  option_->excludes(other.option_);
  return *this;
}

Option& Option::Replaces(Option other) {
  // At once: a word that may be the value of an option is none while a required argument waits for it.
  option_->excludes(other.option_)->each([other](const std::string&) mutable { other.Required(false); });
  option_->trigger_on_parse();
  return *this;
}

Option& Option::Group(const char* heading) {
  option_->group(heading);
  return *this;
}

std::vector<Option> Option::excluded() const {
  const auto excluded = option_->get_excludes();
  return {excluded.begin(), excluded.end()};
}

std::string Option::positional_name() const { return option_->get_name(true); }
std::string Option::names() const { return option_->get_name(false, true); }
const std::vector<std::string>& Option::short_names() const { return option_->get_snames(); }
const std::vector<std::string>& Option::long_names() const { return option_->get_lnames(); }
const std::string& Option::description() const { return option_->get_description(); }
const std::string& Option::group() const { return option_->get_group(); }
std::string Option::type() const { return option_->get_type_name(); }
std::string Option::default_value() const { return option_->get_default_str(); }
char Option::delimiter() const { return option_->get_delimiter(); }
bool Option::is_positional() const { return option_->get_positional(); }
bool Option::is_required() const { return option_->get_required(); }
bool Option::takes_value() const { return option_->get_items_expected_max() > 0; }
bool Option::takes_list() const { return option_->get_items_expected_max() > 1; }

Command Command::AddSubcommand(const char* name, const char* description) {
  app_->require_subcommand(1);
  return Command(app_->add_subcommand(name, description));
}

template <typename Value>
Option Command::Add(const char* names, Value& value, const std::string& description) {
  return Option(app_->add_option(names, value, description));
}
template Option Command::Add(const char*, std::string&, const std::string&);
template Option Command::Add(const char*, std::vector<std::string>&, const std::string&);
template Option Command::Add(const char*, unsigned&, const std::string&);
template Option Command::Add(const char*, uint64_t&, const std::string&);
template Option Command::Add(const char*, double&, const std::string&);

Option Command::AddFlag(const char* names, bool& is_given, const std::string& description) {
  return Option(app_->add_flag(names, is_given, description));
}

Option Command::AddFlag(const char* names, const std::function<void()>& take, const std::string& description) {
  return Option(app_->add_flag_callback(names, take, description)->trigger_on_parse());
}

void Command::SetHelpFlag(const char* names) { app_->set_help_flag(names, "Print this help and exit"); }
void Command::SetFooter(const std::string& footer) { app_->footer(footer); }
void Command::SetBody(Body& run, const Body& body) {
  app_->callback([&run, body] { run = body; });
}

const std::string& Command::name() const { return app_->get_name(); }

std::string Command::full_name() const {
  std::string full = name();
  for (const CLI::App* app = app_->get_parent(); app != nullptr; app = app->get_parent())
    full = app->get_name() + ' ' + full;
  return full;
}

std::string Command::description() const { return app_->get_description(); }
std::string Command::footer() const { return app_->get_footer(); }
std::vector<std::string> Command::groups() const { return app_->get_groups(); }

std::vector<Option> Command::options() const {
  const auto options = app_->get_options();
  return {options.begin(), options.end()};
}

std::vector<Option> Command::positionals() const {
  auto options = this->options();
  std::erase_if(options, [](const Option& option) { return !option.is_positional(); });
  return options;
}

std::vector<Command> Command::subcommands() const {
  const auto subcommands = app_->get_subcommands([](CLI::App*) { return true; });
  return {subcommands.begin(), subcommands.end()};
}

std::optional<Option> Command::FindOption(const std::string& name) const {
  CLI::Option* const option = app_->get_option_no_throw(name);
  return option == nullptr ? std::nullopt : std::optional(Option(option));
}

std::optional<Command> Command::FindSubcommand(std::string_view name) const {
  const auto subcommands = this->subcommands();
  const auto found = std::ranges::find(subcommands, name, &Command::name);
  return found == subcommands.end() ? std::nullopt : std::optional(*found);
}

Program::Program(const char* name, const char* description, const char* version)
    : app_(std::make_unique<CLI::App>(description, name)) {
  root().SetHelpFlag("-h,--help");
  app_->set_version_flag("-V,--version", version, "Print the version and exit");
}

Program::~Program() = default;

std::expected<bool, ParseFault> Program::Parse(std::vector<std::string> words) {
  std::ranges::reverse(words);  // as CLI11 takes them
  try {
    app_->parse(std::move(words));
    return true;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", FormatHelp(chosen()));
    return false;
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
    return false;
  } catch (const CLI::RequiredError& error) {
    return std::unexpected(ParseFault{ParseFault::Kind::kMissing, error.what()});
  } catch (const CLI::ExtrasError& error) {
    return std::unexpected(ParseFault{ParseFault::Kind::kTooMany, error.what()});
  } catch (const CLI::ParseError& error) {
    return std::unexpected(ParseFault{ParseFault::Kind::kOther, error.what()});
  }
}

Command Program::chosen() const {
  CLI::App* chosen = app_.get();
  for (auto deeper = chosen->get_subcommands(); !deeper.empty(); deeper = chosen->get_subcommands())
    chosen = deeper.front();
  return Command(chosen);
}

}  // namespace quire
