// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/archive_stream.h"

#include <clocale>
#include <cstdio>
#include <limits>

#include "format/escaping.h"

namespace quire {
namespace {

// A disk reads so much at once nearly as fast as more.
constexpr size_t kReadBytes = 256 << 10;
// After an error libarchive may find further members. In one archive that is all errors it need not be asked for ever.
constexpr unsigned kMaxFailures = 1000;

// Names that an archive has in UTF-16 or UTF-8 become bytes by the locale of the thread, and without one that has all
// of Unicode they are lost.
class UnicodeLocale {
 public:
  UnicodeLocale() {
    static const locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (unicode != nullptr) before_ = uselocale(unicode);
  }
  UnicodeLocale(const UnicodeLocale&) = delete;
  UnicodeLocale& operator=(const UnicodeLocale&) = delete;
  ~UnicodeLocale() {
    if (before_ != nullptr) uselocale(before_);
  }

 private:
  locale_t before_ = nullptr;
};

}  // namespace

ArchiveStream::ArchiveStream(const Libarchive& library, const File& file, uint64_t size_bytes, const UnpackWatch& watch)
    : library_(library),
      file_(file),
      size_bytes_(size_bytes),
      watch_(watch),
      archive_(library.archive_read_new()),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kReadBytes)) {}

ArchiveStream::~ArchiveStream() { library_.archive_read_free(archive_); }

Result<std::unique_ptr<ArchiveStream>> ArchiveStream::Open(const File& file, uint64_t size_bytes, View view,
                                                           const UnpackWatch& watch) {
  const auto library = LoadLibarchive();
  if (!library) return std::unexpected(library.error());
  std::unique_ptr<ArchiveStream> stream(new ArchiveStream(**library, file, size_bytes, watch));
  if (stream->archive_ == nullptr) return SystemError(ENOMEM, "libarchive");
  stream->Begin(view);
  return stream;
}

void ArchiveStream::Begin(View view) {
  // Not all that libarchive has. mtree names files outside of the archive whose bytes it wants, lrzip and grzip are
  // programs that it runs, and uuencoded text may be of anything.
  for (const auto support : {library_.archive_read_support_filter_bzip2, library_.archive_read_support_filter_compress,
                             library_.archive_read_support_filter_gzip, library_.archive_read_support_filter_lz4,
                             library_.archive_read_support_filter_lzip, library_.archive_read_support_filter_lzma,
                             library_.archive_read_support_filter_rpm, library_.archive_read_support_filter_xz,
                             library_.archive_read_support_filter_zstd})
    support(archive_);
  if (view == View::kDecompressed)
    library_.archive_read_support_format_raw(archive_);
  else
    for (const auto support : {library_.archive_read_support_format_7zip, library_.archive_read_support_format_ar,
                               library_.archive_read_support_format_cab, library_.archive_read_support_format_cpio,
                               library_.archive_read_support_format_iso9660, library_.archive_read_support_format_lha,
                               library_.archive_read_support_format_rar, library_.archive_read_support_format_rar5,
                               library_.archive_read_support_format_tar, library_.archive_read_support_format_xar,
                               library_.archive_read_support_format_zip})
      support(archive_);
  library_.archive_read_set_read_callback(archive_, Read);
  library_.archive_read_set_skip_callback(archive_, Skip);
  library_.archive_read_set_seek_callback(archive_, Seek);
  library_.archive_read_set_callback_data(archive_, this);
  const UnicodeLocale locale;
  begin_status_ = library_.archive_read_open1(archive_);
}

la_ssize_t ArchiveStream::Read(archive* archive, void* stream, const void** bytes) {
  auto& self = *static_cast<ArchiveStream*>(stream);
  if (self.watch_.interrupted != nullptr && *self.watch_.interrupted)
    self.fault_ = Error{.code = ErrorCode::kInterrupted, .message = "interrupted"};
  // What another program appends meanwhile is no part of the archive.
  const std::span into(self.buffer_.get(), std::min<uint64_t>(kReadBytes, self.size_bytes_ - self.at_));
  const auto got = self.fault_ ? std::unexpected(*self.fault_) : self.file_.ReadUpTo(self.at_, into);
  if (!got) {
    self.fault_ = got.error();
    self.library_.archive_set_error(archive, EIO, "%s", "the file cannot be read");
    return ARCHIVE_FATAL;
  }
  self.at_ += *got;
  self.is_at_end_of_file_ = *got == 0;
  if (self.watch_.bytes_read != nullptr) *self.watch_.bytes_read += *got;
  *bytes = self.buffer_.get();
  return static_cast<la_ssize_t>(*got);
}

