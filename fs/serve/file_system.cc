// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/file_system.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/steady_clock.h"
#include "format/per_thread.h"
#include "format/rounding.h"
#include "fs/serve/activity_report.h"
#include "fs/serve/metrics.h"

namespace quire {
namespace {

constexpr unsigned kStatFsBlockBytes = 4096;
// The kernel's default of 12 counts readahead too, and starves a few sequential readers. Three quarters of it mark the
// mount as congested, as the kernel's own defaults do.
constexpr unsigned kMaxBackground = 256;
constexpr unsigned kCongestionThreshold = kMaxBackground / 4 * 3;
// More than any kernel asks for in one readdir, and a bound on what one may make us allocate.
constexpr size_t kMaxListingBytes = 1 << 20;

// A method of the file system as a C callback, which no exception may leave.
template <auto kMethod, typename... Args>
void Answer(fuse_req_t request, Args... args) {
  const CancellationBlock block(request);
  Guard(request, [&] { (static_cast<FileSystem*>(fuse_req_userdata(request))->*kMethod)(request, args...); });
}

// The same of one that is timed while somebody looks. What is asked of control files is the looker's own.
template <auto kMethod, WatchedOperation kOperation, typename... Args>
void AnswerTimed(fuse_req_t request, fuse_ino_t inode, Args... args) {
  ReadWatch& watch = static_cast<FileSystem*>(fuse_req_userdata(request))->watch();
  const uint64_t began_ns = watch.is_on() && !IsControlInode(inode) ? NowNs() : 0;
  Answer<kMethod>(request, inode, args...);
  if (began_ns != 0) [[unlikely]]
    watch.Count(kOperation, began_ns, NowNs());
}

void Offer(fuse_conn_info* connection, unsigned capability) { connection->want |= connection->capable & capability; }

// Whether owners may be shifted for a container (mount_setattr(2)), in words for the log.
const char* AllowIdmappedMounts([[maybe_unused]] const MountOptions& options,
                                [[maybe_unused]] fuse_conn_info* connection) {
#ifdef FUSE_CAP_ALLOW_IDMAP
  // The kernel refuses the connection where it is asked for them without default_permissions.
  if (!options.default_permissions) return "no, without default_permissions";
  return fuse_set_feature_flag(connection, FUSE_CAP_ALLOW_IDMAP) ? "yes" : "no, the kernel does not know them";
#else
  return "no, this libfuse does not know them";
#endif
}

fuse_entry_param ToParam(const InodeEntry& entry) {
  fuse_entry_param param = {};
  param.ino = entry.status.st_ino;
  param.attr = entry.status;
  param.attr_timeout = kForeverS;
  param.entry_timeout = entry.keep_name_s;
  return param;
}

// Adds an entry to `buffer` in the form of the request; its bytes, which are more than the buffer's when it does not
// fit.
size_t AddEntry(fuse_req_t request, std::span<char> buffer, const ListedInode& entry, bool plus) {
  std::array<char, kMaxNameBytes + 1> name = {};
  entry.name.copy(name.data(), kMaxNameBytes);
  const auto cookie = static_cast<off_t>(entry.next_cookie);
  // Inode 0 tells the kernel of a name without attributes: it will look up, and get the error, when a program asks.
  fuse_entry_param param = {};
  param.attr.st_ino = entry.inode;
  param.attr.st_mode = entry.type;
  if (!plus) return fuse_add_direntry(request, buffer.data(), buffer.size(), name.data(), &param.attr, cookie);
  if (entry.entry) param = ToParam(*entry.entry);
  return fuse_add_direntry_plus(request, buffer.data(), buffer.size(), name.data(), &param, cookie);
}

}  // namespace

FileSystem::FileSystem(const Pack& pack, NodeNumber root, SampleReader& samples, KernelFeed& feed, ReadTrace& trace,
                       std::function<void()> trace_looked_up, const MountOptions& options, TransportChoice transport)
    : pack_(pack),
      samples_(samples),
      feed_(feed),
      options_(options),
      transport_(std::move(transport)),
      refusals_([this](fuse_ino_t inode) { return SpaceOf(inode).Describe(inode); }),
      waits_(options.slow, FiguresOf(pack.bytes()).has_value(),
             [this](fuse_ino_t inode) { return SpaceOf(inode).Describe(inode); }),
      watch_([this](NodeNumber number) { return tree_.FindFolder(number); }),
      pid_namespace_(PidNamespace()),
      reads_(samples, feed, trace, watch_, refusals_, waits_),
      tree_(pack, root, samples, feed, reads_, refusals_, options),
      page_map_(pack, samples),
      control_files_(MakeControlFiles(std::move(trace_looked_up)), options.control_for_all) {}

// What readers of samples wait for is never held for a control file: the figures are read without locks.
std::vector<ControlFile> FileSystem::MakeControlFiles(std::function<void()> trace_looked_up) {
  // The daemon's ends of the pipes hear of a look-up before it is answered: they look the pipe up as well, and
  // forget their own look-up once that is answered.
  constexpr mode_t kForAllToWrite = 0622;
  // Who reads what is for the user who mounted, whoever may use the folder.
  constexpr mode_t kForItsUser = 0600;
  constexpr mode_t kForItsUserToRead = 0400;
  return {
      {.name = "activity",
       .write =
           [this] {
             return FormatActivity(watch_.Look(NowNs()), pid_namespace_,
                                   [this](NodeNumber folder) { return tree_.NameFolder(folder); });
           },
       .mode = kForItsUserToRead},
      {.name = "config", .write = [this] { return FormatConfig(MakeConfig()); }},
      {.name = "metrics", .write = [this] { return FormatMetrics(MakeReport()); }},
      {.name = "pages", .write = [this] { return page_map_.Format(facts_.mount_point); }},
      {.name = kPlanName,
       .write = {},
       .mode = kForAllToWrite,
       .pipe_inode = kPlanInode,
       .looked_up = [this] { feed_.PlanLookedUp(); }},
      {.name = "stats", .write = [this] { return FormatReport(MakeReport()); }},
      {.name = kTraceName,
       .write = {},
       .mode = kForItsUser,
       .pipe_inode = kTraceInode,
       .looked_up = std::move(trace_looked_up)},
      {.name = "version", .write = [] { return std::string("quire " QUIRE_VERSION "\n"); }},
  };
}

// What is missing here is missing on purpose. libfuse answers FORGET and RELEASEDIR by itself; it answers ACCESS,
// FLUSH, FSYNC and POLL with ENOSYS, which makes the kernel do without from then on. The kernel answers all that writes
// with EROFS.
fuse_lowlevel_ops FileSystem::Operations() {
  fuse_lowlevel_ops operations = {};
  operations.init = Negotiate;
  operations.lookup = AnswerTimed<&FileSystem::Lookup, WatchedOperation::kLookup>;
  operations.forget = Answer<&FileSystem::Forget>;
  operations.forget_multi = Answer<&FileSystem::ForgetMany>;
  operations.getattr = AnswerTimed<&FileSystem::GetAttributes, WatchedOperation::kGetattr>;
  operations.readlink = AnswerTimed<&FileSystem::ReadLink, WatchedOperation::kReadlink>;
  operations.open = AnswerTimed<&FileSystem::Open, WatchedOperation::kOpen>;
  operations.read = Answer<&FileSystem::Read>;  // timed by SampleReads, since it may be answered later
  operations.ioctl = AnswerTimed<&FileSystem::Ioctl, WatchedOperation::kOther>;
  operations.lseek = AnswerTimed<&FileSystem::Seek, WatchedOperation::kOther>;
  operations.opendir = AnswerTimed<&FileSystem::OpenDirectory, WatchedOperation::kOpen>;
  operations.readdir = AnswerTimed<&FileSystem::ReadDirectory, WatchedOperation::kReaddir>;
  operations.readdirplus = AnswerTimed<&FileSystem::ReadDirectoryPlus, WatchedOperation::kReaddir>;
  operations.statfs = AnswerTimed<&FileSystem::StatFs, WatchedOperation::kOther>;
  operations.getxattr = AnswerTimed<&FileSystem::GetXattr, WatchedOperation::kGetxattr>;
  operations.listxattr = AnswerTimed<&FileSystem::ListXattr, WatchedOperation::kGetxattr>;
  return operations;
}

void FileSystem::Negotiate(void* file_system, fuse_conn_info* connection) {
  // Content is immutable: dropping cached bytes whenever attributes are asked anew would be for nothing.
  connection->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
  Offer(connection, FUSE_CAP_EXPLICIT_INVAL_DATA);
  // Always with attributes, or never: the kernel's guess (AUTO) turns every stat of a cached directory into a lookup.
  connection->want &= ~(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
  auto& self = *static_cast<FileSystem*>(file_system);
  if (self.options_.readdirplus) Offer(connection, FUSE_CAP_READDIRPLUS);
  Offer(connection, FUSE_CAP_CACHE_SYMLINKS);
  Offer(connection, FUSE_CAP_ASYNC_READ);
  // Servers of NFS keep handles of files that the kernel forgets: it asks for them by "." and "..".
  Offer(connection, FUSE_CAP_EXPORT_SUPPORT);
  spdlog::info("idmapped mounts: {}", AllowIdmappedMounts(self.options_, connection));
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kCongestionThreshold;
  self.transport_ = SettleTransport(std::move(self.transport_), *connection);
  // To bypass the page cache is a flag of each open.
  self.kernel_skips_open_ = !self.options_.direct_io && (connection->capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0;
  self.kernel_skips_opendir_ = (connection->capable & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0;
}

void FileSystem::Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const std::string_view wanted = name;
  if (wanted.size() > kMaxNameBytes) {
    fuse_reply_err(request, ENAMETOOLONG);
    return;
  }
  if (parent == FUSE_ROOT_ID && wanted == kControlFolderName && HasControlFiles()) {
    const fuse_entry_param folder = ToParam(control_files_.FolderEntry());
    fuse_reply_entry(request, &folder);
    return;
  }
  InodeSpace& space = SpaceOf(parent);
  const auto entry = space.Lookup(parent, wanted);
  if (!entry) return refusals_.Refuse(request, "lookup in", parent, entry.error());
  space.NoteUse();
  const fuse_entry_param param = ToParam(*entry);
  fuse_reply_entry(request, &param);
}

void FileSystem::GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
  const auto status = SpaceOf(inode).GetStat(inode);
  if (!status) return refusals_.Refuse(request, "stat", inode, status.error());
  fuse_reply_attr(request, &*status, kForeverS);
}

void FileSystem::ReadLink(fuse_req_t request, fuse_ino_t inode) {
  const auto target = SpaceOf(inode).ReadLink(inode);
  if (!target) return refusals_.Refuse(request, "readlink", inode, target.error());
  fuse_reply_readlink(request, target->c_str());
}

void FileSystem::Open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  if ((file->flags & O_ACCMODE) != O_RDONLY) {
    fuse_reply_err(request, EROFS);
    return;
  }
  // ENOSYS: there is nothing to open, and the kernel does not ask again. It saves two messages of three for a small
  // file.
  if (kernel_skips_open_) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  file->keep_cache = 1;
  file->direct_io = SpaceOf(inode).IsDirect() ? 1 : 0;
  fuse_reply_open(request, file);
}

void FileSystem::Read(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset, fuse_file_info* /*file*/) {
  InodeSpace& space = SpaceOf(inode);
  space.NoteUse();
  space.Read(request, inode, bytes, offset);
}

void FileSystem::Forget(fuse_req_t request, fuse_ino_t inode, uint64_t lookups) {
  SpaceOf(inode).Forget(inode, lookups);
  fuse_reply_none(request);
}

void FileSystem::ForgetMany(fuse_req_t request, size_t count, fuse_forget_data* forgotten) {
  for (const fuse_forget_data& entry : std::span(forgotten, count)) SpaceOf(entry.ino).Forget(entry.ino, entry.nlookup);
  fuse_reply_none(request);
}

MountReport FileSystem::MakeReport() const {
  return {.pack_path = pack_.path(),
          .source = facts_.source,
          .mount_point = facts_.mount_point,
          .generation = pack_.superblock().generation,
          .follow = follower_ == nullptr ? std::nullopt : std::optional(follower_->figures()),
          .uptime_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - since_).count(),
          .transport = transport_.Describe(),
          .parked_requests = reads_.parked(),
          .failed_requests = failed_requests(),
          .cache = samples_.GetStats(),
          .cache_lines = samples_.Describe(),
          .feed = feed_.figures(),
          .waits = waits_.figures(),
          .remote = FiguresOf(pack_.bytes()),
          .tier = samples_.tier_figures()};
}

