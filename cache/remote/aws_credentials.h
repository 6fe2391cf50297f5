// SPDX-License-Identifier: Apache-2.0
// By whose keys requests are signed, found where Amazon's own tools look, in their order: variables, the files of
// settings, the service of a container (Amazon ECS, EKS Pod Identity), that of the machine (Amazon EC2, IMDSv2).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cache/remote/aws_settings.h"
#include "cache/remote/metadata_request.h"
#include "format/result.h"

namespace quire {

struct AwsCredentials {
  std::string access_key;
  std::string secret_key;     // never shown
  std::string session_token;  // never shown; empty: the keys are for long
  // When others are to be used; nothing where that is not told.
  std::optional<std::chrono::system_clock::time_point> expiration;
  std::string origin;       // where they come from, in words
  bool can_change = false;  // whether to look there again may give others

  bool operator==(const AwsCredentials&) const = default;
};

// Nothing where there are none: requests are then nobody's. An error where there is a place that should tell them and
// does not, or tells of a way that Quire does not go (roles, SSO, credential_process), with the remedy. Blocks in I/O,
// a few seconds at most.
Result<std::optional<AwsCredentials>> FindAwsCredentials(const AwsFields& variables, const std::string& chosen_profile,
                                                         const AskMetadata& ask);

// The folders of the files that FindAwsCredentials reads; folders, since files are replaced by others of their name.
std::vector<std::string> FindAwsFolders(const AwsFields& variables);

// "2026-11-30T12:00:00Z", with fractions of a second or without; nothing for another text.
std::optional<std::chrono::system_clock::time_point> ParseTime(const std::string& text);

}  // namespace quire