la_int64_t ArchiveStream::Skip(archive* /*archive*/, void* stream, la_int64_t bytes) {
  auto& self = *static_cast<ArchiveStream*>(stream);
  if (bytes <= 0) return 0;
  const uint64_t skipped = std::min(static_cast<uint64_t>(bytes), self.size_bytes_ - self.at_);
  self.at_ += skipped;
  if (self.watch_.bytes_read != nullptr) *self.watch_.bytes_read += skipped;
  return static_cast<la_int64_t>(skipped);
}

la_int64_t ArchiveStream::Seek(archive* /*archive*/, void* stream, la_int64_t offset, int whence) {
  auto& self = *static_cast<ArchiveStream*>(stream);
  const uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? self.at_ : self.size_bytes_;
  const bool is_inside = offset < 0 ? uint64_t{0} - static_cast<uint64_t>(offset) <= base
                                    : static_cast<uint64_t>(offset) <= self.size_bytes_ - base;
  if (!is_inside) return ARCHIVE_FATAL;
  self.at_ = base + static_cast<uint64_t>(offset);
  return static_cast<la_int64_t>(self.at_);
}

std::unexpected<Error> ArchiveStream::Fail(int status) {
  if (status == ARCHIVE_FATAL || fault_ || ++failures_ > kMaxFailures) has_ended_ = true;
  if (fault_) return std::unexpected(*fault_);
  const char* const reason = library_.archive_error_string(archive_);
  return Corrupt("{}", reason == nullptr ? "it is broken" : EscapeLine(reason));
}

Result<archive_entry*> ArchiveStream::Next() {
  if (has_ended_) return nullptr;
  if (begin_status_ != ARCHIVE_OK && begin_status_ != ARCHIVE_WARN) return Fail(ARCHIVE_FATAL);
  archive_entry* entry = nullptr;
  const UnicodeLocale locale;
  const int status = library_.archive_read_next_header(archive_, &entry);
  if (status == ARCHIVE_EOF) {
    has_ended_ = true;
    return nullptr;
  }
  // After a warning the member is there, but for what cannot be told of it.
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return Fail(status);
  failures_ = 0;
  return entry;
}

Result<std::optional<ArchiveStream::Block>> ArchiveStream::NextBlock() {
  while (true) {
    if (watch_.interrupted != nullptr && *watch_.interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
    const void* bytes = nullptr;
    size_t length = 0;
    la_int64_t offset = 0;
    const int status = library_.archive_read_data_block(archive_, &bytes, &length, &offset);
    if (status == ARCHIVE_EOF) return std::nullopt;
    if (status != ARCHIVE_OK) return Fail(status);  // a warning is of a sum that differs
    if (offset < 0) return Corrupt("it has bytes before its first");
    if (length > 0)
      return Block{.bytes = {static_cast<const std::byte*>(bytes), length}, .offset = static_cast<uint64_t>(offset)};
  }
}

bool ArchiveStream::is_archive() const { return library_.archive_format(archive_) != 0; }

bool ArchiveStream::is_tar() const {
  return (library_.archive_format(archive_) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
}

bool ArchiveStream::is_gzip_file() const {
  return library_.archive_filter_code(archive_, 0) == ARCHIVE_FILTER_GZIP &&
         library_.archive_filter_code(archive_, 1) == ARCHIVE_FILTER_NONE;
}

std::string_view ArchiveStream::compression() const {
  if (library_.archive_filter_code(archive_, 0) == ARCHIVE_FILTER_NONE) return {};
  const char* const name = library_.archive_filter_name(archive_, 0);
  return name == nullptr ? "a program" : name;  // which is forgotten where the first bytes are broken
}

}  // namespace quire
