// SPDX-License-Identifier: Apache-2.0
// A process beside the daemon that can do one thing: take its mount away. So the daemon itself needs no right to, and
// can be kept from running programs (fusermount3, for ordinary users), from unmounting (for root), and, by Landlock,
// which forbids unmounting together with opening, from files.
#pragma once

#include <sys/types.h>

#include <string>

#include "format/file.h"
#include "format/mutex.h"
#include "format/result.h"
#include "fs/mounts/unmount.h"

namespace quire {

class Unmounter {
 public:
  // The process has the rights that this one has now, but where it can do without fusermount3 only those of
  // unmounting. It holds nothing else of this one's, no descriptor, terminal or folder, ignores the signals that end
  // daemons, and ends when this object does, or the daemon. It is shown by ps(1) as `quire-unmounter`.
  // REQUIRES: no other thread runs; nothing is mounted yet, since the process must not have the connection.
  static Result<Unmounter> Start(const std::string& mount_point);
  Unmounter(Unmounter&& other) noexcept;
  Unmounter& operator=(Unmounter&&) = delete;
  ~Unmounter();  // waits for its end

  // As Unmount of unmount.h does. Any thread; one after the other.
  Result<void> Unmount(UnmountMode mode);

 private:
  Unmounter(std::string mount_point, File channel, pid_t process);

  const std::string mount_point_;
  Mutex mutex_;
  File channel_ QUIRE_GUARDED_BY(mutex_);
  const pid_t process_;
};

}  // namespace quire
