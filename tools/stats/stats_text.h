// SPDX-License-Identifier: Apache-2.0
// What `.quire/stats` of a mount says, for people.
#pragma once

#include <string>

#include "fs/json_text.h"
#include "fs/mounts/mount_table.h"

namespace quire {

// What came from where, what that saved, what is slow and what went wrong, in lines.
// `stats`: a document of `.quire/stats` of any release with schema 1; what it does not tell is not spoken of.
std::string FormatStats(const MountEntry& mount, const Json& stats);

// One line a period, as vmstat(8) does: rates between two documents of one mount, `seconds` apart. Where the mount was
// made anew in between, since then.
std::string WatchHeading();
std::string FormatWatch(const Json& before, const Json& after, double seconds);

}  // namespace quire
