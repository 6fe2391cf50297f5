// SPDX-License-Identifier: Apache-2.0
// Which entries of a pack a PATH of the command line means.
#pragma once

#include <string>
#include <vector>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// The entry at `path` as it stands, though it may hold wildcards itself; else all that it matches as a pattern, in node
// order. Hard links are not resolved: the entry is the name that was asked for. Symlinks on the way are followed, those
// that a wildcard matches are not.
//
// In a pattern '*', '?' and '[...]' match inside one name, those that begin with '.' too, as glob(7) says; '**' in
// place of a name matches any number of folders, none as well; '\' takes the special meaning from what follows.
//
// kNotFound where nothing is there. Blocks in I/O. Any thread.
Result<std::vector<NodeNumber>> FindEntries(const Index& index, const std::string& path);

}  // namespace quire
