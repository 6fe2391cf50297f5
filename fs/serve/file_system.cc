#include "fs/serve/file_system.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "format/escaping.h"
#include "fs/serve/attributes.h"
#include "fs/serve/extended_attributes.h"

namespace quire {
namespace {

// A generation never changes, so the kernel may keep all that it was told. 30 years, as far as every kernel can count.
constexpr double kForeverS = 30.0 * 365 * 24 * 3600;
// Who comes later finds a control file of new content under its name. Long enough for programs that look at a file
// before they open it, as cp does, and refuse one that was replaced in between.
constexpr double kControlFileS = 0.1;
constexpr unsigned kStatFsBlockBytes = 4096;
// The kernel's default of 12 counts readahead too, and starves a few sequential readers. Three quarters of it mark the
// mount as congested, as the kernel's own defaults do.
constexpr unsigned kMaxBackground = 256;
constexpr unsigned kCongestionThreshold = kMaxBackground / 4 * 3;
// More than any kernel asks for in one readdir, and a bound on what one may make us allocate.
constexpr size_t kMaxListingBytes = 1 << 20;

// All use of a mount begins at its root: from a name there or from what somebody has open, which makes it busy. So
// where idleness matters, it is enough that the kernel asks for those names now and then; all below stays as it is.
double TopEntriesS(const MountOptions& options) {
  if (options.idle_timeout.count() == 0) return kForeverS;
  return std::chrono::duration<double>(options.idle_timeout).count() / kIdleChecks;
}

// Runs `answer`, which answers the request as its last act: if it threw, it has not answered.
void Guard(fuse_req_t request, const auto& answer) noexcept {
  try {
    answer();
  } catch (const std::bad_alloc&) {
    fuse_reply_err(request, ENOMEM);
  } catch (...) {
    fuse_reply_err(request, EIO);
  }
}

// A method of the file system as a C callback, which no exception may leave.
template <auto kMethod, typename... Args>
void Answer(fuse_req_t request, Args... args) {
  const CancellationBlock block(request);
  Guard(request, [&] { (static_cast<FileSystem*>(fuse_req_userdata(request))->*kMethod)(request, args...); });
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

void ReplySamples(fuse_req_t request, const SampleBytes& bytes) {
  const auto slices = bytes.slices();
  if (slices.size() <= 1) {  // nearly always; libfuse allocates for the other way
    const std::span<const std::byte> all = slices.empty() ? std::span<const std::byte>() : slices[0];
    fuse_reply_buf(request, reinterpret_cast<const char*>(all.data()), all.size());
    return;
  }
  std::array<iovec, SampleBytes::kMaxSlices> vectors = {};
  for (size_t i = 0; i < slices.size(); ++i) vectors[i] = {const_cast<std::byte*>(slices[i].data()), slices[i].size()};
  fuse_reply_iov(request, vectors.data(), static_cast<int>(slices.size()));
}

// The protocol of getxattr(2) and listxattr(2): the size is asked with size 0, and too small a buffer is refused.
void ReplyXattr(fuse_req_t request, size_t asked_bytes, const char* data, size_t bytes) {
  if (asked_bytes == 0) {
    fuse_reply_xattr(request, bytes);
  } else if (bytes > asked_bytes) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, data, bytes);
  }
}

// Whether nothing of that name can be had from the pack: it is not there, or where it would stand the index is damaged,
// in which case figures are wanted most.
bool IsMissing(const Result<fuse_ino_t>& found) {
  return found ? *found == 0 : found.error().code == ErrorCode::kCorrupt;
}

}  // namespace

FileSystem::FileSystem(const Pack& pack, NodeNumber root, SampleReader& samples, KernelFeed& feed,
                       const MountOptions& options, TransportChoice transport)
    : pack_(pack),
      index_(pack.index()),
      inodes_(root),
      samples_(samples),
      feed_(feed),
      options_(options),
      top_entries_s_(TopEntriesS(options)),
      transport_(std::move(transport)),
      control_files_([this] { return FormatReport(MakeReport()); }, options.control_for_all) {}

