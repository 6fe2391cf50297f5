// SPDX-License-Identifier: Apache-2.0
// Processes that read as the workers of a loader do: started by fork, and always taken away again.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "format/result.h"

namespace quire::bench {

// For one thread.
class ChildProcesses {
 public:
  // `what` each of them is, for messages: "a reader".
  explicit ChildProcesses(std::string what) : what_(std::move(what)) {}
  ChildProcesses(const ChildProcesses&) = delete;
  ChildProcesses& operator=(const ChildProcesses&) = delete;
  // Kills those that still run.
  ~ChildProcesses();

  // The child runs `body` and ends with 0; it is killed where this process ends before it.
  Result<void> Start(const std::function<void()>& body);
  // How many still run. Fails where one ended by a signal, or with another status than 0.
  Result<size_t> StillRunning();

 private:
  const std::string what_;
  std::vector<pid_t> children_;
};

}  // namespace quire::bench
