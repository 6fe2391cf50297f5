// SPDX-License-Identifier: Apache-2.0
// The functions of libarchive that Quire calls. The library is loaded when an archive is met that nothing else reads:
// what mounts, lists or extracts packs never has it in its memory.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "format/result.h"

// F(NAME) for each of them.
#define QUIRE_LIBARCHIVE_FUNCTIONS(F)     \
  F(archive_read_new)                     \
  F(archive_read_free)                    \
  F(archive_read_support_filter_bzip2)    \
  F(archive_read_support_filter_compress) \
  F(archive_read_support_filter_gzip)     \
  F(archive_read_support_filter_lz4)      \
  F(archive_read_support_filter_lzip)     \
  F(archive_read_support_filter_lzma)     \
  F(archive_read_support_filter_rpm)      \
  F(archive_read_support_filter_xz)       \
  F(archive_read_support_filter_zstd)     \
  F(archive_read_support_format_7zip)     \
  F(archive_read_support_format_ar)       \
  F(archive_read_support_format_cab)      \
  F(archive_read_support_format_cpio)     \
  F(archive_read_support_format_iso9660)  \
  F(archive_read_support_format_lha)      \
  F(archive_read_support_format_rar)      \
  F(archive_read_support_format_rar5)     \
  F(archive_read_support_format_raw)      \
  F(archive_read_support_format_tar)      \
  F(archive_read_support_format_xar)      \
  F(archive_read_support_format_zip)      \
  F(archive_read_set_read_callback)       \
  F(archive_read_set_skip_callback)       \
  F(archive_read_set_seek_callback)       \
  F(archive_read_set_callback_data)       \
  F(archive_read_open1)                   \
  F(archive_read_next_header)             \
  F(archive_read_data_block)              \
  F(archive_set_error)                    \
  F(archive_error_string)                 \
  F(archive_format)                       \
  F(archive_filter_code)                  \
  F(archive_filter_name)                  \
  F(archive_entry_pathname)               \
  F(archive_entry_filetype)               \
  F(archive_entry_hardlink)               \
  F(archive_entry_symlink)                \
  F(archive_entry_perm)                   \
  F(archive_entry_uid)                    \
  F(archive_entry_gid)                    \
  F(archive_entry_mtime)                  \
  F(archive_entry_mtime_nsec)             \
  F(archive_entry_size)                   \
  F(archive_entry_size_is_set)            \
  F(archive_entry_is_encrypted)           \
  F(archive_entry_xattr_reset)            \
  F(archive_entry_xattr_next)

namespace quire {

// A member for each function, of its name.
struct Libarchive {
#define QUIRE_DECLARE(name) decltype(&::name) name = nullptr;
  QUIRE_LIBARCHIVE_FUNCTIONS(QUIRE_DECLARE)
#undef QUIRE_DECLARE
};

// The library, which is loaded by the first call and stays. kUnsupported, with the remedy, where it is not there.
// Thread-safe.
Result<const Libarchive*> LoadLibarchive();

}  // namespace quire