// What is missing here is missing on purpose. libfuse answers FORGET and RELEASEDIR by itself; it answers ACCESS,
// FLUSH, FSYNC and POLL with ENOSYS, which makes the kernel do without from then on. The kernel answers all that writes
// with EROFS.
fuse_lowlevel_ops FileSystem::Operations() {
  fuse_lowlevel_ops operations = {};
  operations.init = Negotiate;
  operations.lookup = Answer<&FileSystem::Lookup>;
  operations.forget = Answer<&FileSystem::Forget>;
  operations.forget_multi = Answer<&FileSystem::ForgetMany>;
  operations.getattr = Answer<&FileSystem::GetAttributes>;
  operations.readlink = Answer<&FileSystem::ReadLink>;
  operations.open = Answer<&FileSystem::Open>;
  operations.read = Answer<&FileSystem::Read>;
  operations.ioctl = Answer<&FileSystem::Ioctl>;
  operations.lseek = Answer<&FileSystem::Seek>;
  operations.opendir = Answer<&FileSystem::OpenDirectory>;
  operations.readdir = Answer<&FileSystem::ReadDirectory>;
  operations.readdirplus = Answer<&FileSystem::ReadDirectoryPlus>;
  operations.statfs = Answer<&FileSystem::StatFs>;
  operations.getxattr = Answer<&FileSystem::GetXattr>;
  operations.listxattr = Answer<&FileSystem::ListXattr>;
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
  const auto inode = FindInode(parent, wanted);
  if (!inode) return Refuse(request, "lookup in", parent, inode.error());
  const auto entry = MakeEntry(parent, *inode);
  if (!entry) return Refuse(request, "lookup in", parent, entry.error());
  if (!IsControlInode(*inode)) NoteUse();
  // Before the answer: the thread that this wakes looks it up as well, and forgets its own look-up once it is answered.
  if (*inode == kPlanInode) feed_.PlanLookedUp();
  fuse_reply_entry(request, &*entry);
}

void FileSystem::GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*file*/) {
  const auto status = GetInodeStat(inode);
  if (!status) return Refuse(request, "stat", inode, status.error());
  fuse_reply_attr(request, &*status, kForeverS);
}

void FileSystem::ReadLink(fuse_req_t request, fuse_ino_t inode) {
  const auto node = index_.GetNode(inodes_.NodeOf(inode));
  if (!node) return Refuse(request, "readlink", inode, node.error());
  if (node->kind != NodeKind::kSymlink) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const auto target = index_.GetTarget(*node);
  if (!target) return Refuse(request, "readlink", inode, target.error());
  fuse_reply_readlink(request, std::string(*target).c_str());
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
  file->direct_io = options_.direct_io && !IsControlInode(inode) ? 1 : 0;
  fuse_reply_open(request, file);
}

