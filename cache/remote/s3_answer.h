// SPDX-License-Identifier: Apache-2.0
// What a server of Amazon S3's protocol says in the body of an answer that brings no object: "Error responses" of the
// Amazon S3 API Reference. No I/O.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cache/remote/http_answer.h"

namespace quire {

struct S3Fault {
  std::string code;    // such as NoSuchKey; empty where it tells none
  std::string region;  // the one that it names
};

// Of the beginning of an XML text, which anybody may have written: what is no word of letters, digits, '-' and '_', of
// 64 at most, is nothing.
S3Fault ParseS3Fault(std::string_view text);

// Whether the keys are what the server does not take, so that others may help.
bool IsFaultOfKeys(const S3Fault& fault);

// Who asked, and what for.
struct S3Asker {
  std::string region;         // that the request was signed for
  std::string keys;           // where its keys came from, in words; empty: it had none
  bool is_anonymous = false;  // and wanted none
};

// `verdict`, which the status gave, with the fault's reason and remedy. Answers that are good, that ask for patience or
// tell of another state of the object keep theirs. `now` is this machine's time.
HttpVerdict ExplainS3(const HttpAnswer& answer, const S3Fault& fault, const S3Asker& asker,
                      std::chrono::system_clock::time_point now, HttpVerdict verdict);

}  // namespace quire
