// SPDX-License-Identifier: Apache-2.0
// Where a mount logs to.
#pragma once

#include <spdlog/common.h>

#include <string>

#include "format/result.h"

namespace quire {

void LogToStderr(spdlog::level::level_enum level);
void LogToSyslog(spdlog::level::level_enum level);

// Whether anybody listens to syslog: in containers often nobody does.
bool HasSyslog();

// Opens the first of these files that can be had, and returns its path: quire.log in $LOGS_DIRECTORY, in /var/log, in
// quire/ of $XDG_STATE_HOME (by default ~/.local/state), in $XDG_RUNTIME_DIR. Empty where none can.
std::string OpenUsualLogFile();

// Opens `path` to append to it; it is made where it is not there, and never cut. In a folder that others may write to a
// link is refused, which may lead to a file that they could not write to themselves.
Result<void> OpenLogFile(const std::string& path);

// Logs to the file that was opened. Opening it is a step of its own, since a daemon opens it before it mounts, and the
// messages of mounting go to stderr. REQUIRES: OpenLogFile or OpenUsualLogFile has succeeded.
void LogToFile(spdlog::level::level_enum level);

// Opens the file of LogToFile anew under its name, as logrotate(8) wants after it moved the old one; goes on with the
// old one, and says so in it, where that fails. Any thread. REQUIRES: as above.
void ReopenLogFile();

}  // namespace quire
