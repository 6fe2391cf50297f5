// SPDX-License-Identifier: Apache-2.0
// An archive that libarchive reads, from its first byte to its last. libarchive sees bytes of the file and nothing
// else: no other file is opened, no program is run.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "format/file.h"
#include "format/result.h"
#include "format/unpack/libarchive.h"

namespace quire {

// For who waits; both may be null.
struct UnpackWatch {
  std::atomic<uint64_t>* bytes_read = nullptr;     // of archives
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: reading ends with kInterrupted
};

// Not thread-safe; several may be used at once. Memory: 256 KiB, and what libarchive takes.
//
// Errors are kSystem where the file cannot be read and kInterrupted, which end the work, or kCorrupt: then it is the
// last member that is broken, or all that follows, as has_ended() tells. Their messages are fit for a terminal.
class ArchiveStream {
 public:
  enum class View {
    kMembers,       // those of an archive, compressed as a whole or not
    kDecompressed,  // one member without a name: all that comes out of the compression
  };

  // `file`, of `size_bytes`, outlives the stream, as does what `watch` points to. kUnsupported where libarchive is not
  // there. What kind of archive it is shows only with the first member.
  static Result<std::unique_ptr<ArchiveStream>> Open(const File& file, uint64_t size_bytes, View view,
                                                     const UnpackWatch& watch);
  ArchiveStream(const ArchiveStream&) = delete;
  ArchiveStream& operator=(const ArchiveStream&) = delete;
  ~ArchiveStream();

  // The next member, valid until the next call; null behind the last one.
  Result<archive_entry*> Next();

  struct Block {
    std::span<const std::byte> bytes;
    uint64_t offset = 0;  // in the member; blocks ascend, and what lies between them is a hole
  };
  // Of the member that Next gave; nothing behind the last one. The bytes are valid until the next call.
  Result<std::optional<Block>> NextBlock();

  // Nothing more can be read.
  [[nodiscard]] bool has_ended() const { return has_ended_; }
  // Bytes behind the end of the file were asked for: where an error ended the stream, the file is cut.
  [[nodiscard]] bool is_at_end_of_file() const { return is_at_end_of_file_; }
  // What is known after the first Next: whether it is an archive at all, a tar, and what all of it is compressed by.
  [[nodiscard]] bool is_archive() const;
  [[nodiscard]] bool is_tar() const;
  [[nodiscard]] std::string_view compression() const;  // "gzip"; empty where it is not
  [[nodiscard]] bool is_gzip_file() const;             // gzip and nothing around it

  [[nodiscard]] const Libarchive& library() const { return library_; }

 private:
  ArchiveStream(const Libarchive& library, const File& file, uint64_t size_bytes, const UnpackWatch& watch);

  void Begin(View view);
  std::unexpected<Error> Fail(int status);

  static la_ssize_t Read(archive* archive, void* stream, const void** bytes);
  static la_int64_t Skip(archive* archive, void* stream, la_int64_t bytes);
  static la_int64_t Seek(archive* archive, void* stream, la_int64_t offset, int whence);

  const Libarchive& library_;
  const File& file_;
  const uint64_t size_bytes_;
  const UnpackWatch watch_;
  archive* const archive_;
  std::unique_ptr<std::byte[]> buffer_;
  uint64_t at_ = 0;             // in the file
  std::optional<Error> fault_;  // of the file, which libarchive passes on as a number only
  bool is_at_end_of_file_ = false;
  int begin_status_ = ARCHIVE_OK;  // the first Next tells what was wrong
  unsigned failures_ = 0;          // one behind the other
  bool has_ended_ = false;
};

}  // namespace quire
