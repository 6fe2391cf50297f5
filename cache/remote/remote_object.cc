// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/remote_object.h"

#include "cache/remote/http_object.h"

namespace quire {

bool IsUrl(std::string_view source) { return source.starts_with("http://") || source.starts_with("https://"); }

Result<std::unique_ptr<PackBytes>> OpenRemoteObject(const std::string& url, const RemoteOptions& options) {
  return HttpObject::Open(url, options);
}

std::optional<RemoteFigures> FiguresOf(const PackBytes* bytes) {
  const auto* const object = dynamic_cast<const HttpObject*>(bytes);
  return object == nullptr ? std::nullopt : std::optional(object->figures());
}

}  // namespace quire