MountConfig FileSystem::MakeConfig() const {
  const Residency& residency = samples_.cache().residency();
  const auto tier = samples_.tier_figures();
  return {.facts = facts_,
          .pack_path = pack_.path(),
          .options = options_,
          .transport = transport_,
          .reader = samples_.GetChoices(),
          .feed = feed_.figures(),
          .has_room = residency.HasRoom(),
          .is_stream = residency.IsStream(),
          .sample_bytes = residency.sample_bytes(),
          .is_remote = FiguresOf(pack_.bytes()).has_value(),
          .tier_bytes = tier ? tier->most_bytes : 0};
}

// No sample knows any. The first thing of all, since CPython before 3.14 asks each file that it opens whether it is a
// terminal, and no answer makes the kernel stop asking.
void FileSystem::Ioctl(fuse_req_t request, fuse_ino_t /*inode*/, unsigned /*command*/, void* /*argument*/,
                       fuse_file_info* /*file*/, unsigned /*flags*/, const void* /*input*/, size_t /*input_bytes*/,
                       size_t /*output_bytes*/) {
  fuse_reply_err(request, ENOTTY);
}

void FileSystem::Seek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence, fuse_file_info* /*file*/) {
  // Without holes the kernel needs no help, and asks no more once it has heard so.
  if (!tree_.MayHaveHoles()) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  const auto found = SpaceOf(inode).FindDataOrHole(inode, offset, whence);
  if (!found) return refusals_.Refuse(request, "seek in", inode, found.error());
  if (*found < 0) {
    fuse_reply_err(request, ENXIO);
    return;
  }
  fuse_reply_lseek(request, *found);
}

