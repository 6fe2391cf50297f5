// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/remote_object.h"

#include <algorithm>

#include "cache/remote/aws_credentials.h"
#include "cache/remote/http_object.h"
#include "cache/remote/s3_object.h"
#include "cache/remote/s3_url.h"
#include "cache/tier/pack_tier.h"
#include "cache/tier/tiered_bytes.h"

namespace quire {

namespace {

// Letters of either case (RFC 3986, 3.1).
bool HasScheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() && std::ranges::equal(url.substr(0, scheme.size()), scheme, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b;
         });
}

const HttpObject* HttpObjectOf(const PackBytes* bytes) { return dynamic_cast<const HttpObject*>(OriginOf(bytes)); }

}  // namespace

bool IsUrl(std::string_view source) {
  return HasScheme(source, "http://") || IsEncrypted(source) || HasScheme(source, "s3://");
}

bool IsEncrypted(std::string_view url) { return HasScheme(url, "https://"); }

std::vector<std::string> FindKeyFolders(std::string_view source, const RemoteOptions& options) {
  if (!IsS3Url(source) || options.is_anonymous) return {};
  return FindAwsFolders(ReadAwsVariables());
}

Result<std::unique_ptr<PackBytes>> OpenRemoteObject(const std::string& url, const RemoteOptions& options,
                                                    const TierOptions& tier) {
  auto object = IsS3Url(url) ? OpenS3Object(url, options) : HttpObject::Open(url, options);
  if (!object || tier.directory.empty()) return object;
  return OpenTieredBytes(*std::move(object), tier);
}

std::optional<std::string> DescribeState(const PackBytes* bytes) {
  const auto* const object = HttpObjectOf(bytes);
  if (object == nullptr) return std::nullopt;
  const ObjectState& state = object->state();
  std::string text = fmt::format("{}, {} bytes", object->shown_url(), state.size_bytes);
  if (!state.etag.empty()) text += fmt::format(", ETag {}", state.etag);
  if (!state.last_modified.empty()) text += fmt::format(", Last-Modified {}", state.last_modified);
  return text;
}

std::string LastFaultOf(const PackBytes* bytes) {
  const auto* const object = HttpObjectOf(bytes);
  return object == nullptr ? std::string() : object->last_fault();
}

std::optional<RemoteFigures> FiguresOf(const PackBytes* bytes) {
  const auto* const object = HttpObjectOf(bytes);
  return object == nullptr ? std::nullopt : std::optional(object->figures());
}

}  // namespace quire
