// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/aws_credentials.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "cache/remote/small_file.h"
#include "format/escaping.h"

namespace quire {
namespace {

constexpr const char* kContainerHost = "http://169.254.170.2";
constexpr const char* kMachineHost = "http://169.254.169.254";
constexpr const char* kMachineHostIPv6 = "http://[fd00:ec2::254]";
constexpr const char* kMachinePath = "/latest/meta-data/iam/security-credentials/";
constexpr size_t kMostTokenBytes = 16 << 10;
constexpr const char* kExport = "export keys into the environment by 'aws configure export-credentials --format env'";

// What stands in a header or is a part of one: nothing in it may end the line.
bool IsKey(const std::string& text) {
  return std::ranges::all_of(text, [](char byte) { return byte > ' ' && byte < 127; });
}

struct KeyNames {
  const char* access_key;
  const char* secret_key;
  const char* session_token;
};

// Nothing where there is no access key.
Result<std::optional<AwsCredentials>> KeysOf(const AwsFields& fields, const KeyNames& names,
                                             const std::string& origin) {
  const auto access_key = FieldOf(fields, names.access_key);
  if (!access_key) return std::nullopt;
  const auto secret_key = FieldOf(fields, names.secret_key);
  if (!secret_key) return Invalid("{}: there is {} without {}", origin, names.access_key, names.secret_key);
  AwsCredentials credentials{.access_key = *access_key,
                             .secret_key = *secret_key,
                             .session_token = FieldOf(fields, names.session_token).value_or(""),
                             .expiration = std::nullopt,
                             .origin = origin};
  for (const auto& [name, value] :
       {std::pair(names.access_key, &credentials.access_key), std::pair(names.secret_key, &credentials.secret_key),
        std::pair(names.session_token, &credentials.session_token)})
    if (!IsKey(*value)) return Invalid("{}: {} has blanks or other characters that no key has", origin, name);
  return credentials;
}

Result<std::optional<AwsCredentials>> KeysOfVariables(const AwsFields& variables) {
  return KeysOf(variables, {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}, "the environment");
}

Result<std::optional<AwsCredentials>> KeysOfFiles(const AwsProfile& profile) {
  for (const auto& [field, is_what] : {std::pair("role_arn", "a role"), std::pair("web_identity_token_file", "a role")})
    if (FieldOf(profile.config, field))
      return Invalid("profile '{}' is of {} ({}), which Quire does not take on: {}", EscapeName(profile.name), is_what,
                     field, kExport);
  const KeyNames names = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"};
  for (const auto& [fields, path] :
       {std::pair(&profile.credentials, &profile.credentials_path), std::pair(&profile.config, &profile.config_path)}) {
    auto keys = KeysOf(*fields, names, fmt::format("profile '{}' of '{}'", EscapeName(profile.name), *path));
    if (keys && *keys) (*keys)->can_change = true;
    if (!keys || *keys) return keys;
  }
  for (const char* const field : {"credential_process", "sso_session", "sso_start_url", "login_session"})
    if (FieldOf(profile.config, field) || FieldOf(profile.credentials, field))
      return Invalid("profile '{}' has its keys by {}, which Quire does not ask: {}", EscapeName(profile.name), field,
                     kExport);
  return std::nullopt;
}

// What both services tell: {"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ..., "Expiration": ...}.
Result<std::optional<AwsCredentials>> KeysOfAnswer(const MetadataAnswer& answer, const std::string& origin) {
  if (answer.status != 200) return SystemError(EIO, "{}: it answers with status {}", origin, answer.status);
  const auto json = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  AwsFields fields;
  if (json.is_object())
    for (const auto& [name, value] : json.items())
      if (value.is_string()) fields[name] = value.get<std::string>();
  auto keys = KeysOf(fields, {"AccessKeyId", "SecretAccessKey", "Token"}, origin);
  if (keys && !*keys) return Invalid("{}: what it answers has no AccessKeyId", origin);
  if (!keys) return keys;
  (*keys)->can_change = true;
  if (const auto expiration = FieldOf(fields, "Expiration")) {
    (*keys)->expiration = ParseTime(*expiration);
    if (!(*keys)->expiration) return Invalid("{}: what it answers has an Expiration that is no time", origin);
  }
  return keys;
}

// As Amazon's tools: where it is not encrypted, the token goes to this machine and its service alone.
bool MayHaveToken(std::string_view url) {
  if (url.starts_with("https://")) return true;
  if (!url.starts_with("http://")) return false;
  const std::string_view authority = url.substr(7, url.find_first_of("/?#", 7) - 7);
  const std::string_view host = authority.starts_with('[') ? authority.substr(0, authority.find(']') + 1)
                                                           : authority.substr(0, authority.find(':'));
  static constexpr std::array<std::string_view, 6> kHosts = {"localhost",      "127.0.0.1", "169.254.170.2",
                                                             "169.254.170.23", "[::1]",     "[fd00:ec2::23]"};
  return std::ranges::find(kHosts, host) != kHosts.end();
}

Result<std::optional<AwsCredentials>> KeysOfContainer(const AwsFields& variables, const AskMetadata& ask) {
  const auto relative = FieldOf(variables, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = FieldOf(variables, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative && !full) return std::nullopt;
  const std::string origin = "the container's service of credentials";
  MetadataRequest request{.url = relative ? kContainerHost + *relative : *full};
  if (!relative && !MayHaveToken(request.url))
    return Invalid("AWS_CONTAINER_CREDENTIALS_FULL_URI: by http it may lead to this machine alone; use https");
  std::string token = FieldOf(variables, "AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (const auto path = FieldOf(variables, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    auto text = ReadSmallFile(*path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", kMostTokenBytes);
    if (!text) return Propagate(std::move(text));
    token = text->substr(0, text->find_last_not_of(" \t\r\n") + 1);
  }
  const bool is_line = std::ranges::all_of(token, [](char byte) { return byte >= ' ' && byte < 127; });
  if (!is_line) return Invalid("{}: its token has characters that no header has", origin);
  if (!token.empty()) request.header_lines.push_back("Authorization: " + token);
  const auto answer = ask(request);
  if (!answer) return SystemError(EIO, "{}: there is no answer", origin);
  return KeysOfAnswer(*answer, origin);
}

// Nothing where this is no machine of Amazon's, or one that has no role.
Result<std::optional<AwsCredentials>> KeysOfMachine(const AwsFields& variables, const AskMetadata& ask) {
  if (FieldOf(variables, "AWS_EC2_METADATA_DISABLED").value_or("") == "true") return std::nullopt;
  const bool is_ipv6 = FieldOf(variables, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").value_or("") == "IPv6";
  std::string host =
      FieldOf(variables, "AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or(is_ipv6 ? kMachineHostIPv6 : kMachineHost);
  host.resize(host.find_last_not_of('/') + 1);
  const auto token = ask({.url = host + "/latest/api/token",
                          .header_lines = {"X-aws-ec2-metadata-token-ttl-seconds: 300"},
                          .is_put = true});
  if (!token || token->status != 200 || !IsKey(token->body)) return std::nullopt;
  const std::vector<std::string> header = {"X-aws-ec2-metadata-token: " + token->body};
  const auto roles = ask({.url = host + kMachinePath, .header_lines = header});
  if (!roles || roles->status != 200) return std::nullopt;
  const std::string role = roles->body.substr(0, roles->body.find_first_of("\r\n"));
  const std::string origin = "the machine's service of credentials";
  if (role.empty() || !IsKey(role)) return Invalid("{}: the name of its role is none", origin);
  const auto answer = ask({.url = host + kMachinePath + role, .header_lines = header});
  if (!answer) return SystemError(EIO, "{}: there is no answer", origin);
  return KeysOfAnswer(*answer, origin);
}

}  // namespace

std::optional<std::chrono::system_clock::time_point> ParseTime(const std::string& text) {
  tm parts = {};
  const char* const rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  const std::string_view zone(rest);
  const bool is_utc = zone == "Z" || zone == "+00:00" || (zone.starts_with('.') && zone.ends_with('Z'));
  if (!is_utc) return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

Result<std::optional<AwsCredentials>> FindAwsCredentials(const AwsFields& variables, const std::string& chosen_profile,
                                                         const AskMetadata& ask) {
  if (chosen_profile.empty()) {
    auto keys = KeysOfVariables(variables);
    if (!keys || *keys) return keys;
    if (FieldOf(variables, "AWS_WEB_IDENTITY_TOKEN_FILE") && FieldOf(variables, "AWS_ROLE_ARN"))
      return Invalid("AWS_WEB_IDENTITY_TOKEN_FILE: Quire does not take on roles: {}", kExport);
  }
  const auto profile = ReadAwsProfile(variables, chosen_profile);
  if (!profile) return std::unexpected(profile.error());
  auto keys = KeysOfFiles(*profile);
  if (!keys || *keys) return keys;
  keys = KeysOfContainer(variables, ask);
  if (!keys || *keys) return keys;
  return KeysOfMachine(variables, ask);
}

std::vector<std::string> FindAwsFolders(const AwsFields& variables) {
  const AwsPaths paths = FindAwsPaths(variables);
  std::vector<std::string> folders;
  for (const std::string& path :
       {paths.credentials, paths.config, FieldOf(variables, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").value_or("")}) {
    if (path.empty()) continue;
    folders.push_back(std::filesystem::path(path).parent_path());
    std::error_code error;
    const auto target = std::filesystem::canonical(path, error);
    if (!error) folders.push_back(target.parent_path());
  }
  std::ranges::sort(folders);
  folders.erase(std::ranges::unique(folders).begin(), folders.end());
  return folders;
}

}  // namespace quire