void FileSystem::OpenDirectory(fuse_req_t request, fuse_ino_t /*inode*/, fuse_file_info* file) {
  if (kernel_skips_opendir_) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  file->keep_cache = 1;  // the listings that the kernel has kept stay true
  file->cache_readdir = 1;
  fuse_reply_open(request, file);
}

void FileSystem::ReadDirectory(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie,
                               fuse_file_info* /*file*/) {
  List(request, inode, bytes, cookie, false);
}

void FileSystem::ReadDirectoryPlus(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie,
                                   fuse_file_info* /*file*/) {
  List(request, inode, bytes, cookie, true);
}

void FileSystem::StatFs(fuse_req_t request, fuse_ino_t /*inode*/) {
  struct statvfs status = {};
  status.f_bsize = kStatFsBlockBytes;
  status.f_frsize = kStatFsBlockBytes;
  const Superblock& superblock = pack_.superblock();
  status.f_blocks = CeilDiv(std::max(superblock.pack_bytes, superblock.stored_bytes), kStatFsBlockBytes);
  status.f_files = superblock.samples + superblock.symlinks + superblock.hard_links + superblock.tree_directories();
  status.f_namemax = kMaxNameBytes;
  fuse_reply_statfs(request, &status);
}

void FileSystem::GetXattr(fuse_req_t request, fuse_ino_t inode, const char* name, size_t bytes) {
  // Access lists, which a pack does not hold: programs that hear this once stop asking for each file.
  if (std::string_view(name).starts_with("system.")) {
    fuse_reply_err(request, ENOTSUP);
    return;
  }
  const InodeSpace& space = SpaceOf(inode);
  const auto value = space.FindXattr(inode, name);
  if (!value) return refusals_.Refuse(request, "getxattr", inode, value.error());
  if (*value) return ReplyXattr(request, bytes, **value);
  const auto told = space.TellXattr(inode, name);
  if (!told) return refusals_.Refuse(request, "getxattr", inode, told.error());
  if (*told) return ReplyXattr(request, bytes, std::as_bytes(std::span(**told)));
  fuse_reply_err(request, ENODATA);
}

