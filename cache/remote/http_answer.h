// SPDX-License-Identifier: Apache-2.0
// What a web server says to a request for a range of an object, and what that means: RFC 9110, sections 13 to 15. No
// I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quire {

// Which state of an object it is. Of the two texts at least one, where the server tells one at all.
struct ObjectState {
  uint64_t size_bytes = 0;
  std::string etag;           // as it came, with quotes
  std::string last_modified;  // as it came

  // Whether requests can be bound to the state by If-Match, which weak tags cannot (RFC 9110, 13.1.1).
  [[nodiscard]] bool has_strong_etag() const { return etag.starts_with('"'); }

  bool operator==(const ObjectState&) const = default;
};

// A range of an object, and the state that is expected; none for the first request.
struct RangeRequest {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  const ObjectState* state = nullptr;
  bool is_fresh = false;  // from the origin, not from what a proxy keeps
};

// Status and headers of the last answer of a request, redirects left behind.
class HttpAnswer {
 public:
  // Takes a line of headers as it came, "HTTP/1.1 206 Partial Content" with which an answer begins included.
  void TakeLine(std::string_view line);

  [[nodiscard]] int status() const { return status_; }
  // Whether the empty line came that ends the headers.
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  // The state that it states; only where it has a range, which has the size.
  [[nodiscard]] std::optional<ObjectState> state() const;
  // How long to wait before another try, where it says so in seconds.
  [[nodiscard]] std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }
  // The first and the last byte of what it brings, and the size of all.
  struct Range {
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t size_bytes = 0;
  };
  [[nodiscard]] const std::optional<Range>& range() const { return range_; }
  [[nodiscard]] const std::string& encoding() const { return encoding_; }
  [[nodiscard]] const std::string& date() const { return date_; }                    // the server's time, as it came
  [[nodiscard]] const std::string& bucket_region() const { return bucket_region_; }  // of Amazon S3

 private:
  int status_ = 0;
  bool is_complete_ = false;
  std::optional<Range> range_;
  std::string etag_;
  std::string last_modified_;
  std::string encoding_;
  std::string date_;
  std::string bucket_region_;
  std::optional<std::chrono::seconds> retry_after_;
};

enum class HttpOutcome : uint8_t {
  kGood,       // the bytes of the body are those asked for
  kTransient,  // another try may help
  kFinal,      // it will not
  kChanged,    // the object is not in the state that is expected
};

struct HttpVerdict {
  HttpOutcome outcome = HttpOutcome::kGood;
  std::string reason;  // why not, for people; empty of kGood
};

// What the headers of `answer` mean for `request`, before a byte of the body is used. One that is good has a range.
HttpVerdict Judge(const HttpAnswer& answer, const RangeRequest& request);

}  // namespace quire
