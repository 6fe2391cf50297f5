// SPDX-License-Identifier: Apache-2.0
// Volumes that are decoded from others: threads read what a read needs of them and decode it. Above nobody knows the
// difference.
//
// A long member is decoded by one thread at a time, for seconds where it is read far from where it was read before. So
// there are threads for those alone, and a read of one that is being decoded waits without a thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cache/volume/read_threads.h"
#include "cache/volume/volume_source.h"
#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

class DecodingSource final : public VolumeSource {
 public:
  // Of the decoded volumes that `pack`, which must outlive the source, has open. An error where not even one thread can
  // be started.
  static Result<std::unique_ptr<VolumeSource>> Create(const Pack& pack, int nice);

  void Submit(VolumeRead* first) override { threads_.Submit(first); }
  void Cancel() override { pack_.CancelDecoding(); }
  // A page: a request that ends in the middle of a member would decode it twice. Frames of 256 KiB end where requests
  // of that size do, so that several threads share a page. A reader's own extent is asked for before all others,
  // whatever the size.
  [[nodiscard]] uint32_t request_bytes() const override { return request_bytes_; }
  [[nodiscard]] uint32_t depth() const override { return static_cast<uint32_t>(threads_.size()); }
  [[nodiscard]] uint32_t alignment_bytes() const override { return 1; }
  [[nodiscard]] std::string Describe() const override;

 private:
  explicit DecodingSource(const Pack& pack);
  void Read(VolumeRead& read) const;
  // Reads it, or leaves it to the threads for long members.
  void ReadShort(VolumeRead& read);
  void ReadLong(VolumeRead& read);

  // A volume, and a long member of it.
  using MemberKey = std::pair<uint16_t, uint64_t>;
  [[nodiscard]] std::optional<MemberKey> FindLong(const VolumeRead& read) const;

  const Pack& pack_;
  const uint32_t request_bytes_;
  Mutex mutex_;
  // Of each long member that a thread decodes: reads that wait for it.
  std::map<MemberKey, ReadQueue> waiting_ QUIRE_GUARDED_BY(mutex_);
  // Last: they use all above.
  ReadThreads long_threads_{[this](VolumeRead& read) { ReadLong(read); }};
  ReadThreads threads_{[this](VolumeRead& read) { ReadShort(read); }};
};

}  // namespace quire
