// SPDX-License-Identifier: Apache-2.0
// `.quire/trace`: how programs get what is recorded. As `.quire/plan` (fs/feed/plan_pipe.h) it is a named pipe, of
// which only the name is ours, since on a mount that is read-only the kernel lets nothing else carry a word to the
// daemon: to open it for reading starts a recording, to close it ends it, and what comes through it is a trace as
// fs/TRACES.md defines it. So `cat` records, the daemon opens no file of a user's, and a recorder that is
// killed leaves nothing switched on.
//
// The daemon is the writer, by the name in its own mount. It looks for a reader when somebody looked the name up, and
// has the pipe open only as long as there is one. A program that opens the pipe to write would wait for a reader: one
// comes and goes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "cache/background_thread.h"
#include "format/file.h"
#include "format/result.h"
#include "fs/trace/read_trace.h"

namespace quire {

class TracePipe {
 public:
  // `make_header`: what begins each recording; any thread. `trace` must outlive the pipe.
  TracePipe(ReadTrace& trace, std::string mount_point, std::function<TraceHeader()> make_header);

  // `device`: of the mount.
  Result<void> Start(dev_t device);
  // REQUIRES: requests are still answered, or the mount is gone: the thread may be looking the name up.
  void Stop() { thread_.Stop(); }

  // Somebody looked the name up. Any thread; does not block.
  void LookedUp() { thread_.Wake(); }

 private:
  void Run(const std::stop_token& stop);
  [[nodiscard]] File Open(int access_mode) const;
  [[nodiscard]] File AwaitReader(std::chrono::milliseconds patience, const std::stop_token& stop) const;
  void Record(const File& pipe, const std::stop_token& stop);
  // False where the reader has gone, or the mount ends.
  bool WriteAll(const File& pipe, std::span<const std::byte> bytes, const std::stop_token& stop);

  ReadTrace& trace_;
  const std::string mount_point_;
  const std::function<TraceHeader()> make_header_;
  dev_t device_ = 0;
  std::vector<TraceRecord> records_;
  std::vector<std::byte> bytes_;
  BackgroundThread thread_;  // last: it uses all above
};

}  // namespace quire
