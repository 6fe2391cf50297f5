// A file that appears under its name complete or not at all. It has no name while it is written (O_TMPFILE), so that
// even SIGKILL or a power cut leaves nothing behind; where the file system has no unnamed files it has a temporary one.
#pragma once

#include <memory>
#include <string>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// A new file in `folder` without a name, readable and writable; it ends with its descriptor.
Result<File> OpenUnnamed(const std::string& folder);

class OutputFile {
 public:
  // Checks that `path` can be made: kSystem/EEXIST where it is there and `replace` is not given.
  static Result<std::unique_ptr<OutputFile>> Create(const std::string& path, bool replace);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();  // an uncommitted file leaves nothing

  [[nodiscard]] const File& file() const { return file_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

  // Gives the file its name, and syncs the folder. REQUIRES: the bytes are synced.
  Result<void> Commit();

 private:
  OutputFile(std::string path, bool replace);
  [[nodiscard]] bool Rename() const;

  const std::string path_;
  const std::string folder_;
  const std::string temporary_;  // path: a name only while `has_temporary_name_`
  const bool replace_;
  bool has_temporary_name_ = false;
  File file_;
};

}  // namespace quire
