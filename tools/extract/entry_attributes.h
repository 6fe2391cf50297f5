// SPDX-License-Identifier: Apache-2.0
// Modes, owners, extended attributes and times of what is extracted. What the target cannot hold harms no entry: it is
// counted.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/mutex.h"
#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

struct AttributePolicy {
  bool owners = false;     // give entries to the users and groups that the pack says
  bool all_modes = false;  // modes as they are; else without set-user-ID, set-group-ID and sticky bits, and `umask`
  mode_t umask = 0;
};

// What the target refused.
enum class Refused : uint8_t { kOwner, kMode, kXattr, kTime, kHardLink };
inline constexpr size_t kRefusedKinds = 5;

struct Refusals {
  uint64_t entries = 0;
  NodeNumber first = 0;  // one of them
  std::string reason;    // of that one
};

// Thread-safe.
class AttributeSetter {
 public:
  AttributeSetter(const Index& index, const AttributePolicy& policy);

  // The mode to make a file with: never wider than what it ends with.
  [[nodiscard]] unsigned FileMode(const Attributes& attributes) const;

  // A whole file, opened for writing, or a folder that nothing more is made in: extended attributes, owner, mode,
  // times. `place`: its name, for messages. Errors: the index cannot be read.
  Result<void> SetAll(const File& file, NodeNumber place, const Node& node, const Attributes& attributes);
  // The symlink `name` in `folder`.
  void SetSymlink(const File& folder, const std::string& name, NodeNumber place, const Node& node,
                  const Attributes& attributes);

  // Times alone, of a folder that was there before.
  void SetTimes(const File& file, NodeNumber place, const Node& node);

  void Refuse(Refused kind, NodeNumber place, std::string reason);
  [[nodiscard]] Refusals refusals(Refused kind) const;

 private:
  [[nodiscard]] unsigned WantedMode(const Attributes& attributes) const;
  Result<void> SetXattrs(const File& file, NodeNumber place, const Attributes& attributes);
  void SetOwnerAndMode(const File& file, NodeNumber place, const Attributes& attributes, unsigned mode);

  const Index& index_;
  const AttributePolicy policy_;
  mutable Mutex mutex_;
  std::array<Refusals, kRefusedKinds> refusals_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
