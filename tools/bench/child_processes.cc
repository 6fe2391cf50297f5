// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/child_processes.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace quire::bench {

ChildProcesses::~ChildProcesses() {
  for (const pid_t child : children_) kill(child, SIGKILL);
  for (const pid_t child : children_) waitpid(child, nullptr, 0);
}

Result<void> ChildProcesses::Start(const std::function<void()>& body) {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return SystemError(errno, "cannot start {}", what_);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    body();
    _exit(0);
  }
  children_.push_back(child);
  return {};
}

Result<size_t> ChildProcesses::StillRunning() {
  for (size_t i = 0; i < children_.size();) {
    int status = 0;
    const pid_t ended = waitpid(children_[i], &status, WNOHANG);
    if (ended == 0) {
      ++i;
      continue;
    }
    children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
    if (ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
      return MakeError(ErrorCode::kSystem, "{} died (wait status {:#x})", what_, static_cast<unsigned>(status));
  }
  return children_.size();
}

}  // namespace quire::bench
