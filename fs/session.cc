#include "fs/session.h"

#include <spdlog/spdlog.h>

#include <array>
#include <string_view>
#include <utility>

#include "fs/daemon_presence.h"
#include "fs/libfuse_log.h"
#include "fs/mount_preflight.h"
#include "fs/mount_table.h"

namespace quire {
namespace {

// libfuse splits its options at commas, and takes a backslash as an escape.
std::string EscapeOption(std::string_view value) {
  std::string escaped;
  for (const char byte : value) {
    if (byte == ',' || byte == '\\') escaped += '\\';
    escaped += byte;
  }
  return escaped;
}

std::string LibfuseOptions(const std::string& pack_path, const MountOptions& options) {
  std::string list = "ro,subtype=quire,fsname=" + EscapeOption(pack_path);
  if (options.allow_other) list += ",allow_other";
  if (options.allow_root) list += ",allow_root";
  if (options.default_permissions) list += ",default_permissions";
  return list;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Mount(const std::string& pack_path, const std::string& mount_point,
                                                const MountOptions& options) {
  RouteLibfuseLog();
  auto pack = Pack::Open(pack_path);
  if (!pack) return Propagate(std::move(pack));
  if (auto mountable = CheckMountable(mount_point, options); !mountable) return Propagate(std::move(mountable));
  auto samples = SampleReader::Open(**pack, options.cache);
  if (!samples) return Propagate(std::move(samples));
  std::unique_ptr<Session> session(new Session(*std::move(pack), *std::move(samples), mount_point, options));
  if (auto started = session->Start(); !started) return Propagate(std::move(started));
  return session;
}

Session::Session(std::unique_ptr<Pack> pack, std::unique_ptr<SampleReader> samples, std::string mount_point,
                 const MountOptions& options)
    : pack_(std::move(pack)),
      samples_(std::move(samples)),
      mount_point_(std::move(mount_point)),
      options_(options),
      file_system_(*pack_, *samples_) {}

Session::~Session() { Stop(); }

Result<void> Session::Start() {
  const fuse_lowlevel_ops operations = FileSystem::Operations();
  std::string program = "quire";
  std::string flag = "-o";
  std::string options = LibfuseOptions(pack_->path(), options_);
  std::array<char*, 4> words = {program.data(), flag.data(), options.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(3, words.data());
  session_ = fuse_session_new(&arguments, &operations, sizeof(operations), &file_system_);
  fuse_opt_free_args(&arguments);
  if (session_ == nullptr) return MakeError(ErrorCode::kSystem, "libfuse refused the session: {}", TakeLibfuseError());
  // Before mounting: a signal that comes in between must not leave a mount without a daemon.
  if (fuse_set_signal_handlers(session_) != 0)
    return MakeError(ErrorCode::kSystem, "signal handlers: {}", TakeLibfuseError());
  catches_signals_ = true;
  if (fuse_session_mount(session_, mount_point_.c_str()) != 0) {
    const std::string cause = TakeLibfuseError();
    return MakeError(ErrorCode::kSystem, "mounting at '{}' failed: {}", mount_point_,
                     cause.empty() ? "see above" : cause);
  }
  mounted_ = true;
  if (const auto mount = FindMount(mount_point_); mount && *mount) presence_ = AnnounceDaemon((*mount)->device);
  return {};
}

// Reads may still be parked, which the kernel no longer waits for once the mount is gone: unmounting first keeps a slow
// disk from delaying that. Their answers then fail, and nobody misses them. Each holds a clone of the connection, and
// gives it back when it is answered; the engine's threads do so whatever this thread waits for.
void Session::Stop() {
  if (mounted_) fuse_session_unmount(session_);
  mounted_ = false;
  if (catches_signals_) fuse_remove_signal_handlers(session_);
  catches_signals_ = false;
  if (session_ == nullptr) return;
  file_system_.Drain();
  fuse_session_destroy(session_);
  session_ = nullptr;
}

Result<void> Session::Serve() {
  spdlog::info("mounted '{}' at '{}': {} samples, {} threads", pack_->path(), mount_point_, pack_->superblock().samples,
               options_.threads);
  for (const std::string& line : samples_->Describe()) spdlog::info("{}", line);
  if (!file_system_.HasControlFiles())
    spdlog::info("no control files: the pack has an entry '/{}' of its own", kControlFolderName);
  fuse_loop_config* const config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 1);  // a queue lock for each thread instead of one for all
  fuse_loop_cfg_set_max_threads(config, options_.threads);
  fuse_loop_cfg_set_idle_threads(config, options_.threads);  // never end a thread that the next burst will want
  const int result = fuse_session_loop_mt(session_, config);
  fuse_loop_cfg_destroy(config);
  Stop();
  // A signal's number is positive.
  if (result < 0) return SystemError(-result, "serving '{}' at '{}' ended", pack_->path(), mount_point_);
  spdlog::info("unmounted '{}' from '{}' {}: {} requests failed", pack_->path(), mount_point_,
               result > 0 ? fmt::format("after signal {}", result) : "on request", file_system_.failed_requests());
  return {};
}

}  // namespace quire
