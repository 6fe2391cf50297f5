// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/http_transfer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cache/remote/remote_object.h"

// The macro of <curl/typecheck-gcc.h> knows no function pointers.
#undef curl_easy_getinfo
#undef curl_easy_setopt

namespace quire {
namespace {

constexpr long kConnectSeconds = 10;
// A connection that brings less than that for so long is given up, and another one tried.
constexpr long kLeastBytesPerSecond = 1000;
constexpr long kSilentSeconds = 15;
constexpr long kNeighbourSeconds = 1;  // to connect, and twice that for silence
constexpr long kMostRedirects = 5;
// libcurl takes 300 KiB and more: at the least rate that is borne a reader would wait for minutes.
constexpr size_t kMostHeaderBytes = 48 << 10;
constexpr size_t kMostRefusalBytes = 16 << 10;  // errors of S3 have some hundreds, and up to 8 KiB of what was signed
constexpr long kBufferBytes = 256 << 10;        // what is read of a socket at once: libcurl's own 16 KiB are many calls

// Whether another try may help where libcurl could not get an answer.
bool MayPass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_AGAIN:
    case CURLE_OUT_OF_MEMORY:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::unique_ptr<HttpTransfer>> HttpTransfer::Create(const CurlLibrary& curl, std::string url,
                                                           const HttpOptions& options) {
  CURL* const easy = curl.easy_init();
  if (easy == nullptr) return SystemError(ENOMEM, "libcurl");
  std::unique_ptr<HttpTransfer> transfer(new HttpTransfer(curl, easy, std::move(url), options));
  if (auto set = transfer->SetUp(); !set) return Propagate(std::move(set));
  return transfer;
}

HttpTransfer::HttpTransfer(const CurlLibrary& curl, CURL* easy, std::string url, const HttpOptions& options)
    : curl_(curl), easy_(easy), url_(std::move(url)), options_(options) {}

HttpTransfer::~HttpTransfer() {
  curl_.easy_cleanup(easy_);
  curl_.slist_free_all(header_list_);
}

Result<void> HttpTransfer::Set(CURLoption option, auto value) {
  const CURLcode code = curl_.easy_setopt(easy_, option, value);
  if (code == CURLE_OUT_OF_MEMORY) return SystemError(ENOMEM, "libcurl");
  if (code != CURLE_OK)
    return Unsupported("libcurl, option {}: {}", static_cast<int>(option), curl_.easy_strerror(code));
  return {};
}

Result<void> HttpTransfer::SetUp() {
  Result<void> done;
  const auto set = [&](CURLoption option, auto value) {
    if (done) done = Set(option, value);
  };
  set(CURLOPT_URL, url_.c_str());
  set(CURLOPT_HEADERFUNCTION, &TakeHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &TakeBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_USERAGENT, "quire/" QUIRE_VERSION);
  set(CURLOPT_NOSIGNAL, 1L);  // this is a library of a program with threads
  // All streams of HTTP/2 share one connection, which brings no more than its window in a round trip, and stops for
  // what one of them has lost. An epoch by https of 1.1 GB of images took 6.5 s at 20 ms and 29 s at 100 ms by HTTP/2,
  // 3.2 and 5.2 s with a connection for each stream (CURLMOPT_MAX_CONCURRENT_STREAMS), 2.7 and 4.9 s by HTTP/1.1; curl
  // with 16 connections took 2.2 and 3.8 s for the same bytes (tests/bench/remote --only images --tls).
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  // An answer that came encrypted does not lead to one that does not.
  set(CURLOPT_REDIR_PROTOCOLS_STR, IsEncrypted(url_) ? "https" : "http,https");
  // What is signed, and its token, are for this server.
  const bool is_signed = options_.signer != nullptr;
  set(CURLOPT_FOLLOWLOCATION, is_signed || options_.is_neighbour ? 0L : 1L);
  set(CURLOPT_MAXREDIRS, kMostRedirects);
  set(CURLOPT_NETRC, static_cast<long>(is_signed ? CURL_NETRC_IGNORED : CURL_NETRC_OPTIONAL));
  if (is_signed) set(CURLOPT_PATH_AS_IS, 1L);  // keys may have parts ".."
  if (options_.is_neighbour) set(CURLOPT_PROXY, "");
  set(CURLOPT_CONNECTTIMEOUT, options_.is_neighbour ? kNeighbourSeconds : kConnectSeconds);
  set(CURLOPT_BUFFERSIZE, kBufferBytes);  // not while a handle has one
  set(CURLOPT_LOW_SPEED_LIMIT, kLeastBytesPerSecond);
  set(CURLOPT_LOW_SPEED_TIME, options_.is_neighbour ? 2 * kNeighbourSeconds : kSilentSeconds);
  // Who asks for the address of a host may wait for minutes, and cannot be stopped: it is left behind. A libcurl that
  // is older than its headers here does not know the option.
  if (done) curl_.easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  return done;
}

Result<void> HttpTransfer::Prepare(const RangeRequest& request, std::span<std::byte> into) {
  request_ = request;
  into_ = into;
  got_bytes_ = 0;
  expected_bytes_ = 0;
  answer_ = {};
  header_bytes_ = 0;
  verdict_.reset();
  refusal_.clear();
  curl_.slist_free_all(header_list_);
  header_list_ = nullptr;
  std::vector<std::string> lines = options_.header_lines;
  if (request.state != nullptr && request.state->has_strong_etag()) lines.push_back("If-Match: " + request.state->etag);
  // RFC 9111, 5.2.1.4. What a proxy keeps may be what is wrong.
  if (request.is_fresh) lines.emplace_back("Cache-Control: no-cache");
  if (options_.signer != nullptr) {
    const RequestSignature signature = options_.signer->Sign();
    if (auto set = SetSignature(signature); !set) return set;
    lines.insert(lines.end(), signature.header_lines.begin(), signature.header_lines.end());
  }
  for (const std::string& line : lines) {
    curl_slist* const longer = curl_.slist_append(header_list_, line.c_str());
    if (longer == nullptr) return SystemError(ENOMEM, "libcurl");
    header_list_ = longer;
  }
  const std::string range = fmt::format("{}-{}", request.offset, request.offset + request.bytes - 1);
  if (auto set = Set(CURLOPT_HTTPHEADER, header_list_); !set) return set;
  if (auto set = Set(CURLOPT_FRESH_CONNECT, 0L); !set) return set;
  return Set(CURLOPT_RANGE, range.c_str());
}

Result<void> HttpTransfer::SetSignature(const RequestSignature& signature) {
  if (signature.scheme.empty()) return {};
  if (auto set = Set(CURLOPT_AWS_SIGV4, signature.scheme.c_str()); !set) return set;
  if (auto set = Set(CURLOPT_USERNAME, signature.user.c_str()); !set) return set;
  return Set(CURLOPT_PASSWORD, signature.password.c_str());
}

Result<void> HttpTransfer::PrepareApart(const RangeRequest& request, std::span<std::byte> into) {
  if (auto prepared = Prepare(request, into); !prepared) return prepared;
  return Set(CURLOPT_FRESH_CONNECT, 1L);
}

std::chrono::microseconds HttpTransfer::latency() const {
  curl_off_t sent_us = 0;
  curl_off_t answered_us = 0;
  curl_.easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
  curl_.easy_getinfo(easy_, CURLINFO_STARTTRANSFER_TIME_T, &answered_us);
  return std::chrono::microseconds(std::max<curl_off_t>(answered_us - sent_us, 0));
}

// What follows the body in place of headers (trailers; RFC 9110, 6.5) changes nothing that was judged.
size_t HttpTransfer::TakeHeader(char* bytes, size_t one, size_t count, void* self) {
  HttpTransfer& own = *static_cast<HttpTransfer*>(self);
  own.header_bytes_ += one * count;
  if (own.header_bytes_ > kMostHeaderBytes) {
    own.verdict_ = {.outcome = HttpOutcome::kTransient, .reason = "the server's headers have no end"};
    return 0;
  }
  if (!own.verdict_) own.answer_.TakeLine({bytes, one * count});
  return one * count;
}

const HttpVerdict& HttpTransfer::JudgeOnce() {
  if (verdict_) return *verdict_;
  verdict_ = Judge(answer_, request_);
  if (verdict_->outcome == HttpOutcome::kGood)
    expected_bytes_ = static_cast<size_t>(answer_.range()->last + 1 - answer_.range()->first);
  // More would be waited for, and never come.
  curl_off_t told_bytes = -1;
  curl_.easy_getinfo(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told_bytes);
  if (verdict_->outcome == HttpOutcome::kGood && told_bytes > static_cast<curl_off_t>(expected_bytes_))
    verdict_ = {.outcome = HttpOutcome::kFinal,
                .reason = fmt::format("the server tells of {} bytes (Content-Length) in a range of {} (Content-Range)",
                                      told_bytes, expected_bytes_)};
  return *verdict_;
}

// Less than what came ends the transfer with CURLE_WRITE_ERROR; verdict_ says why.
size_t HttpTransfer::TakeBody(char* bytes, size_t one, size_t count, void* self) {
  HttpTransfer& own = *static_cast<HttpTransfer*>(self);
  const size_t came_bytes = one * count;
  if (own.JudgeOnce().outcome != HttpOutcome::kGood) {
    if (own.options_.signer == nullptr || own.refusal_.size() + came_bytes > kMostRefusalBytes) return 0;
    own.refusal_.append(bytes, came_bytes);
    return came_bytes;
  }
  if (came_bytes > own.expected_bytes_ - own.got_bytes_) {
    own.verdict_ = {.outcome = HttpOutcome::kFinal, .reason = "the server sends more than it was asked for"};
    return 0;
  }
  std::memcpy(own.into_.data() + own.got_bytes_, bytes, came_bytes);
  own.got_bytes_ += came_bytes;
  return came_bytes;
}

HttpVerdict HttpTransfer::Finish(CURLcode code) {
  HttpVerdict verdict = Conclude(code);
  if (options_.signer != nullptr) verdict = options_.signer->Explain(answer_, refusal_, std::move(verdict));
  return verdict;
}

HttpVerdict HttpTransfer::Conclude(CURLcode code) {
  const bool is_refused = verdict_ && verdict_->outcome != HttpOutcome::kGood;
  if (is_refused) return *verdict_;
  if (code != CURLE_OK)
    return {.outcome = MayPass(code) ? HttpOutcome::kTransient : HttpOutcome::kFinal,
            .reason = curl_.easy_strerror(code)};
  HttpVerdict verdict = JudgeOnce();
  if (verdict.outcome == HttpOutcome::kGood && got_bytes_ < expected_bytes_)
    return {.outcome = HttpOutcome::kTransient,
            .reason = fmt::format("the server sent {} of {} bytes", got_bytes_, expected_bytes_)};
  return verdict;
}

}  // namespace quire
