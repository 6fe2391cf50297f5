// SPDX-License-Identifier: Apache-2.0
// What is odd about a directory that is to be packed.
#pragma once

#include <optional>
#include <string>

namespace quire {

// One sentence for the user where `source` has no entry, or where /etc/fstab has it as a mount point and nothing is
// mounted there; none otherwise, and where that cannot be told.
std::optional<std::string> NoticeAboutSource(const std::string& source);

}  // namespace quire
