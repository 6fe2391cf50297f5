// SPDX-License-Identifier: Apache-2.0
#include "tools/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tools/command.h"

namespace quire {

void OpenClosedStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest number that is free, which is this one: those below it are open by now.
    if (open("/dev/null", O_RDWR) == stream) continue;
    std::perror("quire: a standard stream is closed, and /dev/null cannot be opened in its place");
    std::exit(kExitFailed);
  }
}

void PrintToStderr(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

Result<void> WriteToStdout(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError(errno, "standard output");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

}  // namespace quire
