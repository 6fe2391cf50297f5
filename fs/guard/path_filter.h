// SPDX-License-Identifier: Apache-2.0
// The files that a thread may still open: Landlock, landlock(7). What a process may open as its user is far more than a
// daemon needs: root's own files, or all that an ordinary user has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/file.h"

namespace quire {

enum class PathUse : uint8_t {
  kRead,       // files, and folders to list them
  kReadWrite,  // files that are there
  kDevice,     // likewise, with calls of its driver
  kAppend,     // files that are there, and new ones
  kOwn,        // all that is done with files and folders below a folder
};

class PathFilter {
 public:
  // Of a file that is open already, with the name that it has or had. REQUIRES: `file` was opened without O_PATH, or is
  // a folder.
  void AllowOpen(int file, PathUse use);
  // Of a file, or of all in a folder. Where there is nothing of that name now, nothing is allowed.
  void Allow(const std::string& path, PathUse use);

  // TCP connections to others, and the files by which their names and certificates are found.
  void AllowConnections();

  // From now on this thread, and those that it starts, open nothing else and reach no network by TCP, for good. They
  // mount and unmount nothing either, and look into no other process: Landlock forbids that together. Returns what came
  // of it, in words for the log; nothing of it is an error. REQUIRES: no_new_privs, or CAP_SYS_ADMIN.
  [[nodiscard]] std::string Enforce() const;

 private:
  struct Rule {
    File file;
    PathUse use;
  };
  std::vector<Rule> rules_;
  bool may_connect_ = false;
};

}  // namespace quire
