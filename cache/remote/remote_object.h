// SPDX-License-Identifier: Apache-2.0
// Packs that lie far away, for those who need not know by which protocol and library they are read.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/remote/remote_options.h"
#include "cache/tier/tier_options.h"
#include "format/pack/pack_bytes.h"
#include "format/result.h"

namespace quire {

// Whether `source` names something by a URL, not by a path.
bool IsUrl(std::string_view source);
// Whether what it names, by http or https, is read encrypted.
bool IsEncrypted(std::string_view url);
// The folders whose files tell the keys for `source`, which are read again while it is open; none for most.
std::vector<std::string> FindKeyFolders(std::string_view source, const RemoteOptions& options);

// For Pack::Open, through a tier where one is named. Errors as of HttpObject::Open, OpenS3Object and
// OpenTieredBytes.
Result<std::unique_ptr<PackBytes>> OpenRemoteObject(const std::string& url, const RemoteOptions& options,
                                                    const TierOptions& tier = {});

// How an object fared since it was opened.
struct RemoteFigures {
  uint64_t requests = 0;
  uint64_t retries = 0;   // of those: again, for what a request before did not bring
  uint64_t bytes = 0;     // that were of use
  uint64_t failures = 0;  // reads that ended with an error
  uint64_t hedged = 0;    // of the requests: second ones, beside one that was late
  unsigned window = 0;    // requests that may be in flight at once
  unsigned in_flight = 0;
  // Of answers of late, from the request to the last byte; 0 before the first one.
  std::chrono::microseconds latency_p50{0};
  std::chrono::microseconds latency_p99{0};
};

// Of bytes from OpenRemoteObject; nothing, or an empty text, of others. Any thread.
// Which state of the object is read, for people: its URL without the query, in which secrets may stand, its size, and
// what the server tells states apart by.
std::optional<std::string> DescribeState(const PackBytes* bytes);
// Why a read failed last.
std::string LastFaultOf(const PackBytes* bytes);
std::optional<RemoteFigures> FiguresOf(const PackBytes* bytes);

}  // namespace quire
