// SPDX-License-Identifier: Apache-2.0
// What a process may do besides its work: as little as the kernel can be told. A pack is read by a program that trusts
// no byte of it, and what should go wrong all the same must not have all the rights of the user who mounted.
#pragma once

#include <string>

namespace quire {

// Whether this thread may mount and unmount without fusermount3: CAP_SYS_ADMIN, which root in a container often lacks.
bool MayMount();

// All of these give up, for good, every capability that is not named, and the ability to gain any by running a program
// (no_new_privs). They hold for the thread that calls and for those that it starts. Nothing of it is an error: what the
// kernel refuses is kept.

// What serving needs stays: to open files whoever owns them, locked memory and priorities. Root's daemons leave no core
// dump, neither in a file nor to a program. Returns what is left, in words for the log.
std::string KeepServingPrivileges();

// What umount2(2) needs stays.
void KeepUnmountingPrivileges();

}  // namespace quire
