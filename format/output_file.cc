#include "format/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace quire {
namespace {

std::string ProcPath(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

// Only what has no unnamed files, or no /proc to name them through later, does without.
bool CanNameLater(const File& file) { return access(ProcPath(file.fd()).c_str(), F_OK) == 0; }

}  // namespace

Result<File> OpenUnnamed(const std::string& folder) {
  if (auto file = File::Open(folder, O_TMPFILE | O_RDWR, 0600)) return file;
  std::string name = folder + "/.quire-XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return SystemError(errno, "{}: making a temporary file", folder);
  unlink(name.c_str());
  return File(fd);
}

OutputFile::OutputFile(std::string path, bool replace)
    : path_(std::move(path)),
      folder_([&] {
        const auto parent = std::filesystem::path(path_).parent_path();
        return parent.empty() ? std::string(".") : parent.string();
      }()),
      temporary_(fmt::format("{}/.quire-{}.tmp", folder_, getpid())),
      replace_(replace) {}

Result<std::unique_ptr<OutputFile>> OutputFile::Create(const std::string& path, bool replace) {
  std::unique_ptr<OutputFile> output(new OutputFile(path, replace));
  struct stat status{};
  if (stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return SystemError(EISDIR, "{}", path);
    if (!replace) return SystemError(EEXIST, "{} (--force replaces it)", path);
  }
  if (auto unnamed = File::Open(output->folder_, O_TMPFILE | O_RDWR, 0666); unnamed && CanNameLater(*unnamed)) {
    output->file_ = std::move(*unnamed);
    return output;
  }
  auto named = File::Open(output->temporary_, O_CREAT | O_EXCL | O_RDWR, 0666);
  if (!named) return Propagate(std::move(named));
  output->file_ = std::move(*named);
  output->has_temporary_name_ = true;
  return output;
}

OutputFile::~OutputFile() {
  if (has_temporary_name_) unlink(temporary_.c_str());
}

// As rename(2), with errno; what appeared at the path meanwhile is kept unless it may be replaced.
bool OutputFile::Rename() const {
  if (replace_) return rename(temporary_.c_str(), path_.c_str()) == 0;
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) return true;
  // NFS does not know the flag, but has hard links.
  return errno == EINVAL && link(temporary_.c_str(), path_.c_str()) == 0 && unlink(temporary_.c_str()) == 0;
}

Result<void> OutputFile::Commit() {
  // link(2) does not replace, so a replacement takes a temporary name for the moment between the two calls.
  if (!has_temporary_name_) {
    const std::string& name = replace_ ? temporary_ : path_;
    if (linkat(AT_FDCWD, ProcPath(file_.fd()).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return SystemError(errno, "naming the finished file {}", name);
    has_temporary_name_ = replace_;
  }
  if (has_temporary_name_) {
    if (!Rename()) return SystemError(errno, "naming the finished file");
    has_temporary_name_ = false;
  }
  const auto folder = File::Open(folder_, O_RDONLY | O_DIRECTORY);
  if (!folder) return std::unexpected(folder.error());
  if (fsync(folder->fd()) != 0) return SystemError(errno, "{}: fsync", folder_);
  return {};
}

}  // namespace quire
