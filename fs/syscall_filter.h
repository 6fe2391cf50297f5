// The system calls that a daemon may still make once it serves: those of reading, answering, logging and unmounting. A
// hostile pack that took the daemon over could run no program, reach no network, and look into no other process.
#pragma once

#include <string>

namespace quire {

// Refuses all other calls from now on, for good and in all threads: they fail with ENOSYS, as if the kernel were older,
// so that the C library falls back on others. Returns what came of it, in words for the log. Nothing of it is an error.
// Without no_new_privs nothing is refused, since fusermount3 would fall under it; nor is it by builds without
// libseccomp and by those with sanitizers, which need more.
std::string FilterSystemCalls();

}  // namespace quire
