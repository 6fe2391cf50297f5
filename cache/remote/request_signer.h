// SPDX-License-Identifier: Apache-2.0
// What makes requests for an object be of somebody, for servers that want that: a signature of each request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cache/remote/http_answer.h"

namespace quire {

// Of one request. No part of it may be shown.
struct RequestSignature {
  std::string scheme;  // for CURLOPT_AWS_SIGV4; empty: the request is nobody's
  std::string user;
  std::string password;
  std::vector<std::string> header_lines;  // "Name: value"
};

class RequestSigner {
 public:
  virtual ~RequestSigner() = default;

  // For a request that is sent now. Any thread; does not block.
  virtual RequestSignature Sign() = 0;
  // What `verdict`, which the status gave, is once the server's words are known: `text` is the beginning of the body of
  // an answer that brings no bytes of the object. Any thread; does not block.
  virtual HttpVerdict Explain(const HttpAnswer& answer, std::string_view text, HttpVerdict verdict) = 0;
};

}  // namespace quire
