// Where the bytes of a pack's samples come from: a directory, an importer's archive, a generator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "format/file.h"
#include "format/index_tables.h"
#include "format/result.h"

namespace quire {

// Thread-safe.
class SampleSource {
 public:
  SampleSource() = default;
  SampleSource(const SampleSource&) = delete;
  SampleSource& operator=(const SampleSource&) = delete;
  virtual ~SampleSource() = default;

  // Fills `into` with the bytes of sample `node` from `file_offset`: all of them as the index tables describe the
  // sample, or an error that says what happened to it.
  [[nodiscard]] virtual Result<void> Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const = 0;
};

// The files of a scanned directory. A file whose size or mtime is not what the scan saw is an error, before or after
// the read.
class DirectorySource final : public SampleSource {
 public:
  // `tables` must outlive the source.
  static Result<std::unique_ptr<DirectorySource>> Open(const std::string& root, const IndexTables& tables);
  [[nodiscard]] Result<void> Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const override;

 private:
  DirectorySource(File root, const IndexTables& tables) : root_(std::move(root)), tables_(tables) {}

  const File root_;
  const IndexTables& tables_;
};

}  // namespace quire
