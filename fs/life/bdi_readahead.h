// SPDX-License-Identifier: Apache-2.0
// How far the kernel reads ahead within a file of a mount.
#pragma once

#include <sys/types.h>

#include <string>

#include "format/result.h"

namespace quire {

// The protocol can only lower the kernel's 128 KiB; root can raise it for a mount, in /sys/class/bdi/MAJOR:MINOR
// (Documentation/ABI/testing/sysfs-class-bdi). REQUIRES: the kernel has got the answer to its first request, or it sets
// the value again.
Result<void> SetReadAhead(dev_t device, unsigned kib);

// The file that it writes to, of a mount that is there.
std::string ReadAheadFile(dev_t device);

}  // namespace quire