void FileSystem::ListXattr(fuse_req_t request, fuse_ino_t inode, size_t bytes) {
  const auto names = SpaceOf(inode).ListXattrNames(inode);
  if (!names) return refusals_.Refuse(request, "listxattr", inode, names.error());
  ReplyXattr(request, bytes, std::as_bytes(std::span(*names)));
}

void FileSystem::List(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, bool plus) {
  InodeSpace& space = SpaceOf(inode);
  space.NoteUse();
  static PerThread<std::vector<char>> memories;  // so that a listing allocates once a thread
  auto& memory = memories.Get();
  memory.resize(std::max(memory.size(), std::min(bytes, kMaxListingBytes)));
  const auto buffer = std::span(memory).first(std::min(bytes, kMaxListingBytes));
  size_t used_bytes = 0;
  const auto listed = space.List(inode, static_cast<uint64_t>(cookie), plus, [&](const ListedInode& entry) {
    const std::span<char> rest = buffer.subspan(used_bytes);
    const size_t entry_bytes = AddEntry(request, rest, entry, plus);
    if (entry_bytes > rest.size()) return false;
    used_bytes += entry_bytes;
    return true;
  });
  if (!listed) return refusals_.Refuse(request, "list", inode, listed.error());
  fuse_reply_buf(request, buffer.data(), used_bytes);
}

}  // namespace quire
