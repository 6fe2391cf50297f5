// SPDX-License-Identifier: Apache-2.0
// The options by which samples are compressed, which several commands have.
#pragma once

#include <optional>
#include <string>

#include "format/pack/index.h"
#include "format/result.h"
#include "format/write/compression.h"
#include "tools/parser.h"

namespace quire {

struct CompressionOptions {
  std::string compress;  // empty: not given
  bool is_each_alone = false;
  std::string dictionaries = "auto";
};

// Adds --compress, --alone and --dict to a command that writes samples of a pack that is there: what is not said is as
// in that pack. `options` must outlive the parsing.
void AddCompressionOptions(Command& command, CompressionOptions& options);

// How samples that a pack of this index gets, or gets anew, are compressed: as the options say, else at the default
// level where some in it are; empty: not at all.
Result<std::optional<Compression>> ChooseCompression(const CompressionOptions& options, const Index& index);

// As the options say; empty: not at all.
Result<std::optional<Compression>> ChooseCompression(const CompressionOptions& options);

// Tells on standard output what came of it.
void PrintCompression(const CompressionReport& report);

}  // namespace quire
