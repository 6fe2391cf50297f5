// SPDX-License-Identifier: Apache-2.0
// The entries of a directory from any position, without state: an entry's cookie is where the next one stands, so a
// listing can be interrupted, resumed and sought in for as long as the pack is mounted. A cookie says as well whether
// an entry before it could not be read: the kernel keeps listings that ended well, and such a one must not.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

struct ListedEntry {
  std::string_view name;
  NodeNumber node = 0;  // whose inode it is: hard links are resolved
  mode_t type = 0;      // S_IFMT bits; 0 where they cannot be known
  // The record of `node`, from which its attributes come; empty for a dot entry, a control file, and where it cannot be
  // read.
  std::optional<Node> record = {};
  uint64_t next_cookie = 0;  // where to go on behind this entry
};

// What a listing had to leave out because its node or its name cannot be read.
struct Omissions {
  uint64_t count = 0;
  std::optional<Error> first;
};

// Visits the entries of `directory` from `cookie` on, 0 at first, until `visit` returns false: ".", "..", then the
// children sorted by name. One that is damaged or cannot be read is left out and its siblings are visited all the same.
// A hard link whose node cannot be read keeps its name, and nothing else of it is known. An error means that
// `directory` itself cannot be read, or, behind its last entry, that the disk did not give one of them: with the disk
// it may come back, which damage does not. `layers`: of the generation of `index` whose entries are meant.
Result<Omissions> ListDirectory(const Index& index, NodeNumber directory, size_t layers, uint64_t cookie,
                                const std::function<bool(const ListedEntry&)>& visit);

}  // namespace quire
