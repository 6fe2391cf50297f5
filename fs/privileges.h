// What a daemon may do besides serving: as little as the kernel can be told. A pack is read by a program that trusts no
// byte of it, and what should go wrong all the same must not have all the rights of the user who mounted.
#pragma once

#include <string>

namespace quire {

// Gives up every capability but those that serving and unmounting need, for good, and where the process can unmount
// without fusermount3, the ability to gain any by running a program. Returns what is left, in words for the log.
// Nothing of it is an error: what the kernel refuses is kept, and told. REQUIRES: no other thread runs, since each has
// capabilities of its own. Threads that are started later have these.
std::string DropPrivileges();

}  // namespace quire
