// SPDX-License-Identifier: Apache-2.0
// Writes a file that others read at any moment, for node_exporter's textfile collector.
#pragma once

#include <string>
#include <string_view>

#include "format/result.h"

namespace quire {

// Replaces FOLDER/NAME by `content`, in one step: who reads it has the file before or the one after. For everybody to
// read. Not synced, since the next one is written soon. Meanwhile it has a name that does not end as NAME does, for
// collectors that take all *.prom; one that was killed leaves that behind.
Result<void> ReplaceTextFile(const std::string& folder, const std::string& name, std::string_view content);

}  // namespace quire
