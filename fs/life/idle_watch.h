// SPDX-License-Identifier: Apache-2.0
// Takes a mount away that nobody uses: `timeout=`. Used is what somebody has open or works in, which the kernel knows
// and refuses to unmount, and what was asked for lately, which the file system knows.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "cache/background_thread.h"
#include "format/result.h"
#include "fs/life/unmounter.h"

namespace quire {

class IdleWatch {
 public:
  // Looks `kIdleChecks` times in `timeout` whether `take_use` tells of use since the last look, from a thread of its
  // own, and unmounts `mount_point` when there was none for at least `timeout` and, for what the kernel remembers, one
  // look longer. `device`: of the mount, so that another one in its place is left alone. `unmounter` outlives Stop.
  // It is called once.
  Result<void> Start(std::string mount_point, dev_t device, Unmounter& unmounter, std::chrono::seconds timeout,
                     std::function<bool()> take_use);
  void Stop() { thread_.Stop(); }

 private:
  BackgroundThread thread_;
};

}  // namespace quire
