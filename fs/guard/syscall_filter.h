// SPDX-License-Identifier: Apache-2.0
// The system calls that a process may still make once it does its work. A hostile pack that took the daemon over could
// run no program, reach no network, and look into no other process.
#pragma once

#include <string>

namespace quire {

// Both refuse all other calls from now on, for good and in all threads: they fail with ENOSYS, as if the kernel were
// older, so that the C library falls back on others. Nothing of it is an error. Nothing is refused by builds without
// libseccomp and by those with sanitizers, which need more. REQUIRES: no_new_privs, or CAP_SYS_ADMIN.

struct ServingNeeds {
  bool makes_rings = false;  // libfuse will set up rings of io_uring, whose operations no filter sees
  bool connects = false;     // the pack is read from a server
  bool keeps_tier = false;   // files are made and removed in a tier
};
// For a daemon once it serves: reading, answering and logging. Returns what came of it, in words for the log.
std::string FilterServingCalls(const ServingNeeds& needs = {});

// For the process that unmounts (unmounter.h).
void FilterUnmountingCalls();

}  // namespace quire
