// SPDX-License-Identifier: Apache-2.0
// The paths of members of zip archives. APPNOTE.TXT 6.3.10, Appendix D, says that names are CP437 unless they are
// marked as UTF-8; programs of unix write the bytes of their file system, which are UTF-8 almost everywhere, and mark
// nothing.
#pragma once

#include <string>
#include <string_view>

#include "format/import/zip_records.h"

namespace quire {

// Puts the path of `entry` into `path`. It is
//  - the name as it stands there where flag bit 11 (4.4.4) marks it as UTF-8, valid or not,
//  - else that of the Unicode Path field (4.6.9), if the sum in the field is that of the name,
//  - else the name as it stands there where it is ASCII, or valid UTF-8 from a host that is unix,
//  - else the name, taken as CP437.
// Backslashes of a DOS or Windows host become slashes, which 4.4.17.1 asks for and old programs of .NET did not write.
void DecodeZipPath(const ZipEntry& entry, const ZipExtra& extra, std::string& path);

// Appends `text` of code page 437 to `utf8`.
void AppendCp437(std::string_view text, std::string& utf8);

}  // namespace quire
