// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/s3_object.h"

#include <atomic>
#include <utility>

#include "cache/remote/aws_credentials.h"
#include "cache/remote/aws_settings.h"
#include "cache/remote/s3_signer.h"
#include "cache/remote/s3_url.h"

namespace quire {

Result<std::unique_ptr<HttpObject>> OpenS3Object(const std::string& url, const RemoteOptions& options) {
  const auto s3_url = ParseS3Url(url);
  if (!s3_url) return std::unexpected(s3_url.error());
  const auto curl = LoadCurl();
  if (!curl) return std::unexpected(curl.error());
  const AwsFields variables = ReadAwsVariables();
  const auto profile = ReadAwsProfile(variables, options.profile);
  if (!profile) return std::unexpected(profile.error());
  const auto place = PlaceOf(variables, *profile);
  if (!place) return std::unexpected(place.error());
  const auto http_url = HttpUrlOf(*s3_url, *place);
  if (!http_url) return std::unexpected(http_url.error());
  S3Signer::Options signing{
      .region = place->region, .requester_pays = options.requester_pays, .find_keys = {}, .is_stopped = {}};
  if (!options.is_anonymous) {
    signing.is_stopped = std::make_shared<std::atomic<bool>>(false);
    signing.find_keys = [variables, chosen = options.profile, curl = *curl, is_stopped = signing.is_stopped] {
      return FindAwsCredentials(variables, chosen, AskMetadataBy(*curl, is_stopped.get()));
    };
  }
  auto signer = S3Signer::Create(std::move(signing));
  if (!signer) return Propagate(std::move(signer));
  return HttpObject::Open(*http_url, options, *std::move(signer));
}

}  // namespace quire
