// SPDX-License-Identifier: Apache-2.0
// Short questions to the services of a machine or a container that tell its credentials.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "cache/remote/curl_library.h"
#include "format/result.h"

namespace quire {

struct MetadataRequest {
  std::string url;
  std::vector<std::string> header_lines = {};
  bool is_put = false;  // with an empty body; else GET
};

struct MetadataAnswer {
  int status = 0;
  std::string body;
};

// kSystem where there is no answer. No message tells headers or a body.
using AskMetadata = std::function<Result<MetadataAnswer>(const MetadataRequest&)>;

// One that asks by libcurl: past proxies, without redirects, one second for a connection, three for all of it, 64 KiB
// at most. Ends within a second or two once `*is_stopped` is set. Both must outlive it.
AskMetadata AskMetadataBy(const CurlLibrary& curl, const std::atomic<bool>* is_stopped);

}  // namespace quire
