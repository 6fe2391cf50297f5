// SPDX-License-Identifier: Apache-2.0
// Objects that are named by s3://BUCKET/KEY, opened as this user's settings say.
#pragma once

#include <memory>
#include <string>

#include "cache/remote/http_object.h"
#include "cache/remote/remote_options.h"
#include "format/result.h"

namespace quire {

// As HttpObject::Open, for a URL of s3: what it asks is found by the environment and the files of Amazon's tools, which
// are read again later. Errors as of ParseS3Url, ReadAwsProfile and FindAwsCredentials besides.
Result<std::unique_ptr<HttpObject>> OpenS3Object(const std::string& url, const RemoteOptions& options);

}  // namespace quire
