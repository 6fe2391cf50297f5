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

// Appends to the first of these files that can be had, and returns its path: quire.log in $LOGS_DIRECTORY, in /var/log,
// in quire/ of $XDG_STATE_HOME (by default ~/.local/state), in $XDG_RUNTIME_DIR. Empty where none can.
std::string LogToUsualFile(spdlog::level::level_enum level);

// Appends to `path`, which is made where it is not there, and never cut.
Result<void> LogToFile(const std::string& path, spdlog::level::level_enum level);

// Opens the file of LogToFile anew under its name, as logrotate(8) wants after it moved the old one; goes on with the
// old one, and says so in it, where that fails. Any thread. REQUIRES: LogToFile or
// LogToUsualFile has succeeded.
void ReopenLogFile();

}  // namespace quire
