// SPDX-License-Identifier: Apache-2.0
// Somebody below the cache who keeps pages that were read, so that they need not come from far away again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cache/page/extent_read.h"
#include "cache/page/unit_set.h"
#include "cache/volume/volume_set.h"

namespace quire {

class PageKeeper {
 public:
  PageKeeper() = default;
  PageKeeper(const PageKeeper&) = delete;
  PageKeeper& operator=(const PageKeeper&) = delete;
  virtual ~PageKeeper() = default;

  // Whether a page would be kept that is not yet, so that all of it is worth reading. Any thread; no I/O, no lock.
  [[nodiscard]] virtual bool Wants(const VolumeSet::Page& page) const = 0;
  // The pages that will be read, in this order; replaces what was told before.
  virtual void SetFuture(std::vector<VolumeSet::Page> pages) = 0;
  // A fill of the page has ended: `units` of it are in the slot that is pinned, and what else lies there is anything;
  // without a pin the page could not be had. Any thread, no lock of the cache held; does not wait for I/O.
  virtual void FillEnded(const VolumeSet::Page& page, const UnitSet& units, std::optional<ExtentPin> pin) = 0;
};

}  // namespace quire
