// SPDX-License-Identifier: Apache-2.0
// A directory that is packed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "format/result.h"
#include "format/write/sample_source.h"
#include "format/write/source_root.h"
#include "format/write/tree_packer.h"

namespace quire {

class DirectoryTree final : public TreeToPack {
 public:
  // `one_file_system`: take folders on other file systems without what is below them.
  static Result<std::unique_ptr<DirectoryTree>> Open(const std::string& path, bool one_file_system);

  // kInvalid for an output inside the directory that no pattern excludes, and for temporary files there that would
  // show.
  [[nodiscard]] Result<void> CheckOutput(const PackTreeOptions& options) const override;
  [[nodiscard]] Result<void> CheckSpoolFolder(const PackTreeOptions& options, const std::string& folder) const override;
  Result<ScannedTree> Scan(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                           const std::string& spool_folder) override;
  [[nodiscard]] const SampleSource& samples() const override { return *source_; }

 private:
  DirectoryTree(std::string path, SourceRoot root, bool one_file_system)
      : path_(std::move(path)), root_(std::move(root)), one_file_system_(one_file_system) {}

  const std::string path_;
  const SourceRoot root_;
  const bool one_file_system_;
  std::optional<Spool<SourceIdentity>> identities_;
  std::optional<DirectorySource> source_;
};

}  // namespace quire
