// SPDX-License-Identifier: Apache-2.0
// A pack that this process alone may write, or replace: locked against all other writers. Readers take no lock.
#pragma once

#include <memory>
#include <string>

#include "format/file.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

struct LockedPack {
  File file;                   // readable and writable; holds the lock, which ends with it
  std::unique_ptr<Pack> pack;  // the newest generation
};

// Waits for nobody. Errors name `path`: kSystem, with EWOULDBLOCK where another process writes it and ESTALE where it
// was replaced meanwhile; kUnsupported where it is no regular file; kCorrupt where the newest generation may be one
// whose superblock is damaged; those of Pack::Open.
Result<LockedPack> OpenLocked(const std::string& path);

}  // namespace quire
