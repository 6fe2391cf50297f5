// How far the kernel reads ahead within a file of a mount.
#pragma once

#include <sys/types.h>

#include "format/result.h"

namespace quire {

// The protocol can only lower the kernel's 128 KiB; root can raise it for a mount, in /sys/class/bdi/MAJOR:MINOR
// (Documentation/ABI/testing/sysfs-class-bdi). REQUIRES: the kernel has got the answer to its first request, or it sets
// the value again.
Result<void> SetReadAhead(dev_t device, unsigned kib);

}  // namespace quire
