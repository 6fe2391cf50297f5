// SPDX-License-Identifier: Apache-2.0
// Where the archives of an export go: to standard output, or to files that appear under their names when they are
// complete.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "format/result.h"
#include "format/write/output_file.h"

namespace quire {

// The names of archives: "train-%06d.tar" has the number of the archive, with zeros before it, in place of "%06d".
class ArchiveNames {
 public:
  // kInvalid where there is not one such number.
  static Result<ArchiveNames> Parse(const std::string& pattern);
  // The same name for all: of one archive.
  explicit ArchiveNames(std::string name) : before_(std::move(name)), has_number_(false) {}

  [[nodiscard]] std::string Name(uint32_t archive) const;
  [[nodiscard]] bool has_number() const { return has_number_; }

 private:
  ArchiveNames(std::string before, unsigned digits, std::string behind)
      : before_(std::move(before)), behind_(std::move(behind)), digits_(digits) {}

  std::string before_;
  std::string behind_;
  unsigned digits_ = 0;
  bool has_number_ = true;
};

// One archive at a time. Not thread-safe.
class ArchiveOutput {
 public:
  // To standard output.
  ArchiveOutput() = default;
  ArchiveOutput(ArchiveNames names, bool replace) : names_(std::move(names)), is_file_(true), replace_(replace) {}

  // An error where one of the first `archives` is there and is not to be replaced, so that this is told before the
  // work.
  [[nodiscard]] Result<void> CheckNames(uint32_t archives) const;

  // The archive behind the first `archives` ones, which an export before made, where it is there: whoever reads all of
  // that pattern reads it too.
  [[nodiscard]] std::optional<std::string> FindOlder(uint32_t archives) const;

  // Begins archive `number`. Errors are those of OutputFile.
  Result<void> Begin(uint32_t number);
  Result<void> Write(std::span<const std::byte> bytes);
  // Ends the archive and gives it its name.
  Result<void> End();

  // Bytes of the archive so far.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  // Takes away what was written behind the first `bytes`. REQUIRES: CanTakeBack().
  Result<void> TakeBack(uint64_t bytes);
  [[nodiscard]] bool CanTakeBack() const { return is_file_; }

 private:
  Result<void> AtFile(Result<void> done) const;

  ArchiveNames names_{std::string()};
  bool is_file_ = false;
  bool replace_ = false;
  std::string name_;
  std::unique_ptr<OutputFile> file_;
  uint64_t bytes_ = 0;
};

}  // namespace quire
