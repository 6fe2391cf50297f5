// SPDX-License-Identifier: Apache-2.0
// What the tools of Amazon Web Services are told by variables and by the files ~/.aws/config and ~/.aws/credentials:
// the AWS SDKs and Tools Reference Guide, "Shared config and credentials files". Both may be another's work: sizes have
// limits, and messages tell names of fields, never what stands in them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/remote/s3_url.h"
#include "format/result.h"

namespace quire {

// Names and values; a name within another one is "s3.addressing_style".
using AwsFields = std::map<std::string, std::string, std::less<>>;

// The variables AWS_* of the process, and HOME, or the home of its user where that is not set, as for what is started
// at boot. Empty ones are not there. REQUIRES: no other thread changes the environment.
AwsFields ReadAwsVariables();

// Sections and their fields: "[default]", "[profile NAME]", "name = value", and deeper lines below "s3 =". kInvalid for
// a line that is neither; `what` begins the message.
Result<std::map<std::string, AwsFields, std::less<>>> ParseAwsFile(std::string_view text, std::string_view what);

// What both files say of one profile.
struct AwsProfile {
  std::string name;
  bool is_chosen = false;  // by an option: variables with keys are then not looked at
  AwsFields credentials;   // of the file of credentials
  AwsFields config;        // of the file of settings
  AwsFields services;      // its section "services", likewise
  std::string credentials_path;
  std::string config_path;
};

// The paths of the file of credentials and of that of settings; there need not be any.
struct AwsPaths {
  std::string credentials;
  std::string config;
};
AwsPaths FindAwsPaths(const AwsFields& variables);

// `chosen`: the profile that an option names; empty: the one of AWS_PROFILE, or "default". kInvalid where one is named
// and in neither file, or where a file is none that can be read. Blocks in I/O.
Result<AwsProfile> ReadAwsProfile(const AwsFields& variables, const std::string& chosen);

// Where the objects of this user lie: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, endpoint_url of the profile's services,
// and its own; AWS_REGION, AWS_DEFAULT_REGION, its region, us-east-1; its s3.addressing_style.
Result<S3Place> PlaceOf(const AwsFields& variables, const AwsProfile& profile);

// A field, or nothing where it is empty or not there.
std::optional<std::string> FieldOf(const AwsFields& fields, std::string_view name);

}  // namespace quire
