// SPDX-License-Identifier: Apache-2.0
// The report as one HTML page that needs nothing else: no network, no script.
#include <fmt/format.h>

#include "tools/bench/report.h"

namespace quire::bench {
namespace {

constexpr int kChartWidth = 480;      // its text stays readable when a telephone shrinks it
constexpr size_t kMostRowsOpen = 12;  // a longer table starts folded

// Dark on a screen only: paper is white.
constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1f2328;--muted:#5b6570;--rule:#d9dee3;--accent:#0072b2}
@media screen and (prefers-color-scheme:dark){
:root{--page:#0d1117;--card:#161b22;--ink:#e6edf3;--muted:#9aa5b1;--rule:#30363d;--accent:#4aa3df}
}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:1.6rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h1 small{display:block;font-size:.85rem;font-weight:600;color:var(--accent)}
h2{font-size:1.1rem;margin:32px 0 12px}
.when{color:var(--muted);margin:4px 0 0}
.insights{background:var(--card);border:1px solid var(--rule);border-left:4px solid var(--accent);border-radius:8px;
margin:20px 0;padding:14px 20px 14px 36px}
.insights li{margin:4px 0;overflow-wrap:anywhere}
.insights li:first-child{font-weight:600}
.charts{columns:2 460px;column-gap:16px}
.charts figure{margin:0 0 16px;background:var(--card);border:1px solid var(--rule);border-radius:8px;overflow:hidden;
break-inside:avoid}
.charts svg{display:block;width:100%;max-width:720px;height:auto;margin:0 auto}
details{background:var(--card);border:1px solid var(--rule);border-radius:8px;margin:12px 0}
summary{cursor:pointer;padding:10px 16px;font-weight:600}
summary small{color:var(--muted);font-weight:400}
.wide{overflow-x:auto;padding:0 16px 12px}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 14px 4px 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{color:var(--muted);font-weight:600}
tbody th{font-weight:400}
tbody tr:last-child>*{border-bottom:0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;margin:0;font-size:.925rem}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:12px 16px;margin:0;
white-space:pre-wrap;overflow-wrap:anywhere;font-size:.875rem}
@media print{
body{background:#fff;font-size:12px}
main{max-width:none;padding:0}
.charts{columns:2}
details::details-content{content-visibility:visible;block-size:auto}
tr{break-inside:avoid}
h2{break-after:avoid}
}
)";

std::string InsightsHtml(const Report& report) {
  if (report.insights.empty()) return "";
  std::string html = "<ul class=\"insights\">\n";
  for (const auto& insight : report.insights) html += fmt::format("<li>{}</li>\n", EscapeXml(insight));
  return html + "</ul>\n";
}

std::string ChartsHtml(const Report& report) {
  if (report.charts.empty()) return "";
  std::string html = "<h2>Charts</h2>\n<div class=\"charts\">\n";
  for (const auto& chart : report.charts) html += fmt::format("<figure>\n{}</figure>\n", RenderSvg(chart, kChartWidth));
  return html + "</div>\n";
}

std::string TableHtml(const Table& table) {
  std::string html = fmt::format("<details{}>\n<summary>{} <small>({} row{})</small></summary>\n<div class=\"wide\">\n",
                                 table.rows.size() <= kMostRowsOpen ? " open" : "", EscapeXml(table.title),
                                 table.rows.size(), table.rows.size() == 1 ? "" : "s");
  html += "<table>\n<thead><tr>";
  for (const auto& name : table.header) html += fmt::format("<th scope=\"col\">{}</th>", EscapeXml(name));
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      html += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", EscapeXml(row[i]))
                     : fmt::format("<td>{}</td>", EscapeXml(row[i]));
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n</div>\n</details>\n";
}

std::string TablesHtml(const Report& report) {
  if (report.tables.empty()) return "";
  std::string html = "<h2>Tables</h2>\n";
  for (const auto& table : report.tables) html += TableHtml(table);
  return html;
}

std::string ListHtml(const char* title, const std::vector<std::pair<std::string, std::string>>& items) {
  if (items.empty()) return "";
  std::string html = fmt::format("<h2>{}</h2>\n<dl>\n", title);
  for (const auto& [name, text] : items)
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", EscapeXml(name), EscapeXml(text));
  return html + "</dl>\n";
}

std::vector<std::pair<std::string, std::string>> SettingItems(const nlohmann::ordered_json& settings) {
  std::vector<std::pair<std::string, std::string>> items;
  for (const auto& [name, value] : settings.items())
    items.emplace_back(name, value.is_string()
                                 ? value.get<std::string>()
                                 : value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  return items;
}

}  // namespace

std::string ToHtml(const Report& report) {
  const std::string subject = EscapeXml(report.subject);
  return fmt::format(
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
             "<title>quire bench {0}: {1}</title>\n<style>{2}</style>\n</head>\n<body>\n<main>\n"
             "<h1><small>quire bench {0}</small>{1}</h1>\n<p class=\"when\">{3}</p>\n",
             EscapeXml(report.kind), subject, kStyle, EscapeXml(report.machine.date)) +
         InsightsHtml(report) + ChartsHtml(report) + TablesHtml(report) +
         ListHtml("Machine", MachineFacts(report.machine)) +
         fmt::format("<h2>Command</h2>\n<pre><code>{}</code></pre>\n", EscapeXml(report.command)) +
         ListHtml("Settings", SettingItems(report.settings)) + "</main>\n</body>\n</html>\n";
}

}  // namespace quire::bench
