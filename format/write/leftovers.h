// SPDX-License-Identifier: Apache-2.0
// What packers leave in a folder when they die. Where files can have no name until they are complete, that is nothing,
// but for the moment between two names of one that replaces another; elsewhere it is all that was written. Such a file
// is known by its name, and its packer lives as long as it is locked.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// A name that nobody else has, for a file that is to be named `name` later. Begins with ".quire-", and tells in which
// run of which machine it was made.
std::string TemporaryNameFor(const std::string& name);

// Locks `file` for as long as it is open, so that it is no leftover. False where another program holds it, which takes
// it for one; true on a file system without locks.
bool MarkAlive(const File& file);

// Removes from `folders` what packers began there and died of, and returns a sentence about each file that was removed
// or that only its owner can tell the use of: a finished pack, and what may belong to a packer on another machine.
// Nothing is said of a folder that cannot be listed.
std::vector<std::string> RemoveLeftovers(const std::set<std::string>& folders);

}  // namespace quire