void FileSystem::Read(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset, fuse_file_info* /*file*/) {
  if (IsControlInode(inode)) return ReadControlFile(request, inode, bytes, offset);
  NoteUse();
  const auto node = index_.GetNode(inodes_.NodeOf(inode));
  if (!node) return Refuse(request, "read", inode, node.error());
  if (!node->is_sample() || offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  feed_.ReadBegun(inodes_.NodeOf(inode), *node, static_cast<uint64_t>(offset), bytes);
  SampleBytes ready;
  if (samples_.TryRead(*node, static_cast<uint64_t>(offset), bytes, ready)) {
    ReplySamples(request, ready);
    return feed_.ReadAnswered(*node);
  }
  const auto handover = CameByUring(request) ? std::make_shared<ReadHandover>() : nullptr;
  ParkedRead& parked = parked_.Take();
  parked.file_system = this;
  parked.request = request;
  parked.inode = inode;
  parked.node = *node;
  parked.offset = static_cast<uint64_t>(offset);
  parked.bytes = bytes;
  parked.done = [](SampleRead& read, Result<SampleBytes> result) {
    auto& finished = static_cast<ParkedRead&>(read);
    finished.file_system->Finish(finished, std::move(result));
  };
  parked.handover = handover;
  samples_.Start(parked);  // which may have answered it by now
  if (handover != nullptr) AwaitAndAnswer(request, inode, *handover);
}

void FileSystem::AwaitAndAnswer(fuse_req_t request, fuse_ino_t inode, ReadHandover& handover) {
  const auto result = handover.Await([this] { return fuse_session_exited(session_) != 0; });
  if (!result) {  // the mount ends, and will not wait for the disk
    fuse_reply_err(request, ENOTCONN);
    return;
  }
  AnswerRead(request, inode, *result);
}

void FileSystem::AnswerRead(fuse_req_t request, fuse_ino_t inode, const Result<SampleBytes>& result) {
  if (!result) return Refuse(request, "read", inode, result.error());
  ReplySamples(request, *result);
}

void FileSystem::Finish(ParkedRead& parked, Result<SampleBytes> result) noexcept {
  if (const auto handover = std::move(parked.handover)) {
    handover->Give(std::move(result));
  } else {
    Guard(parked.request, [&] { AnswerRead(parked.request, parked.inode, result); });
  }
  result = SampleBytes();  // lets go of its pages: Drain promises that nobody holds any
  parked_.Return(parked);
}

void FileSystem::Drain() {
  parked_.WaitUntilNone();
  samples_.Drain();
}

void FileSystem::Forget(fuse_req_t request, fuse_ino_t inode, uint64_t lookups) {
  ForgetOne(inode, lookups);
  fuse_reply_none(request);
}

void FileSystem::ForgetMany(fuse_req_t request, size_t count, fuse_forget_data* forgotten) {
  for (const fuse_forget_data& entry : std::span(forgotten, count)) ForgetOne(entry.ino, entry.nlookup);
  fuse_reply_none(request);
}

void FileSystem::ForgetOne(fuse_ino_t inode, uint64_t lookups) {
  if (IsControlInode(inode))
    control_files_.Forget(inode, lookups);
  else
    feed_.Forgotten(inodes_.NodeOf(inode));
}

void FileSystem::ReadControlFile(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t offset) {
  const auto content = control_files_.GetContent(inode);
  if (content == nullptr || offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const size_t begin = std::min(static_cast<size_t>(offset), content->size());
  fuse_reply_buf(request, content->data() + begin, std::min(bytes, content->size() - begin));
}

MountReport FileSystem::MakeReport() const {
  return {.pack_path = pack_.path(),
          .uptime_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - since_).count(),
          .transport = transport_.Describe(),
          .parked_requests = parked_.count(),
          .failed_requests = failed_requests(),
          .cache = samples_.GetStats(),
          .cache_lines = samples_.Describe(),
          .feed = feed_.figures()};
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
  if (index_.superblock().records(Section::kSegments) == 0) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  const auto found = FindDataOrHole(inode, offset, whence);
  if (!found) return Refuse(request, "seek in", inode, found.error());
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
  status.f_blocks = (pack_.superblock().pack_bytes + kStatFsBlockBytes - 1) / kStatFsBlockBytes;
  status.f_files = index_.node_count();
  status.f_namemax = kMaxNameBytes;
  fuse_reply_statfs(request, &status);
}

void FileSystem::GetXattr(fuse_req_t request, fuse_ino_t inode, const char* name, size_t bytes) {
  // Access lists, which a pack does not hold: programs that hear this once stop asking for each file.
  if (std::string_view(name).starts_with("system.")) {
    fuse_reply_err(request, ENOTSUP);
    return;
  }
  if (IsControlInode(inode)) {
    fuse_reply_err(request, ENODATA);
    return;
  }
  const auto value = FindXattr(index_, inodes_.NodeOf(inode), name);
  if (!value) return Refuse(request, "getxattr", inode, value.error());
  if (!*value) {
    fuse_reply_err(request, ENODATA);
    return;
  }
  ReplyXattr(request, bytes, reinterpret_cast<const char*>((*value)->data()), (*value)->size());
}

void FileSystem::ListXattr(fuse_req_t request, fuse_ino_t inode, size_t bytes) {
  if (IsControlInode(inode)) return ReplyXattr(request, bytes, "", 0);
  const auto names = ListXattrNames(index_, inodes_.NodeOf(inode));
  if (!names) return Refuse(request, "listxattr", inode, names.error());
  ReplyXattr(request, bytes, names->data(), names->size());
}

Result<fuse_ino_t> FileSystem::FindInode(fuse_ino_t parent, std::string_view name) {
  if (name == "." || name == "..") return FindExported(parent, name == "..");
  if (IsControlInode(parent)) {
    const auto found = control_files_.Find(parent, name);
    if (!found) return std::unexpected(found.error());
    return found->value_or(0);
  }
  auto inode = FindNode(inodes_.NodeOf(parent), name);
  if (parent == FUSE_ROOT_ID && name == kControlFolderName && IsMissing(inode)) return kControlFolderInode;
  return inode;
}

Result<fuse_ino_t> FileSystem::FindExported(fuse_ino_t inode, bool is_parent) const {
  // No handle leads to `.quire`, which the kernel would look for in the listing of the root.
  if (inode == 0 || IsControlInode(inode)) return 0;
  const NodeNumber number = inodes_.NodeOf(inode);
  if (number >= index_.node_count()) return 0;
  const auto node = index_.GetNode(number);
  if (!node) return std::unexpected(node.error());
  if (node->kind == NodeKind::kHardLink) return 0;  // a name, and no file
  const auto is_shown = IsInMount(number);
  if (!is_shown) return std::unexpected(is_shown.error());
  if (!*is_shown) return 0;
  if (!is_parent || number == inodes_.root()) return inodes_.InodeOf(number);
  const auto parent = index_.GetParent(number);
  if (!parent) return std::unexpected(parent.error());
  return inodes_.InodeOf(*parent);
}

Result<bool> FileSystem::IsInMount(NodeNumber number) const {
  if (inodes_.root() == 0) return true;
  // A folder's node comes before those of what it holds.
  while (number > inodes_.root()) {
    const auto parent = index_.GetParent(number);
    if (!parent) return std::unexpected(parent.error());
    if (*parent >= number) return Corrupt("node {}: it lies in node {}, which comes later", number, *parent);
    number = *parent;
  }
  return number == inodes_.root();
}

bool FileSystem::HasControlFiles() const {
  const auto found = FindNode(inodes_.NodeOf(FUSE_ROOT_ID), kControlFolderName);
  return !found || *found == 0;
}

Result<fuse_ino_t> FileSystem::FindNode(NodeNumber parent, std::string_view name) const {
  auto node = index_.GetNode(parent);
  if (!node) return Propagate(std::move(node));
  if (node->kind != NodeKind::kDirectory) return Corrupt("node {}: searched, but no directory", parent);
  auto directory = index_.GetDirectory(node->content);
  if (!directory) return Propagate(std::move(directory));
  auto child = index_.Lookup(*directory, name);
  if (!child) return Propagate(std::move(child));
  if (!*child) return 0;
  auto resolved = index_.Resolve(**child);
  if (!resolved) return Propagate(std::move(resolved));
  return inodes_.InodeOf(*resolved);
}

Result<struct stat> FileSystem::GetInodeStat(fuse_ino_t inode) const {
  if (IsControlInode(inode)) return control_files_.GetStat(inode);
  auto status = GetStat(index_, inodes_.NodeOf(inode), options_.overrides);
  if (status) status->st_ino = inode;
  return status;
}

double FileSystem::EntryTimeoutS(fuse_ino_t parent) const {
  return parent == FUSE_ROOT_ID ? top_entries_s_ : kForeverS;
}

Result<fuse_entry_param> FileSystem::MakeEntry(fuse_ino_t parent, fuse_ino_t inode) const {
  if (inode == 0) {
    fuse_entry_param missing = {};
    missing.entry_timeout = EntryTimeoutS(parent);
    return missing;
  }
  auto status = GetInodeStat(inode);
  if (!status) return Propagate(std::move(status));
  return MakeEntry(parent, *status);
}

fuse_entry_param FileSystem::MakeEntry(fuse_ino_t parent, const struct stat& status) const {
  fuse_entry_param entry = {};
  entry.ino = status.st_ino;
  entry.attr = status;
  entry.attr_timeout = kForeverS;
  entry.entry_timeout = EntryTimeoutS(parent);
  if (!IsControlInode(entry.ino)) {
    if (S_ISREG(status.st_mode)) feed_.Told(inodes_.NodeOf(entry.ino));
  } else if (entry.ino == kPlanInode) {
    entry.entry_timeout = 0;  // so that every open is seen
  } else if (S_ISREG(status.st_mode)) {
    entry.entry_timeout = kControlFileS;
  }
  return entry;
}

// Negative where there is neither data nor the hole behind the end: ENXIO.
Result<off_t> FileSystem::FindDataOrHole(fuse_ino_t inode, off_t offset, int whence) const {
  if (IsControlInode(inode)) {  // all data
    const auto content = control_files_.GetContent(inode);
    if (content == nullptr || std::cmp_greater_equal(offset, content->size())) return -1;
    return whence == SEEK_DATA ? offset : static_cast<off_t>(content->size());
  }
  auto node = index_.GetNode(inodes_.NodeOf(inode));
  if (!node) return Propagate(std::move(node));
  if (!node->is_sample() || (whence != SEEK_DATA && whence != SEEK_HOLE))
    return Invalid("seek by {} in node {}", whence, inodes_.NodeOf(inode));
  if (offset < 0 || static_cast<uint64_t>(offset) >= node->size_bytes) return -1;
  auto position = static_cast<uint64_t>(offset);
  while (position < node->size_bytes) {
    auto run = index_.FindRun(*node, position);
    if (!run) return Propagate(std::move(run));
    if (run->extent.has_value() == (whence == SEEK_DATA)) return static_cast<off_t>(position);
    position += run->length_bytes;
  }
  return whence == SEEK_HOLE ? static_cast<off_t>(node->size_bytes) : -1;
}

size_t FileSystem::AddEntry(fuse_req_t request, fuse_ino_t parent, std::span<char> buffer, const ListedEntry& entry,
                            bool plus) {
  std::array<char, kMaxNameBytes + 1> name = {};
  entry.name.copy(name.data(), kMaxNameBytes);
  const auto cookie = static_cast<off_t>(entry.next_cookie);
  // What is above the root of the mount is no part of it.
  const NodeNumber node = parent == FUSE_ROOT_ID && entry.name == ".." ? inodes_.root() : entry.node;
  // Inode 0 tells the kernel of a name without attributes: it will look up, and get the error, when somebody asks.
  fuse_entry_param param = {};
  param.attr.st_ino = inodes_.InodeOf(node);
  param.attr.st_mode = entry.type;
  if (!plus) return fuse_add_direntry(request, buffer.data(), buffer.size(), name.data(), &param.attr, cookie);
  if (entry.record) {
    if (auto status = GetStat(index_, *entry.record, options_.overrides)) {
      status->st_ino = param.attr.st_ino;
      param = MakeEntry(parent, *status);
    } else {
      errors_.Report(Describe("stat", entry.node), status.error());
    }
  }
  return fuse_add_direntry_plus(request, buffer.data(), buffer.size(), name.data(), &param, cookie);
}

void FileSystem::List(fuse_req_t request, fuse_ino_t inode, size_t bytes, off_t cookie, bool plus) {
  if (!IsControlInode(inode)) NoteUse();
  static thread_local std::vector<char> memory;  // so that a listing allocates once a thread
  memory.resize(std::max(memory.size(), std::min(bytes, kMaxListingBytes)));
  const auto buffer = std::span(memory).first(std::min(bytes, kMaxListingBytes));
  size_t used_bytes = 0;
  const auto add = [&](const ListedEntry& entry) {
    const std::span<char> rest = buffer.subspan(used_bytes);
    const size_t entry_bytes = AddEntry(request, inode, rest, entry, plus);
    if (entry_bytes > rest.size()) return false;
    used_bytes += entry_bytes;
    return true;
  };
  const auto from = static_cast<uint64_t>(cookie);
  const auto listed = IsControlInode(inode) ? ControlFiles::List(inode, from, std::ref(add))
                                            : ListDirectory(index_, inodes_.NodeOf(inode), from, std::ref(add));
  if (!listed) return Refuse(request, "list", inode, listed.error());
  if (listed->first) {
    const std::string context = Describe("list", inodes_.NodeOf(inode));
    errors_.Report(fmt::format("{}: {} entries left out", context, listed->count), *listed->first);
  }
  fuse_reply_buf(request, buffer.data(), used_bytes);
}

void FileSystem::Refuse(fuse_req_t request, const char* operation, fuse_ino_t inode, const Error& error) {
  const int number = errors_.Report(Describe(operation, inodes_.NodeOf(inode)), error);
  fuse_reply_err(request, number);
}

std::string FileSystem::Describe(const char* operation, NodeNumber number) const {
  const auto path = index_.GetPath(number);
  // Escaped: a name may hold a newline, and must not forge a line of the log.
  return path ? fmt::format("{} '/{}'", operation, EscapeName(*path))
              : fmt::format("{} inode {}", operation, inodes_.InodeOf(number));
}

}  // namespace quire
