// SPDX-License-Identifier: Apache-2.0
#include "fs/life/session.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <future>
#include <string_view>
#include <system_error>
#include <utility>

#include "cache/background_thread.h"
#include "format/import/left_out.h"
#include "format/pack/path_resolver.h"
#include "fs/guard/syscall_filter.h"
#include "fs/life/bdi_readahead.h"
#include "fs/life/libfuse_log.h"
#include "fs/mounts/daemon_presence.h"
#include "fs/mounts/mount_table.h"
#include "fs/mounts/mount_turn.h"
#include "fs/serve/attributes.h"

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

// What a step of ending by a signal is called in the log, where it fails.
constexpr const char* kSignalSteps = "quire-signals";

// While it lives, SIGUSR1 interrupts what this thread waits for, and does nothing else: whatever the process inherited
// from the one that started it. Threads that are started meanwhile inherit that.
class Interruptible {
 public:
  Interruptible() {
    struct sigaction nothing = {};
    nothing.sa_handler = [](int) {};
    sigaction(SIGUSR1, &nothing, &action_before_);
    sigemptyset(&interrupt_);
    sigaddset(&interrupt_, SIGUSR1);
    sigset_t before;
    pthread_sigmask(SIG_UNBLOCK, &interrupt_, &before);
    was_blocked_ = sigismember(&before, SIGUSR1) == 1;
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  ~Interruptible() {
    if (was_blocked_) pthread_sigmask(SIG_BLOCK, &interrupt_, nullptr);
    sigaction(SIGUSR1, &action_before_, nullptr);
  }

 private:
  struct sigaction action_before_ = {};
  sigset_t interrupt_;
  bool was_blocked_ = false;
};

constexpr const char* kSelinuxFolder = "/sys/fs/selinux";

// "context=a:b,c" as the kernel takes it: a value with commas in quotes.
std::string QuoteContext(const std::string& option) {
  if (!option.contains(',')) return option;
  const size_t value = option.find('=') + 1;
  return fmt::format("{}\"{}\"", option.substr(0, value), option.substr(value));
}

std::string LibfuseOptions(const std::string& source, const MountOptions& options, bool by_uring) {
  std::string list = "ro,subtype=quire,fsname=" + EscapeOption(source);
  if (options.allow_other) list += ",allow_other";
  if (options.allow_root) list += ",allow_root";
  if (options.default_permissions) list += ",default_permissions";
  if (!options.exec) list += ",noexec";
  if (options.suid) list += ",suid";
  if (options.dev) list += ",dev";
  if (access(kSelinuxFolder, F_OK) ==
      0) {  // where it is off, the kernel knows no such options; mount(8) drops them too
    for (const std::string& context : options.security_contexts) list += ',' + EscapeOption(QuoteContext(context));
  }
  if (by_uring) list += ",io_uring";
  return list;
}

// The directory of the pack that is to be mounted. Nothing can be reached in a mount whose root cannot be asked for.
Result<NodeNumber> FindRoot(const Pack& pack, const MountOptions& options) {
  const Index& index = pack.index();
  NodeNumber root = 0;
  if (!options.subdir.empty()) {
    const auto found = ResolvePath(index, options.subdir, LastSymlink::kFollow);
    if (!found) return MakeError(found.error().code, "option 'subdir': {}", found.error().message);
    root = *found;
  }
  const auto status = GetStat(index, root, options.overrides);
  if (!status)
    return MakeError(status.error().code, "{}: the folder that is to be mounted cannot be read: {}", pack.path(),
                     status.error().message);
  if (S_ISDIR(status->st_mode)) return root;
  if (options.subdir.empty()) return Corrupt("{}: the root of the pack is not a directory", pack.path());
  return MakeError(ErrorCode::kNotFound, "option 'subdir={}': this is not a folder of the pack", options.subdir);
}

// By a thread that may do no more than one of a daemon that serves, and so may those that it leaves behind. The thread
// that mounts must still be able to.
Result<std::unique_ptr<SampleReader>> OpenSamples(const Pack& pack, const CacheOptions& options) {
  try {
    return std::async(std::launch::async,
                      [&]() -> Result<std::unique_ptr<SampleReader>> {
                        ConfineThread({.volumes = pack.volume_fds(), .tier = options.tier});
                        return SampleReader::Open(pack, options);
                      })
        .get();
  } catch (const std::system_error& error) {
    return SystemError(error.code().value(), "cannot start a thread");
  }
}

// So many volumes that cannot be had are told one by one.
constexpr int kMostNotices = 10;

// An error where no volume can be had that holds anything: nothing could be read.
Result<void> CheckVolumes(const Pack& pack, const MountNotice& notice) {
  const auto own = pack.index().GetVolume(0);
  bool has_any = pack.volume_count() == 1 || !own || own->data_end > own->data_begin;
  std::vector<Error> errors;
  for (uint16_t volume = 1; volume < pack.volume_count(); ++volume) {
    if (pack.IsDecoded(volume)) {  // as its base, which is always there where that is the pack itself
      has_any = has_any || (pack.IsFramedHere(volume) && pack.CheckVolume(volume));
      continue;
    }
    if (const auto had = pack.CheckVolume(volume); had)
      has_any = true;
    else
      errors.push_back(had.error());
  }
  if (!has_any && !errors.empty()) return std::unexpected(errors.front());
  for (size_t i = 0; i < errors.size() && i < kMostNotices; ++i)
    notice(fmt::format("{}; what lies in it cannot be read", errors[i].message));
  if (errors.size() > kMostNotices)
    notice(fmt::format("so it is with {} further volumes", errors.size() - kMostNotices));
  return {};
}

uint64_t MeanSampleBytes(const Superblock& superblock) {
  return superblock.samples == 0 ? 0 : superblock.stored_bytes / superblock.samples;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Mount(std::unique_ptr<Pack> pack, const std::string& source,
                                                const std::string& mount_point, const MountOptions& options,
                                                const MountNotice& notice) {
  RouteLibfuseLog();
  if (auto checked = CheckVolumes(*pack, notice); !checked) return Propagate(std::move(checked));
  const auto turn = WaitForMountTurn(mount_point);
  if (!turn) return std::unexpected(turn.error());
  if (auto mountable = CheckMountable(mount_point, options, notice); !mountable) return Propagate(std::move(mountable));
  const auto root = FindRoot(*pack, options);
  if (!root) return std::unexpected(root.error());
  if (const auto left_out = DescribeLeftOut(pack->superblock())) notice(*left_out);
  auto unmounter = Unmounter::Start(mount_point);  // before the first thread
  if (!unmounter) return Propagate(std::move(unmounter));
  auto transport = ChooseTransport(options.transport, ProbeTransports(), MeanSampleBytes(pack->superblock()));
  if (!transport) return Propagate(std::move(transport));
  CacheOptions cache = options.cache;
  cache.push = options.push;
  cache.readers_keep = !options.direct_io;
  auto samples = OpenSamples(*pack, cache);
  if (!samples) return Propagate(std::move(samples));
  std::unique_ptr<Session> session(new Session(std::move(pack), *root, *std::move(samples), source, mount_point,
                                               options, *std::move(transport), *std::move(unmounter)));
  if (auto started = session->Start(); !started) return Propagate(std::move(started));
  session->confinement_ =
      ConfineThread({.volumes = session->pack_->volume_fds(),
                     .mount_point = mount_point,
                     .log_file = options.log_file,
                     .kernel_switch = options.read_ahead_kb ? ReadAheadFile(session->device_) : std::string(),
                     .tier = options.cache.tier});
  return session;
}

Session::Session(std::unique_ptr<Pack> pack, NodeNumber root, std::unique_ptr<SampleReader> samples, std::string source,
                 std::string mount_point, MountOptions options, TransportChoice transport, Unmounter unmounter)
    : pack_(std::move(pack)),
      samples_(std::move(samples)),
      root_(root),
      source_(std::move(source)),
      mount_point_(std::move(mount_point)),
      options_(std::move(options)),
      transport_(std::move(transport)),
      unmounter_(std::move(unmounter)),
      feed_(*pack_, root, *samples_, mount_point_, options_.push, options_.follow),
      trace_pipe_(trace_, mount_point_, [this] { return MakeTraceHeader(); }),
      file_system_(*pack_, root, *samples_, feed_, trace_, [this] { trace_pipe_.LookedUp(); }, options_, transport_) {
  if (!options_.follow) return;
  follower_.emplace(*pack_, *samples_, feed_);
  file_system_.SetFollower(*follower_);
}

Session::~Session() {
  samples_->Cancel();
  StopFeeds();
  Stop();
}

Result<void> Session::Start() {
  const fuse_lowlevel_ops operations = FileSystem::Operations();
  std::string program = "quire";
  std::string flag = "-o";
  std::string options = LibfuseOptions(source_, options_, transport_.uring);
  std::array<char*, 4> words = {program.data(), flag.data(), options.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(3, words.data());
  session_ = fuse_session_new(&arguments, &operations, sizeof(operations), &file_system_);
  fuse_opt_free_args(&arguments);
  if (session_ == nullptr) return MakeError(ErrorCode::kSystem, "libfuse refused the session: {}", TakeLibfuseError());
  file_system_.Attach(session_);
  // Before mounting: a signal that comes in between must not leave a mount without a daemon.
  signals_.emplace();
  if (fuse_session_mount(session_, mount_point_.c_str()) != 0) {
    const std::string cause = TakeLibfuseError();
    return MakeError(ErrorCode::kSystem, "mounting at '{}' failed: {}", mount_point_,
                     cause.empty() ? "see above" : cause);
  }
  mounted_ = true;
  if (const auto mount = FindMount(mount_point_); mount && *mount) {
    device_ = (*mount)->device;
    presence_ = AnnounceDaemon(device_);
  }
  return {};
}

// Reads may still be parked, which the kernel no longer waits for once the mount is gone: unmounting first keeps a slow
// disk from delaying that. Their answers then fail, and nobody misses them. Each holds a clone of the connection, and
// gives it back when it is answered; the engine's threads do so whatever this thread waits for.
void Session::Stop() {
  if (mounted_) {
    if (!is_detached_) Detach();
    Disconnect();
    fuse_session_unmount(session_);
  }
  mounted_ = false;
  signals_.reset();
  if (session_ == nullptr) return;
  file_system_.Drain();
  fuse_session_destroy(session_);
  session_ = nullptr;
  if (greeter_.joinable()) greeter_.join();  // now that the connection is gone, nothing keeps it
}

// First of all the mount goes away. What comes then may wait for the disk: the feed's threads for an index block, or
// for the kernel, which waits for a read; the loop's threads for an index block.
void Session::StopBySignal(int signal, pthread_t loop_thread) {
  signal_ = signal;
  RunStep(kSignalSteps, [this] { Detach(); });
  samples_->Cancel();                              // what a server keeps waiting is answered with an error
  RunStep(kSignalSteps, [this] { StopFeeds(); });  // while requests are still answered
  EndLoop(loop_thread);
}

void Session::Detach() {
  if (!IsConnected()) return;
  const auto mount = FindMount(mount_point_);
  if (mount && device_ != 0 && (!*mount || (*mount)->device != device_)) {
    is_detached_ = true;  // somebody has done it, or another mount lies on ours, which nobody can take from below it
    return;
  }
  const auto unmounted = unmounter_.Unmount(UnmountMode::kDetach);
  is_detached_ = unmounted.has_value();
  if (!unmounted) spdlog::warn("{}", unmounted.error().message);
}

bool Session::IsConnected() const {
  pollfd connection = {fuse_session_fd(session_), 0, 0};
  return poll(&connection, 1, 0) <= 0 || (connection.revents & POLLERR) == 0;
}

// libfuse would unmount what is there now, which may be another mount. It does not where the connection tells of an
// error, as one does whose mount is gone: so it gets a descriptor that does, and the connection is closed.
void Session::Disconnect() {
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
  const File output(ends[0]);
  const File input(ends[1]);
  dup3(input.fd(), fuse_session_fd(session_), O_CLOEXEC);
}

// libfuse's loop waits for a semaphore until a signal interrupts it, and looks at the flag; a signal that comes between
// the look and the wait is lost, so it is sent until the loop has ended.
void Session::EndLoop(pthread_t loop_thread) {
  fuse_session_exit(session_);
  while (is_looping_.load()) {
    pthread_kill(loop_thread, SIGUSR1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Result<void> Session::StartGreeting(std::function<void(const Result<void>& answered)> greeted) {
  auto thread = StartBackgroundThread("quire-greeter", [this, greeted = std::move(greeted)] { greeted(Greet()); });
  if (!thread) return Propagate(std::move(thread));
  greeter_ = *std::move(thread);
  return {};
}

Result<void> Session::Greet() const {
  struct statvfs unused = {};
  if (statvfs(mount_point_.c_str(), &unused) != 0)
    return SystemError(errno, "the mount at '{}' does not answer", mount_point_);
  if (has_ended_) return SystemError(ENOTCONN, "the mount at '{}' was taken away at once", mount_point_);
  // Where nobody asks for another one, the kernel's 128 KiB stay: a file of 1.5 GB came in order, cold, at 1.69 GB/s
  // with it (median of three rounds), at 1.26, 1.16 and 0.92 GB/s with 512, 1024 and 4096 KiB, each with a wide
  // spread.
  if (options_.read_ahead_kb) {
    const auto set = SetReadAhead(device_, *options_.read_ahead_kb);
    if (!set) spdlog::warn("read_ahead_kb={}: {}: only root may", *options_.read_ahead_kb, set.error().message);
  }
  return {};
}

Result<void> Session::StartIdleWatch() {
  if (options_.idle_timeout.count() == 0) return {};
  return idle_watch_.Start(mount_point_, device_, unmounter_, options_.idle_timeout,
                           [this] { return file_system_.TakeUse(); });
}

void Session::StopFeeds() {
  if (follower_) follower_->Stop();
  trace_pipe_.Stop();
  feed_.Stop();
}

TraceHeader Session::MakeTraceHeader() const {
  const Superblock& superblock = pack_->superblock();
  PageCache& cache = samples_->cache();
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return {.began_ns = static_cast<uint64_t>(std::chrono::nanoseconds(since_1970).count()),
          .page_bytes = kPageBytes,
          .pages = cache.page_count(),
          .pack_bytes = superblock.pack_bytes,
          .generation = superblock.generation,
          .root_sum = superblock.root_sum,
          .samples = superblock.samples,
          .stored_bytes = superblock.stored_bytes,
          .page_slots = cache.page_slots(),
          .slabs = static_cast<uint32_t>(cache.slab_bytes() / kPageBytes),
          .policy = options_.cache.policy,
          .admission = options_.cache.admission,
          .push = options_.push,
          .readahead = options_.cache.readahead,
          .readers_keep = !options_.direct_io,
          .pack_path = pack_->path()};
}

Result<void> Session::Serve(SessionEvents events) {
  spdlog::info("mounted '{}' at '{}': {} samples, {} threads", source_, mount_point_, pack_->superblock().samples,
               options_.threads);
  if (const auto left_out = DescribeLeftOut(pack_->superblock())) spdlog::warn("{}", *left_out);
  spdlog::info("transport: {}", transport_.Describe());
  spdlog::info("privileges: {}", confinement_.privileges);
  spdlog::info("files: {}", confinement_.files);
  for (const std::string& line : samples_->Describe()) spdlog::info("{}", line);
  if (!file_system_.HasControlFiles())
    spdlog::info("no control files: the pack has an entry '/{}' of its own", kControlFolderName);
  if (auto started = feed_.Start(session_, device_); !started) return started;
  if (auto started = trace_pipe_.Start(device_); !started) return started;
  if (follower_)
    if (auto started = follower_->Start(session_, root_); !started) return started;
  if (auto started = StartGreeting(std::move(events.greeted)); !started) return started;
  if (auto started = StartIdleWatch(); !started) return started;
  const Interruptible interruptible;
  is_looping_ = true;
  const auto listening = signals_->Listen(std::move(events.hangup), [this, loop_thread = pthread_self()](int signal) {
    StopBySignal(signal, loop_thread);
  });
  if (!listening) return listening;
  const TierOptions& tier = options_.cache.tier;
  const std::string system_calls = FilterServingCalls({.makes_rings = transport_.uring,
                                                       .connects = pack_->bytes() != nullptr || !tier.peers.empty(),
                                                       .keeps_tier = !tier.directory.empty()});
  spdlog::info("system calls: {}", system_calls);
  file_system_.SetFacts({.source = source_,
                         .mount_point = mount_point_,
                         .privileges = confinement_.privileges,
                         .files = confinement_.files,
                         .system_calls = system_calls});
  fuse_loop_config* const config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 1);  // a queue lock for each thread instead of one for all
  fuse_loop_cfg_set_max_threads(config, options_.threads);
  fuse_loop_cfg_set_idle_threads(config, options_.threads);  // never end a thread that the next burst will want
  const int result = fuse_session_loop_mt(session_, config);
  is_looping_ = false;
  has_ended_ = true;  // before another folder can be seen where the mount was
  fuse_loop_cfg_destroy(config);
  signals_->Ignore();
  idle_watch_.Stop();
  samples_->Cancel();
  StopFeeds();  // again, where nobody has: the mount is gone
  Stop();
  if (result < 0) {
    // -1 is no errno: what libfuse has logged tells why.
    const std::string cause = TakeLibfuseError();
    return MakeError(ErrorCode::kSystem, "serving '{}' at '{}' ended: {}", source_, mount_point_,
                     cause.empty() ? ReasonOf(-result) : cause);
  }
  spdlog::info("unmounted '{}' from '{}' {}: {} requests failed", source_, mount_point_,
               signal_ > 0 ? fmt::format("after signal {}", signal_.load()) : "on request",
               file_system_.failed_requests());
  return {};
}

}  // namespace quire
