// SPDX-License-Identifier: Apache-2.0
// Commands that people give, for what `quire bench` cannot do itself.
#pragma once

#include <string>

#include "format/result.h"

namespace quire::bench {

// Runs `command` by /bin/sh and waits for its end, not for that of daemons which it starts. What it prints goes to
// standard error, its standard input is empty. Fails where its status is not 0.
Result<void> RunShellCommand(const std::string& command);

}  // namespace quire::bench
