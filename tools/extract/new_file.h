// SPDX-License-Identifier: Apache-2.0
// A file that appears under its name when it is whole: until then it has none, or a random one where the file system
// has no unnamed files.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "format/file.h"
#include "format/result.h"

namespace quire {

class NewFile {
 public:
  NewFile() = default;
  NewFile(NewFile&& other) noexcept { *this = std::move(other); }
  NewFile& operator=(NewFile&& other) noexcept;
  ~NewFile();  // what has no name by now is gone

  [[nodiscard]] const File& file() const { return file_; }

  // Gives the file its name in the folder it was made in. What is there under that name is replaced in one step if
  // `replace` says so, a symlink itself and not what it points to; else it is kept, and the error is kSystem, EEXIST.
  Result<void> Name(const std::string& name, bool replace);

 private:
  friend class FileMaker;
  NewFile(std::shared_ptr<const File> folder, File file, std::string temporary)
      : folder_(std::move(folder)), file_(std::move(file)), temporary_(std::move(temporary)) {}
  // 0 or an errno.
  [[nodiscard]] int Link(const std::string& name) const;

  std::shared_ptr<const File> folder_;
  File file_;
  std::string temporary_;  // its name, while it has that and no other
};

// Makes new files, and remembers what the file system can. Thread-safe.
class FileMaker {
 public:
  FileMaker();

  // A new file for writing, with `mode` as it is. `folder`: open for making entries. Errors: kSystem.
  Result<NewFile> Make(const std::shared_ptr<const File>& folder, unsigned mode);

 private:
  std::atomic<bool> has_unnamed_files_;
};

// A name that nothing else has, for a moment. Begins with kTemporaryPrefix.
inline constexpr const char* kTemporaryPrefix = ".quire-extract-";
std::string TemporaryName();

// Moves `from` to `to` in `folder`; 0 or an errno: EEXIST where something is there and `replace` is not given.
int RenameInFolder(const File& folder, const std::string& from, const std::string& to, bool replace);

}  // namespace quire
