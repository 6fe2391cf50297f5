// SPDX-License-Identifier: Apache-2.0
// How many files a process may open (RLIMIT_NOFILE). Who keeps files open takes a share of what is left, so that a low
// limit makes work slower and does not end it.
#pragma once

#include <cstddef>

#include "format/result.h"

namespace quire {

// Files that can be opened beside those that are open now, at most `most`. Takes a system call for each descriptor, up
// to the last that it counts.
size_t CountOpenable(size_t most);

// How many of `wanted` may be: as many as leave each `files_each` of the files that can be opened now, when `reserved`
// of these are for others; 1 at least.
size_t ShareOpenable(size_t wanted, size_t files_each, size_t reserved);

// Lets the process open `more` files beside some that are open now, as far as its hard limit goes.
void AllowOpen(size_t more);

// The process or the system has as many files open as it may: no fault of the file that could not be opened, and the
// next one meets the same.
bool IsOutOfFiles(const Error& error);

}  // namespace quire
