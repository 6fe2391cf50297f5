// SPDX-License-Identifier: Apache-2.0
#include "fs/options/peer_list.h"

#include <ranges>

#include "cache/tier/tier_peers.h"
#include "format/escaping.h"
#include "fs/options/brace_expansion.h"

namespace quire {

Result<std::vector<std::string>> ParsePeerList(std::string_view what, std::string_view list) {
  std::vector<std::string> urls;
  for (const auto part : std::views::split(list, '+')) {
    const auto expanded = ExpandBraces(std::string_view(part.begin(), part.end()), TierPeers::kMost);
    if (!expanded) return Invalid("{}: {}", what, expanded.error().message);
    urls.insert(urls.end(), expanded->begin(), expanded->end());
  }
  if (urls.empty()) urls.emplace_back();
  for (const std::string& url : urls)
    if (!TierPeers::IsPeer(url))
      return Invalid("{}: '{}': give the URL at which a neighbour serves its tier, such as http://node1:8080/tier",
                     what, EscapeName(url));
  if (urls.size() > TierPeers::kMost)
    return Invalid("{}: {} neighbours; give {} at most, since each is asked for each page", what, urls.size(),
                   TierPeers::kMost);
  return urls;
}

}  // namespace quire
