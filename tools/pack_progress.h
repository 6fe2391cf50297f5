// SPDX-License-Identifier: Apache-2.0
// What commands that pack show while they work.
#pragma once

#include "format/write/pack_writer.h"
#include "tools/progress.h"

namespace quire {

ProgressState DescribeProgress(const PackProgress& progress);

}  // namespace quire
