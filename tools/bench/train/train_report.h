// SPDX-License-Identifier: Apache-2.0
// The runs of training jobs as JSON objects, tables and charts. Pure functions, any thread.
#pragma once

#include <vector>

#include "tools/bench/report.h"
#include "tools/bench/train/train_insights.h"

namespace quire::bench {

// One object for each epoch, each run and each search.
std::vector<nlohmann::ordered_json> TrainResults(const std::vector<TrainedJob>& jobs, const JobSettings& settings);

std::vector<Table> TrainTables(const std::vector<TrainedJob>& jobs, const JobSettings& settings);

// AU by the number of accelerators where that was asked for, AU of each epoch, and how long batches were waited for.
std::vector<Chart> TrainCharts(const std::vector<TrainedJob>& jobs, const JobSettings& settings);

}  // namespace quire::bench
