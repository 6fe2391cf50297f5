// SPDX-License-Identifier: Apache-2.0
// The outcome of one `quire bench` run in one structure, and its forms: text for a terminal, JSON, CSV, one HTML page.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "format/result.h"
#include "tools/bench/chart.h"
#include "tools/bench/machine.h"

namespace quire::bench {

struct Table {
  std::string title;
  std::vector<std::string> header;             // the first column is text, the others are numbers
  std::vector<std::vector<std::string>> rows;  // as wide as the header
};

struct Report {
  std::string kind;          // "io", "epoch", "meta"
  std::string subject;       // the path that was measured
  std::string command = {};  // the exact command line, quoted for a shell
  Machine machine = {};
  nlohmann::ordered_json settings = nlohmann::ordered_json::object();
  // One flat object for each measurement: "experiment" first, then what was varied, then the figures, units last in
  // their names ("bytes_per_second"). What JSON and CSV carry; the tables and charts show the same.
  std::vector<nlohmann::ordered_json> results = {};
  std::vector<std::string> insights = {};  // sentences that follow from the numbers, the most useful first
  std::vector<Table> tables = {};
  std::vector<Chart> charts = {};
};

// Strings may hold any bytes: each form escapes or replaces what it cannot carry.
std::string ToText(const Report& report);
std::string ToJson(const Report& report);  // ends with a newline
// One line for each result under one header, the union of their fields in order of first appearance (RFC 4180, but
// lines end with LF).
std::string ToCsv(const Report& report);
std::string ToHtml(const Report& report);

// For a field of a result that may not be known.
nlohmann::ordered_json OrNull(const std::optional<double>& value);

// What is known about a machine, as names and texts for a reader: "Memory", "31.2 GiB RAM". At most seven.
std::vector<std::pair<std::string, std::string>> MachineFacts(const Machine& machine);

// Where a run's forms go; empty: nowhere. "-" is standard output, and then no text is printed there.
struct Outputs {
  std::string json = {};
  std::string csv = {};
  std::string html = {};
};

// Fails where an output cannot be created, before anything is measured: long work must not end in a typing error.
// Touches no file and leaves none.
Result<void> CheckOutputs(const Outputs& outputs);

// Prints the text to standard output unless a form went there, and writes the other forms, each whole or not at all. A
// form that cannot be written does not keep the others from being written.
Result<void> WriteReport(const Report& report, const Outputs& outputs);

}  // namespace quire::bench
