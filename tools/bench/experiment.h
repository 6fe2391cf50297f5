// SPDX-License-Identifier: Apache-2.0
// What the subcommands of `quire bench` have in common: each adds its options to the parser, and its body returns an
// exit code, as those of the `quire` command do (tools/command.h).
#pragma once

#include <string>

#include "tools/bench/report.h"
#include "tools/bench/sample_store.h"
#include "tools/bench/storage_watch.h"
#include "tools/command.h"

namespace quire::bench {

void AddIoCommand(Command program, Body& run);
// `open` finds the store that a path names.
using StoreOpener = Result<std::unique_ptr<SampleStore>> (*)(const std::string& path);
void AddEpochCommand(Command program, Body& run, StoreOpener open);
void AddMetaCommand(Command program, Body& run);
void AddTrainCommand(Command program, Body& run, StoreOpener open);

// The fields "disk_bytes" and "daemon_cpu_seconds" of a result; null where they are not known.
void AddSpent(const Spent& spent, nlohmann::ordered_json& result);
// What counts them, or why nothing does: "disk_bytes_counted_by", "disk_bytes_unknown", "daemon_cpu_unknown".
void AddWatch(const StorageWatch& watch, nlohmann::ordered_json& settings);
// For a table; empty where it is not known.
std::string FetchedText(const Fetched& fetched);

// Adds --json, --csv and --report to a subcommand.
void AddOutputOptions(Command subcommand, Outputs& outputs);

// The command line of this process, quoted for a shell.
std::string CommandLine();

}  // namespace quire::bench
