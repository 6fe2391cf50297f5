// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/aws_settings.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cache/remote/small_file.h"
#include "format/escaping.h"

namespace quire {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr size_t kMostFileBytes = 1 << 20;  // a thousand profiles with long tokens

using Sections = std::map<std::string, AwsFields, std::less<>>;

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower)
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte + ('a' - 'A'));
  return lower;
}

// "profile  'my name'" of "[profile 'my name']": as one word, a blank and a name without quotes.
std::string SectionName(std::string_view text) {
  text = Trim(text);
  const size_t blank = text.find_first_of(" \t");
  if (blank == std::string_view::npos) return std::string(text);
  std::string_view name = Trim(text.substr(blank));
  const bool is_quoted =
      name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front();
  if (is_quoted) name = name.substr(1, name.size() - 2);
  return fmt::format("{} {}", text.substr(0, blank), name);
}

// None where there is no such file, which is no error.
Result<Sections> ReadFile(const std::string& path) {
  if (path.empty()) return Sections();
  const auto text = ReadSmallFile(path, "AWS's settings", kMostFileBytes);
  if (!text) {
    const int error = text.error().system_errno;
    return error == ENOENT || error == ENOTDIR ? Result<Sections>(Sections()) : std::unexpected(text.error());
  }
  return ParseAwsFile(*text, fmt::format("AWS's settings '{}'", path));
}

std::optional<AwsFields> SectionOf(const Sections& sections, const std::string& name) {
  const auto section = sections.find(name);
  return section == sections.end() ? std::nullopt : std::optional(section->second);
}

// The first of them that says something.
std::optional<std::string> FirstOf(std::initializer_list<std::optional<std::string>> values) {
  const auto* const value = std::ranges::find_if(values, [](const auto& one) { return one.has_value(); });
  return value == values.end() ? std::nullopt : *value;
}

}  // namespace

std::optional<std::string> FieldOf(const AwsFields& fields, std::string_view name) {
  const auto field = fields.find(name);
  return field == fields.end() || field->second.empty() ? std::nullopt : std::optional(field->second);
}

AwsFields ReadAwsVariables() {
  AwsFields variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || !(line.starts_with("AWS_") || line.starts_with("HOME="))) continue;
    if (equals + 1 < line.size()) variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  if (!variables.contains("HOME"))
    if (const passwd* const user = getpwuid(geteuid())) variables.emplace("HOME", user->pw_dir);
  return variables;
}

Result<Sections> ParseAwsFile(std::string_view text, std::string_view what) {
  Sections sections;
  AwsFields* fields = nullptr;
  std::string outer;  // the field that deeper lines belong to
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view whole = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view line = Trim(whole);
    if (line.empty() || line.starts_with('#') || line.starts_with(';')) continue;
    const bool is_deeper = whole.front() == ' ' || whole.front() == '\t';
    if (line.starts_with('[') && !is_deeper) {
      const size_t bracket = line.find(']');
      if (bracket == std::string_view::npos) return Invalid("{}: line {}: a section has no ']'", what, number);
      fields = &sections[SectionName(line.substr(1, bracket - 1))];
      outer.clear();
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || fields == nullptr)
      return Invalid("{}: line {} is neither '[SECTION]' nor 'NAME = VALUE' within one", what, number);
    std::string name = LowerCase(Trim(line.substr(0, equals)));
    const std::string_view value = Trim(line.substr(equals + 1));
    if (is_deeper && !outer.empty())
      name.insert(0, outer + ".");
    else
      outer = value.empty() ? name : "";
    (*fields)[name] = value;
  }
  return sections;
}

AwsPaths FindAwsPaths(const AwsFields& variables) {
  const std::string home = FieldOf(variables, "HOME").value_or("");
  const auto find = [&](const char* variable, const char* usual) {
    const std::string path = FieldOf(variables, variable).value_or(home.empty() ? "" : home + usual);
    return path.starts_with("~/") ? home + path.substr(1) : path;
  };
  return {.credentials = find("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"),
          .config = find("AWS_CONFIG_FILE", "/.aws/config")};
}

Result<AwsProfile> ReadAwsProfile(const AwsFields& variables, const std::string& chosen) {
  const auto named = FirstOf({chosen.empty() ? std::nullopt : std::optional(chosen), FieldOf(variables, "AWS_PROFILE"),
                              FieldOf(variables, "AWS_DEFAULT_PROFILE")});
  const AwsPaths paths = FindAwsPaths(variables);
  AwsProfile profile{.name = named.value_or("default"),
                     .is_chosen = !chosen.empty(),
                     .credentials = {},
                     .config = {},
                     .services = {},
                     .credentials_path = paths.credentials,
                     .config_path = paths.config};
  const auto credentials = ReadFile(profile.credentials_path);
  if (!credentials) return std::unexpected(credentials.error());
  const auto config = ReadFile(profile.config_path);
  if (!config) return std::unexpected(config.error());
  const auto keys = SectionOf(*credentials, profile.name);
  auto settings = SectionOf(*config, "profile " + profile.name);
  if (!settings && profile.name == "default") settings = SectionOf(*config, profile.name);
  if (!keys && !settings && named)
    return Invalid("profile '{}': it is neither in '{}' nor in '{}'", EscapeName(profile.name),
                   profile.credentials_path, profile.config_path);
  profile.credentials = keys.value_or(AwsFields());
  profile.config = settings.value_or(AwsFields());
  if (const auto services = FieldOf(profile.config, "services"))
    profile.services = SectionOf(*config, "services " + *services).value_or(AwsFields());
  return profile;
}

Result<S3Place> PlaceOf(const AwsFields& variables, const AwsProfile& profile) {
  const auto endpoint =
      FirstOf({FieldOf(variables, "AWS_ENDPOINT_URL_S3"), FieldOf(variables, "AWS_ENDPOINT_URL"),
               FieldOf(profile.services, "s3.endpoint_url"), FieldOf(profile.config, "s3.endpoint_url"),
               FieldOf(profile.config, "endpoint_url"), FieldOf(profile.credentials, "endpoint_url")});
  const auto region = FirstOf({FieldOf(variables, "AWS_REGION"), FieldOf(variables, "AWS_DEFAULT_REGION"),
                               FieldOf(profile.config, "region"), FieldOf(profile.credentials, "region")});
  S3Place place{.endpoint = endpoint.value_or(""), .region = region.value_or("us-east-1")};
  const std::string style = FieldOf(profile.config, "s3.addressing_style").value_or("auto");
  if (style == "path")
    place.addressing = S3Addressing::kPath;
  else if (style == "virtual")
    place.addressing = S3Addressing::kVirtual;
  else if (style != "auto")
    return Invalid("AWS's settings '{}': addressing_style of profile '{}' is neither auto, virtual nor path",
                   profile.config_path, EscapeName(profile.name));
  return place;
}

}  // namespace quire
