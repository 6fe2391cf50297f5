// SPDX-License-Identifier: Apache-2.0
// A file that becomes a volume of an index: opened, with its identity, and where the index says that it is.
#pragma once

#include <string>
#include <string_view>

#include "format/file.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

struct IndexedFile {
  File file;
  std::string real_path;  // absolute, without symlinks
  Volume volume;          // of kind kFile, all of the file, with its identity
};

// Neither a device nor a FIFO is opened. kInvalid where it is no regular file, kSystem; errors name `path`.
Result<IndexedFile> OpenIndexedFile(const std::string& path);

// kSystem where the file is not in the state that it was opened in.
Result<void> CheckSameState(const IndexedFile& indexed, const std::string& path);

// Relative where the file lies in `index_folder`, absolute and without symlinks, or below, so that both can be moved
// together.
std::string LocationOf(std::string_view real_path, const std::string& index_folder);

}  // namespace quire
