// The one folder that `quire bench formats` writes into, and the mount in it. Both go away with their owners, whatever
// happens but SIGKILL.
#pragma once

#include <memory>
#include <string>

#include "format/result.h"

namespace quire::bench {

class ScratchFolder {
 public:
  // A new folder "quire-bench-formats.XXXXXX" in `parent`, open to its owner only. kSystem/ENOSPC, with numbers, when
  // less than `needed_bytes` are free there.
  static Result<std::unique_ptr<ScratchFolder>> Make(const std::string& parent, uint64_t needed_bytes);
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();  // removes it with all that it holds; says on stderr when it cannot

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

class PackMount {
 public:
  // Runs `quire mount`, the program beside this one, over the new folder `scratch`/mount. The error is what it says.
  static Result<std::unique_ptr<PackMount>> Mount(const std::string& pack, const ScratchFolder& scratch);
  PackMount(const PackMount&) = delete;
  PackMount& operator=(const PackMount&) = delete;
  ~PackMount();  // unmounts; says on stderr when it cannot

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  PackMount(std::string path, const ScratchFolder& scratch) : path_(std::move(path)), scratch_(scratch) {}

  const std::string path_;
  const ScratchFolder& scratch_;
};

}  // namespace quire::bench
