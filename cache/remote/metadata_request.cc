// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/metadata_request.h"

#include <cerrno>
#include <memory>

// The macros of <curl/typecheck-gcc.h> know no function pointers.
#undef curl_easy_getinfo
#undef curl_easy_setopt

namespace quire {
namespace {

// The service is on this machine or beside it, and answers in milliseconds; where there is none, nobody may have to
// wait for long (as long as Amazon's own tools do).
constexpr long kConnectMs = 1000;
constexpr long kAnswerMs = 3000;
constexpr size_t kMostBytes = 64 << 10;

size_t TakeBody(char* bytes, size_t one, size_t count, void* body) {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + one * count > kMostBytes) return 0;
  text.append(bytes, one * count);
  return one * count;
}

int IsStopped(void* is_stopped, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const std::atomic<bool>*>(is_stopped) ? 1 : 0;
}

Result<MetadataAnswer> Ask(const CurlLibrary& curl, const std::atomic<bool>* is_stopped,
                           const MetadataRequest& request) {
  const std::unique_ptr<CURL, decltype(curl.easy_cleanup)> easy(curl.easy_init(), curl.easy_cleanup);
  if (easy == nullptr) return SystemError(ENOMEM, "libcurl");
  std::unique_ptr<curl_slist, decltype(curl.slist_free_all)> headers(nullptr, curl.slist_free_all);
  for (const std::string& line : request.header_lines) {
    curl_slist* const longer = curl.slist_append(headers.get(), line.c_str());
    if (longer == nullptr) return SystemError(ENOMEM, "libcurl");
    if (headers == nullptr) headers.reset(longer);  // its first; others go behind it
  }
  MetadataAnswer answer;
  CURLcode code = CURLE_OK;
  const auto set = [&](CURLoption option, auto value) {
    if (code == CURLE_OK) code = curl.easy_setopt(easy.get(), option, value);
  };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
  set(CURLOPT_TIMEOUT_MS, kAnswerMs);
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_WRITEFUNCTION, &TakeBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&answer.body));
  if (request.is_put) {
    set(CURLOPT_CUSTOMREQUEST, "PUT");
    set(CURLOPT_POSTFIELDS, "");
  }
  if (is_stopped != nullptr) {
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &IsStopped);
    set(CURLOPT_XFERINFODATA, static_cast<void*>(const_cast<std::atomic<bool>*>(is_stopped)));
  }
  if (code == CURLE_OK) code = curl.easy_perform(easy.get());
  if (code != CURLE_OK) return SystemError(EIO, "{}: {}", request.url, curl.easy_strerror(code));
  long status = 0;
  curl.easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  return answer;
}

}  // namespace

AskMetadata AskMetadataBy(const CurlLibrary& curl, const std::atomic<bool>* is_stopped) {
  return [&curl, is_stopped](const MetadataRequest& request) { return Ask(curl, is_stopped, request); };
}

}  // namespace quire
