// SPDX-License-Identifier: Apache-2.0
// The volumes of a pack of which some are decoded from others: those by threads that read what they need and decode
// it, all others by the source of files. Above it nobody knows the difference.
//
// A long member is decoded by one thread at a time, for seconds where it is read far from where it was read before. So
// there are threads for those alone, and a read of one that is being decoded waits without a thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cache/volume/file_source.h"
#include "cache/volume/read_threads.h"
#include "cache/volume/volume_source.h"
#include "format/mutex.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

// The volumes that `pack`, which must outlive the source, has open: by OpenFileSource alone where none is decoded.
// Errors are those of OpenFileSource.
Result<std::unique_ptr<VolumeSource>> OpenPackVolumes(const Pack& pack, const FileSourceOptions& options);

class DecodingSource final : public VolumeSource {
 public:
  static Result<std::unique_ptr<VolumeSource>> Create(const Pack& pack, std::unique_ptr<VolumeSource> files, int nice);

  void Submit(VolumeRead* first) override;
  void Cancel() override { pack_.CancelDecoding(); }
  // A page: a request that ends in the middle of a member would decode it twice. A reader's own extent is asked for
  // before all others, whatever the size.
  [[nodiscard]] uint32_t request_bytes() const override { return kPageBytes; }
  [[nodiscard]] uint32_t depth() const override { return files_->depth(); }
  [[nodiscard]] uint32_t alignment_bytes() const override { return files_->alignment_bytes(); }
  [[nodiscard]] std::string Describe() const override;

 private:
  DecodingSource(const Pack& pack, std::unique_ptr<VolumeSource> files) : pack_(pack), files_(std::move(files)) {}
  void Read(VolumeRead& read) const;
  // Reads it, or leaves it to the threads for long members.
  void ReadShort(VolumeRead& read);
  void ReadLong(VolumeRead& read);

  // A volume, and a long member of it.
  using MemberKey = std::pair<uint16_t, uint64_t>;
  [[nodiscard]] std::optional<MemberKey> FindLong(const VolumeRead& read) const;

  const Pack& pack_;
  const std::unique_ptr<VolumeSource> files_;
  Mutex mutex_;
  // Of each long member that a thread decodes: reads that wait for it.
  std::map<MemberKey, ReadQueue> waiting_ QUIRE_GUARDED_BY(mutex_);
  // Last: they use all above.
  ReadThreads long_threads_{[this](VolumeRead& read) { ReadLong(read); }};
  ReadThreads threads_{[this](VolumeRead& read) { ReadShort(read); }};
};

}  // namespace quire
