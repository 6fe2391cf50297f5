// SPDX-License-Identifier: Apache-2.0
// The form of --help: usage with all that must be given, arguments, options, commands, in lines of 80 columns.
#pragma once

#include <string>

#include "tools/parser.h"

namespace quire {

std::string FormatHelp(Command command);

// "quire pack SRC -o OUT [OPTION]...".
std::string UsageOf(Command command);

}  // namespace quire
