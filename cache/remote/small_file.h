// SPDX-License-Identifier: Apache-2.0
// Files of settings that a user names.
#pragma once

#include <cstddef>
#include <string>

#include "format/result.h"

namespace quire {

// All of the file at `path`, which is a regular one of at most `most_bytes`: kInvalid where it is another one, so that
// nobody waits for a pipe. kSystem where it cannot be opened or read. Messages begin with `what` and the path, and tell
// nothing of what stands in it.
Result<std::string> ReadSmallFile(const std::string& path, const char* what, size_t most_bytes);

}  // namespace quire
