// SPDX-License-Identifier: Apache-2.0
// The results of `quire bench io` as JSON objects, tables and charts. Pure functions, any thread.
#pragma once

#include <span>
#include <vector>

#include "tools/bench/io_matrix.h"
#include "tools/bench/report.h"

namespace quire::bench {

// One object for each result, then those of the cost models.
std::vector<nlohmann::ordered_json> IoResultObjects(std::span<const IoResult> results);

// What was found below the path, and what of it was chosen.
Table FileClassTable(std::span<const FileClass> classes);

// One for each experiment, and the latencies.
std::vector<Table> IoTables(std::span<const IoResult> results);
std::vector<Chart> IoCharts(std::span<const IoResult> results);

}  // namespace quire::bench
