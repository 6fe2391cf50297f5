// SPDX-License-Identifier: Apache-2.0
// A copy of a pack that is being made, and that another process can go on with, whatever ended this one: a file beside
// the one that it is to become, which holds what has come, and behind it twice the record of what that is.
//
//   pages of the pack       written anywhere, in any order
//   record, record          at the next multiples of 4096: a bit for each page, and who is copied; with sums
//
// A page is told of by a record that is written after the page was synced, in the place of the older one of the two. So
// the newer record that is whole tells of nothing that a crash or a loss of power could have taken; what no record
// tells of is fetched again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/mutex.h"
#include "format/result.h"
#include "format/write/output_file.h"

namespace quire {

// What is copied.
struct CopyOrigin {
  std::string state;     // for people: where it lies and which state of it this is, without secrets
  std::string contents;  // another text for other contents, beside `state`
  uint64_t pack_bytes = 0;
};

class UnfinishedCopy {
 public:
  // Goes on with what was begun beside `path`, or begins anew; then all of the space is taken, so that a full disk is
  // found before the work. `tell` gets a sentence where something was there that cannot be gone on with. Errors name
  // `path` and are those of OutputFile::Resume, and ENOSPC, EFBIG, EDQUOT. What this call has begun goes with the
  // object unless a page of it was recorded.
  static Result<std::unique_ptr<UnfinishedCopy>> Open(const std::string& path, bool replace, const CopyOrigin& origin,
                                                      const std::function<void(const std::string&)>& tell);
  UnfinishedCopy(const UnfinishedCopy&) = delete;
  UnfinishedCopy& operator=(const UnfinishedCopy&) = delete;
  ~UnfinishedCopy() = default;

  // The pages that are to be written, in their order.
  [[nodiscard]] std::vector<uint64_t> MissingPages() const;
  [[nodiscard]] uint64_t page_count() const { return page_count_; }
  // 2 MiB, but for the last one.
  [[nodiscard]] uint32_t PageBytes(uint64_t page) const;

  // Writes all of a page, past the kernel's page cache where `bytes` lie on a multiple of 4096. Any thread, one for a
  // page.
  Result<void> WritePage(uint64_t page, std::span<const std::byte> bytes);
  // They are missing again.
  void Forget(std::span<const uint64_t> pages);

  // Syncs what was written before the call, and records it. One thread at a time, beside any that write.
  Result<void> Record();

  // Everything that was written so far, for reading; behind the pack stand the records.
  [[nodiscard]] const File& file() const { return output_->file(); }
  // Whether another process can go on with it.
  [[nodiscard]] bool is_kept() const { return is_kept_; }
  // Where it lies, for messages.
  [[nodiscard]] std::string unfinished_path() const;

  // Takes the records away and gives the file its name, durably. REQUIRES: no page is missing.
  Result<void> Finish();

 private:
  UnfinishedCopy(std::string path, const CopyOrigin& origin, std::unique_ptr<OutputFile> output);
  [[nodiscard]] uint64_t RecordAt(uint64_t sequence) const;
  // Whether a record was found that is of the same origin.
  [[nodiscard]] bool ReadRecords();
  // What the last record of the file tells of its origin, whatever that was.
  [[nodiscard]] std::optional<std::string> ReadOldState() const;
  Result<void> BeginAnew();
  Result<void> TakeSpace() const;
  void OpenDirect();
  Result<void> WriteRecord(uint64_t sequence, std::span<const uint64_t> present) const;

  const std::string path_;
  const std::string state_;
  const uint64_t identity_sum_;
  const uint64_t pack_bytes_;
  const uint64_t page_count_;
  const uint64_t bitmap_bytes_;  // a multiple of 4096
  const std::unique_ptr<OutputFile> output_;
  File direct_;  // the same file past the page cache; not open where that cannot be had
  bool is_kept_ = false;
  uint64_t sequence_ = 0;  // of the last record

  mutable Mutex mutex_;
  std::vector<uint64_t> present_ QUIRE_GUARDED_BY(mutex_);  // a bit for each page that was written
};

}  // namespace quire
