// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/report.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <span>

#include "format/escaping.h"
#include "format/write/output_file.h"
#include "fs/help_text.h"
#include "fs/json_text.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

constexpr int kSchema = 1;

std::string Dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string Join(std::span<const std::string> parts, std::string_view separator) {
  std::string joined;
  for (const auto& part : parts)
    if (!part.empty()) joined += (joined.empty() ? "" : std::string(separator)) + part;
  return joined;
}

// The columns that `text`, which is escaped, takes on a terminal.
size_t ColumnsOf(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// Columns [begin, end) of a table, beside its first one, where all fit on a terminal together with that; at least one.
// `widths` are those of all columns.
std::vector<std::pair<size_t, size_t>> CutColumns(const std::vector<size_t>& widths) {
  constexpr size_t kGap = 2;
  std::vector<std::pair<size_t, size_t>> parts;
  size_t used = kHelpColumns;
  for (size_t i = 1; i < widths.size(); ++i) {
    if (parts.empty() || used + kGap + widths[i] > kHelpColumns) {
      parts.emplace_back(i, i);
      used = kGap + widths[0];
    }
    used += kGap + widths[i];
    parts.back().second = i + 1;
  }
  if (parts.empty()) parts.emplace_back(1, 1);  // a table of one column
  return parts;
}

// The first column to the left, the others to the right; all as wide as their widest cell. Columns that do not fit on a
// terminal follow below, with the first one again.
std::string TableText(const Table& table) {
  std::vector<std::vector<std::string>> lines;
  lines.push_back(table.header);
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  std::vector<size_t> widths(table.header.size(), 0);
  for (auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      line[i] = EscapeName(line[i]);
      widths[i] = std::max(widths[i], ColumnsOf(line[i]));
    }
  }
  std::string text = EscapeName(table.title) + "\n";
  const auto parts = CutColumns(widths);
  for (const auto& [begin, end] : parts) {
    if (begin != parts.front().first) text += "\n";
    for (const auto& line : lines) {
      std::string row = "  " + line[0] + std::string(widths[0] - ColumnsOf(line[0]), ' ');
      for (size_t i = begin; i < end; ++i) row += "  " + std::string(widths[i] - ColumnsOf(line[i]), ' ') + line[i];
      row.erase(row.find_last_not_of(' ') + 1);
      text += row + "\n";
    }
  }
  return text;
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string CsvValue(const Json& value) {
  if (value.is_string()) return CsvField(value.get_ref<const std::string&>());
  const std::string text = Dump(value);
  return text == "null" ? "" : CsvField(text);  // what is not finite is null, too
}

std::vector<std::string> FieldsOf(const std::vector<Json>& results) {
  std::vector<std::string> fields;
  for (const auto& result : results)
    for (const auto& [field, value] : result.items())
      if (std::ranges::find(fields, field) == fields.end()) fields.push_back(field);
  return fields;
}

Json MachineJson(const Machine& machine) {
  return {{"date", machine.date},
          {"host", machine.host},
          {"kernel", machine.kernel},
          {"distribution", machine.distribution},
          {"processor", machine.processor},
          {"cores", machine.cores},
          {"memory_bytes", machine.memory_bytes},
          {"memory_limit_bytes", machine.memory_limit_bytes},
          {"file_system", machine.file_system},
          {"device", machine.device}};
}

// One form of a report on its way to where the user wants it.
struct Output {
  const char* option;
  std::string path;
  std::string (*render)(const Report&);
};

std::array<Output, 3> AllOutputs(const Outputs& outputs) {
  return {{{"--json", outputs.json, ToJson}, {"--csv", outputs.csv, ToCsv}, {"--report", outputs.html, ToHtml}}};
}

constexpr const char* kStandardOutput = "-";

// Where a file at `path` really lies: two names may be one file.
std::string Resolve(const std::string& path) {
  std::error_code error;
  const auto resolved = std::filesystem::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

Result<std::unique_ptr<OutputFile>> Create(const Output& output) {
  auto file = OutputFile::Create(output.path, true);
  if (!file) return Invalid("{} {}", output.option, file.error().message);
  return file;
}

Result<void> Write(const Output& output, const std::string& text) {
  if (output.path == kStandardOutput) {
    std::fwrite(text.data(), 1, text.size(), stdout);  // ParseAndRun looks whether it arrived
    return {};
  }
  auto file = Create(output);
  if (!file) return Propagate(std::move(file));
  if (auto written = (*file)->file().WriteAll(0, std::as_bytes(std::span(text))); !written) return written;
  if (fsync((*file)->file().fd()) != 0) return SystemError(errno, "{} {}: fsync", output.option, output.path);
  return (*file)->Commit();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> MachineFacts(const Machine& machine) {
  const std::string cores =
      machine.cores == 0 ? "" : fmt::format("{} core{}", machine.cores, machine.cores == 1 ? "" : "s");
  const std::string memory = machine.memory_bytes == 0 ? "" : FormatBytes(machine.memory_bytes) + " RAM";
  const std::string limit =
      machine.memory_limit_bytes == 0 ? "" : FormatBytes(machine.memory_limit_bytes) + " allowed to this process";
  const std::vector<std::pair<std::string, std::vector<std::string>>> groups = {
      {"Processor", {machine.processor, cores}},
      {"Memory", {memory, limit}},
      {"System", {machine.distribution, machine.kernel}},
      {"Storage", {machine.file_system, machine.device}},
      {"Host", {machine.host}},
      {"Date", {machine.date}},
      {"Quire", {machine.quire_version.empty() ? "" : "quire " + machine.quire_version}}};
  std::vector<std::pair<std::string, std::string>> facts;
  for (const auto& [name, parts] : groups)
    if (std::string text = Join(parts, ", "); !text.empty()) facts.emplace_back(name, std::move(text));
  return facts;
}

nlohmann::ordered_json OrNull(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

std::string ToText(const Report& report) {
  std::vector<std::string> facts;
  for (const auto& [name, text] : MachineFacts(report.machine)) facts.push_back(EscapeName(text));
  const auto first_line = std::span(facts).first(std::min<size_t>(facts.size(), 3));
  std::string text = fmt::format("quire bench {}: {}\n", report.kind, EscapeName(report.subject));
  for (const auto& line : {Join(first_line, ", "), Join(std::span(facts).subspan(first_line.size()), ", ")})
    if (!line.empty()) text += line + "\n";
  for (const auto& table : report.tables) text += "\n" + TableText(table);
  // Last, where a terminal's reader looks first.
  if (!report.insights.empty()) text += "\n";
  for (const auto& insight : report.insights) text += "* " + EscapeName(insight) + "\n";
  return text;
}

std::string ToJson(const Report& report) {
  Json json = NewDocument(kSchema);
  json["kind"] = report.kind;
  SetName(json, "subject", report.subject);
  json.update(Json{{"command", report.command},
                   {"quire_version", report.machine.quire_version},
                   {"machine", MachineJson(report.machine)},
                   {"settings", report.settings},
                   {"results", report.results},
                   {"insights", report.insights}});
  return FormatJson(json) + "\n";
}

std::string ToCsv(const Report& report) {
  const auto fields = FieldsOf(report.results);
  std::string csv;
  for (const auto& field : fields) csv += (csv.empty() ? "" : ",") + CsvField(field);
  csv += "\n";
  for (const auto& result : report.results) {
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) csv += ",";
      if (const auto at = result.find(fields[i]); at != result.end()) csv += CsvValue(*at);
    }
    csv += "\n";
  }
  return csv;
}

Result<void> CheckOutputs(const Outputs& outputs) {
  const auto all = AllOutputs(outputs);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].path.empty()) continue;
    for (size_t before = 0; before < i; ++before)
      if (!all[before].path.empty() && Resolve(all[i].path) == Resolve(all[before].path))
        return Invalid("{} and {} both go to {}; name two files", all[before].option, all[i].option,
                       all[i].path == kStandardOutput ? "standard output" : EscapeName(all[i].path));
    if (all[i].path == kStandardOutput) continue;
    if (const auto created = Create(all[i]); !created) return std::unexpected(created.error());
  }
  return {};
}

Result<void> WriteReport(const Report& report, const Outputs& outputs) {
  const auto all = AllOutputs(outputs);
  const bool text_wanted = std::ranges::none_of(all, [](const Output& o) { return o.path == kStandardOutput; });
  if (text_wanted) fmt::print("{}", ToText(report));
  Result<void> outcome;
  for (const auto& output : all) {
    if (output.path.empty()) continue;
    if (auto written = Write(output, output.render(report)); !written && outcome) outcome = written;
  }
  return outcome;
}

}  // namespace quire::bench
