// SPDX-License-Identifier: Apache-2.0
// The system calls that a process may still make once it does its work. A hostile pack that took the daemon over could
// run no program, reach no network, and look into no other process.
#pragma once

#include <string>

namespace quire {

// Both refuse all other calls from now on, for good and in all threads: they fail with ENOSYS, as if the kernel were
// older, so that the C library falls back on others. Nothing of it is an error. Nothing is refused by builds without
// libseccomp and by those with sanitizers, which need more. REQUIRES: no_new_privs, or CAP_SYS_ADMIN.

// For a daemon once it serves: reading, answering and logging. `makes_rings`: libfuse will set up rings of io_uring,
// whose operations no filter sees. `connects`: the pack is read from a server. Returns what came of it, in words for
// the log.
std::string FilterServingCalls(bool makes_rings, bool connects = false);

// For the process that unmounts (unmounter.h).
void FilterUnmountingCalls();

}  // namespace quire
