// SPDX-License-Identifier: Apache-2.0
// Makes the further names of what has several: hard links, or copies where there can be none.
#pragma once

#include "format/pack/index.h"
#include "tools/extract/entry_writer.h"
#include "tools/extract/extract_plan.h"

namespace quire {

// `writer` has made the first names of `plan`. Faults go to the report.
void MakeFurtherNames(const ExtractTools& tools, const ExtractPlan& plan, const EntryWriter& writer);

}  // namespace quire
