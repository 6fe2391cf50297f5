// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a pack's samples come from: a directory, an importer's archive, a generator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "format/file.h"
#include "format/mutex.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/source_identity.h"
#include "format/write/source_root.h"
#include "format/write/spool.h"

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

// The files of a scanned directory. A file that is not what the scan saw, when it is opened or after a read, is an
// error: reads without an error are of one file at one moment, that of the scan.
class DirectorySource final : public SampleSource {
 public:
  // All extents of a sample come from one descriptor, unless so many others in several extents are read in between;
  // then it is opened, and compared, again. With those of kMaxJobs threads this stays below the usual limit of 1,024.
  static constexpr size_t kMaxOpenFiles = 64;

  // All as the scan left them; they must outlive the source. `max_open_files`: 1 at least.
  DirectorySource(const SourceRoot& root, const IndexTables& tables, const Spool<SourceIdentity>& identities,
                  size_t max_open_files = kMaxOpenFiles)
      : root_(root), tables_(tables), identities_(identities), max_open_files_(max_open_files) {}
  [[nodiscard]] Result<void> Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const override;

 private:
  using SharedFile = std::shared_ptr<const File>;
  [[nodiscard]] Result<File> Open(NodeNumber node) const;
  [[nodiscard]] Result<SharedFile> OpenShared(NodeNumber node) const;
  [[nodiscard]] SharedFile FindOpen(NodeNumber node) const;
  [[nodiscard]] Result<void> Compare(NodeNumber node, const File& file) const;
  [[nodiscard]] Result<void> ReadFrom(const File& file, NodeNumber node, uint64_t file_offset,
                                      std::span<std::byte> into) const;

  const SourceRoot& root_;
  const IndexTables& tables_;
  const Spool<SourceIdentity>& identities_;  // by node
  const size_t max_open_files_;
  mutable Mutex mutex_;  // not held while a file is opened or closed
  mutable std::vector<std::pair<NodeNumber, SharedFile>> open_
      QUIRE_GUARDED_BY(mutex_);  // of several extents, the one used last in front
};

}  // namespace quire
