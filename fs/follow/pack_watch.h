// SPDX-License-Identifier: Apache-2.0
// When a pack may have got a further generation: the kernel tells of each program of this machine that has written to
// the file and closed it (inotify(7)). Of those of other machines nobody tells, so it is time to look every few seconds
// as well.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>

#include "format/file.h"

namespace quire {

class PackWatch {
 public:
  // Of the file that `fd` is open at; -1 of a pack that is no file. Where the kernel gives no watch, time alone tells.
  explicit PackWatch(int fd);

  // Returns when it is time to look: after the kernel told of a change, after Wake, and after `at_most` without either.
  // At once where `stop` is requested, which it may be meanwhile.
  void Wait(const std::stop_token& stop, std::chrono::milliseconds at_most) const;
  // Any thread; does not block.
  void Wake() const;

 private:
  File changes_;  // an inotify descriptor
  File woken_;    // an eventfd
};

}  // namespace quire
