// SPDX-License-Identifier: Apache-2.0
#include "tools/compression_options.h"

#include <fmt/format.h>

#include "tools/progress.h"

namespace quire {
namespace {

constexpr const char* kNoCompression = "none";

// 100 for what has no bytes.
double PercentOf(uint64_t part, uint64_t whole) {
  return whole == 0 ? 100 : static_cast<double>(part) * 100 / static_cast<double>(whole);
}

}  // namespace

void AddCompressionOptions(Command& command, CompressionOptions& options) {
  command
      .Add("--compress", options.compress,
           "zstd or zstd:LEVEL, as of quire-pack(1), or none; default: zstd where the pack's samples are compressed")
      .Type("zstd[:LEVEL]|none");
  command.AddFlag("--alone", options.is_each_alone, "Compress small samples each alone");
  command.Add("--dict", options.dictionaries, "Dictionaries, as of quire-pack(1)").ShowDefault().Type("auto|none|SIZE");
}

Result<std::optional<Compression>> ChooseCompression(const CompressionOptions& options, const Index& index) {
  CompressionOptions chosen = options;
  if (chosen.compress.empty() && index.has_frames()) {
    chosen.compress = "zstd";
    chosen.is_each_alone |= index.dictionary_count() > 1;  // which are made of small samples only where each is alone
  }
  return ChooseCompression(chosen);
}

Result<std::optional<Compression>> ChooseCompression(const CompressionOptions& options) {
  if (options.compress.empty() || options.compress == kNoCompression) return std::nullopt;
  const auto compression = ParseCompression(options.compress, options.is_each_alone, options.dictionaries);
  return compression ? Result<std::optional<Compression>>(*compression) : std::unexpected(compression.error());
}

void PrintCompression(const CompressionReport& report) {
  fmt::print("compressed {} of {} to {} ({:.1f} %)", FormatAmount(report.samples, "sample", "samples"),
             FormatBytes(report.sample_bytes), FormatBytes(report.coded_bytes + report.dictionary_bytes),
             PercentOf(report.coded_bytes + report.dictionary_bytes, report.sample_bytes));
  if (report.dictionaries > 0)
    fmt::print(", with {} of {}", FormatAmount(report.dictionaries, "dictionary", "dictionaries"),
               FormatBytes(report.dictionary_bytes));
  fmt::print("; left {} of {} as they were", FormatAmount(report.left_samples, "sample", "samples"),
             FormatBytes(report.left_bytes));
  if (report.vain_bytes > 0) fmt::print(", and tried {} of these in vain", FormatBytes(report.vain_bytes));
  fmt::print("\n");
}

}  // namespace quire
