#include "tools/bench/formats_scratch.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "format/coding.h"
#include "format/file.h"
#include "format/output_file.h"
#include "fs/unmount.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

// Somebody's look into the mount, an indexer's say, is over by then.
constexpr int kUnmountTries = 20;
constexpr std::chrono::milliseconds kUnmountPause(250);

constexpr size_t kMostOutputBytes = 2000;

// What the program wrote to `output`, in one line.
std::string LastWords(const File& output) {
  std::array<std::byte, kMostOutputBytes> bytes{};
  const size_t count = output.ReadUpTo(0, bytes).value_or(0);
  std::string text(AsText(std::span(bytes).first(count)));
  while (text.ends_with('\n')) text.pop_back();
  return EscapeName(text);
}

// Runs "quire ARGUMENT..." to its end. Its output goes to an unnamed file in `scratch`: to a pipe a daemon that keeps
// it open would never end.
Result<void> RunQuire(const ScratchFolder& scratch, const std::vector<std::string>& arguments) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return SystemError(error.value(), "/proc/self/exe");
  const std::string program = self.parent_path() / "quire";
  const auto output = OpenUnnamed(scratch.path());
  if (!output) return std::unexpected(output.error());
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output->fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output->fd(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // In a group of its own: a Ctrl-C is for this process, which unmounts in its own time.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int spawned = posix_spawn(&child, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (spawned != 0) return SystemError(spawned, "{}", program);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return MakeError(ErrorCode::kSystem, "{}", LastWords(*output));
}

}  // namespace

Result<std::unique_ptr<ScratchFolder>> ScratchFolder::Make(const std::string& parent, uint64_t needed_bytes) {
  struct statvfs space{};
  if (statvfs(parent.c_str(), &space) != 0) return SystemError(errno, "{}", parent);
  if (const uint64_t free_bytes = space.f_bavail * space.f_frsize; free_bytes < needed_bytes)
    return SystemError(ENOSPC, "{}: {} are free, {} are needed: lower --limit-bytes, or name another folder by --work",
                       parent, FormatBytes(free_bytes), FormatBytes(needed_bytes));
  std::error_code error;
  const auto absolute = std::filesystem::absolute(parent, error);
  if (error) return SystemError(error.value(), "{}", parent);
  std::string path = absolute / "quire-bench-formats.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return SystemError(errno, "{}: making a folder", parent);
  return std::unique_ptr<ScratchFolder>(new ScratchFolder(std::move(path)));
}

ScratchFolder::~ScratchFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) fmt::print(stderr, "quire bench formats: {}: {}; please remove it\n", path_, error.message());
}

Result<std::unique_ptr<PackMount>> PackMount::Mount(const std::string& pack, const ScratchFolder& scratch) {
  std::string path = scratch / "mount";
  if (mkdir(path.c_str(), 0700) != 0) return SystemError(errno, "{}", path);
  if (auto mounted = RunQuire(scratch, {"mount", pack, path}); !mounted) return Propagate(std::move(mounted));
  return std::unique_ptr<PackMount>(new PackMount(std::move(path), scratch));
}

PackMount::~PackMount() {
  Result<void> unmounted;
  for (int tries = 0; tries < kUnmountTries; ++tries) {
    if (unmounted = RunQuire(scratch_, {"umount", path_}); unmounted) return;
    std::this_thread::sleep_for(kUnmountPause);
  }
  if (Unmount(path_, UnmountMode::kDetach)) return;
  fmt::print(stderr, "quire bench formats: {}; please unmount and remove {}\n", unmounted.error().message, path_);
}

}  // namespace quire::bench
