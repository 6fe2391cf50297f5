// SPDX-License-Identifier: Apache-2.0
// A pack to which a generation is added: locked against other writers, and at the end committed or as it was. Readers
// of any generation go on meanwhile. FORMAT.md, Commit and generations.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "format/file.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/sample_writer.h"

namespace quire {

// Not thread-safe.
class GrowingPack {
 public:
  // Locks the pack at `path` and opens its newest generation. Waits for nobody. Errors name `path`: kSystem with
  // EWOULDBLOCK where another process adds to it; kUnsupported for what this release cannot add to (more layers than
  // there may be, samples in other files, what a newer release has added); those of OpenLocked.
  static Result<std::unique_ptr<GrowingPack>> Open(const std::string& path);
  GrowingPack(const GrowingPack&) = delete;
  GrowingPack& operator=(const GrowingPack&) = delete;
  ~GrowingPack();  // cuts off what was written, where nothing was committed

  // The generation that the next one follows.
  [[nodiscard]] const Pack& pack() const { return *pack_; }
  [[nodiscard]] const Index& index() const { return pack_->index(); }
  // Readable and writable: what lies from places().begin on is the caller's.
  [[nodiscard]] const File& file() const { return file_; }
  // Pages begin where none of the generation before ends, so that a mount never has a page that grows.
  [[nodiscard]] const SamplePlaces& places() const { return places_; }
  // How many records, or bytes, of a section there are: the number of the first one of the new layer.
  [[nodiscard]] uint64_t first(Section section) const { return index().layers().count(section); }

  // Takes the space of pages, where the file system can.
  [[nodiscard]] Result<void> Preallocate(uint64_t data_begin, uint64_t data_end) const;

  // Writes the new layer and commits it. `tables`: what it adds, with numbers as they are in all layers; volumes and
  // layers are set here. `written`: at places(). `counts`: of the tree of the new generation; its stored bytes are
  // those of the new extents. Returns what was committed. After an error the pack has the old generation, or where
  // syncing failed the old one or the new one. Called once.
  Result<Superblock> Commit(IndexTables& tables, const WrittenSamples& written, Superblock counts);

 private:
  GrowingPack(File file, std::unique_ptr<Pack> pack, const SamplePlaces& places)
      : file_(std::move(file)), pack_(std::move(pack)), places_(places) {}
  [[nodiscard]] Result<void> SetLayers(IndexTables& tables) const;
  [[nodiscard]] Result<void> SetVolumes(IndexTables& tables, const WrittenSamples& written) const;
  [[nodiscard]] Result<void> CheckReadable(const Superblock& superblock, const IndexTables& tables) const;

  const File file_;  // holds the lock, which ends with it
  const std::unique_ptr<Pack> pack_;
  const SamplePlaces places_;
  bool may_be_committed_ = false;
};

}  // namespace quire
