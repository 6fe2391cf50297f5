// SPDX-License-Identifier: Apache-2.0
// One request of a range by libcurl, and what came of it. Used by one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/remote/curl_library.h"
#include "cache/remote/http_answer.h"
#include "cache/remote/request_signer.h"
#include "format/result.h"

namespace quire {

// What all requests of an object have in common.
struct HttpOptions {
  std::string ca_file;                    // certificates that are trusted, in place of the system's
  std::vector<std::string> header_lines;  // sent along: "Name: value"
  std::unique_ptr<RequestSigner> signer;  // null: none is signed
  // The server is beside this machine: it answers in a second or not at all, by no proxy, and leads nowhere else.
  bool is_neighbour = false;
};

class HttpTransfer {
 public:
  static Result<std::unique_ptr<HttpTransfer>> Create(const CurlLibrary& curl, std::string url,
                                                      const HttpOptions& options);
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;
  ~HttpTransfer();  // REQUIRES: it is in no multi handle

  // Makes the handle ready for a request; what comes goes into `into`, which has room for request.bytes.
  // `request.state` and `into` must stay until Finish.
  Result<void> Prepare(const RangeRequest& request, std::span<std::byte> into);
  // As Prepare, by a connection of its own, even where another one is free: for a request whose first one
  // may be late because of its connection.
  Result<void> PrepareApart(const RangeRequest& request, std::span<std::byte> into);
  // What came of it, once libcurl has said `code` of the handle.
  HttpVerdict Finish(CURLcode code);

  [[nodiscard]] CURL* handle() const { return easy_; }
  [[nodiscard]] const HttpAnswer& answer() const { return answer_; }
  [[nodiscard]] size_t got_bytes() const { return got_bytes_; }
  // From the request, sent by a connection that was there, to the first byte of the answer. After Finish.
  [[nodiscard]] std::chrono::microseconds latency() const;

 private:
  HttpTransfer(const CurlLibrary& curl, CURL* easy, std::string url, const HttpOptions& options);
  Result<void> Set(CURLoption option, auto value);
  // What all requests have in common.
  Result<void> SetUp();
  Result<void> SetSignature(const RequestSignature& signature);
  static size_t TakeHeader(char* bytes, size_t one, size_t count, void* self);
  static size_t TakeBody(char* bytes, size_t one, size_t count, void* self);
  // Before the first byte of the body is used, and of no later one.
  const HttpVerdict& JudgeOnce();
  // By status, headers and length alone.
  HttpVerdict Conclude(CURLcode code);

  const CurlLibrary& curl_;
  CURL* const easy_;
  const std::string url_;
  const HttpOptions& options_;
  curl_slist* header_list_ = nullptr;

  RangeRequest request_;
  std::span<std::byte> into_;
  size_t got_bytes_ = 0;
  size_t expected_bytes_ = 0;  // of an answer that is good
  HttpAnswer answer_;
  size_t header_bytes_ = 0;             // of all answers to the request
  std::optional<HttpVerdict> verdict_;  // once the headers are judged
  std::string refusal_;                 // the beginning of the body of an answer that is not good, for the signer
};

}  // namespace quire
