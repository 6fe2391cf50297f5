// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/libarchive_reader.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "format/pack/geometry.h"
#include "format/pack/records.h"
#include "format/write/index_tables.h"

namespace quire {
namespace {

constexpr std::string_view kUserNamespace = "user.";

// What ends the work, and not one member only.
bool EndsWork(const Error& error) { return error.code == ErrorCode::kSystem || error.code == ErrorCode::kInterrupted; }

Result<uint32_t> CheckOwner(std::string_view what, la_int64_t number) {
  if (number < 0 || number >= std::numeric_limits<uint32_t>::max()) return Corrupt("its {} {} cannot be", what, number);
  return static_cast<uint32_t>(number);
}

// Archives of systems that know no kinds of files have none.
Result<MemberKind> KindOf(const Libarchive& library, archive_entry* entry) {
  if (library.archive_entry_hardlink(entry) != nullptr) return MemberKind::kHardLink;
  switch (library.archive_entry_filetype(entry)) {
    case 0:
    case AE_IFREG:
      return MemberKind::kFile;
    case AE_IFDIR:
      return MemberKind::kDirectory;
    case AE_IFLNK:
      return MemberKind::kSymlink;
    case AE_IFIFO:
      return Unsupported("a FIFO, which a pack does not hold");
    case AE_IFSOCK:
      return Unsupported("a socket, which a pack does not hold");
    default:
      return Unsupported("a device, which a pack does not hold");
  }
}

}  // namespace

LibarchiveReader::LibarchiveReader(std::unique_ptr<ArchiveStream> stream, UnpackedFile& unpacked, OnFault on_fault,
                                   OnFault on_damage)
    : stream_(std::move(stream)),
      library_(stream_->library()),
      unpacked_(unpacked),
      on_fault_(std::move(on_fault)),
      on_damage_(std::move(on_damage)) {}

Result<bool> LibarchiveReader::Next(Member& member) {
  while (true) {
    const auto entry = stream_->Next();
    if (entry && *entry == nullptr) return false;
    if (entry) {
      const uint64_t unpacked_bytes = unpacked_.size_bytes();
      auto taken = TakeMember(*entry, member);
      if (taken && *taken) return true;
      if (taken) continue;
      if (EndsWork(taken.error())) return taken;
      unpacked_.Truncate(unpacked_bytes);
      on_damage_(member.path, taken.error().message);
      if (stream_->has_ended()) on_damage_("", "what follows in the archive cannot be read");
    } else {
      if (EndsWork(entry.error())) return std::unexpected(entry.error());
      on_damage_("", entry.error().message);
    }
  }
}

// False where the member is left out, which was told. An error but those that end the work is of the member.
Result<bool> LibarchiveReader::TakeMember(archive_entry* entry, Member& member) {
  const char* const path = library_.archive_entry_pathname(entry);
  member = {};
  if (path != nullptr) member.path = path;
  if (path == nullptr) return Corrupt("a member whose name cannot be represented");
  const auto kind = KindOf(library_, entry);
  if (!kind) {
    on_fault_(member.path, kind.error().message);
    return false;
  }
  member.kind = *kind;
  if (library_.archive_entry_is_encrypted(entry) != 0)
    return Corrupt("it is encrypted: unpack the archive with its password, and pack the folder");
  if (auto set = SetAttributes(entry, member); !set) return Propagate(std::move(set));
  if (member.kind == MemberKind::kDirectory) return true;
  if (member.kind == MemberKind::kSymlink || member.kind == MemberKind::kHardLink) {
    const char* const target = member.kind == MemberKind::kSymlink ? library_.archive_entry_symlink(entry)
                                                                   : library_.archive_entry_hardlink(entry);
    if (target == nullptr || target[0] == '\0') return Corrupt("a link to nothing");
    member.target = target;
    if (member.kind == MemberKind::kSymlink || library_.archive_entry_size(entry) <= 0) return true;
  }
  if (auto unpacked = Unpack(entry, member); !unpacked) return Propagate(std::move(unpacked));
  return true;
}

Result<void> LibarchiveReader::SetAttributes(archive_entry* entry, Member& member) const {
  member.mode = library_.archive_entry_perm(entry) & 07777U;
  const auto uid = CheckOwner("uid", library_.archive_entry_uid(entry));
  if (!uid) return std::unexpected(uid.error());
  const auto gid = CheckOwner("gid", library_.archive_entry_gid(entry));
  if (!gid) return std::unexpected(gid.error());
  member.uid = *uid;
  member.gid = *gid;
  member.mtime =
      EncodeMtime({.tv_sec = library_.archive_entry_mtime(entry), .tv_nsec = library_.archive_entry_mtime_nsec(entry)});
  SetXattrs(entry, member);
  return {};
}

void LibarchiveReader::SetXattrs(archive_entry* entry, Member& member) const {
  std::map<std::string_view, std::string_view> values;
  library_.archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t bytes = 0;
  while (library_.archive_entry_xattr_next(entry, &name, &value, &bytes) == ARCHIVE_OK)
    if (name != nullptr && std::string_view(name).starts_with(kUserNamespace))
      values[name] = {static_cast<const char*>(value), bytes};
  for (const auto& [key, text] : values) member.xattrs += EncodeXattr(key, text);
}

Result<void> LibarchiveReader::Unpack(archive_entry* entry, Member& member) {
  while (true) {
    const auto block = stream_->NextBlock();
    if (!block) return std::unexpected(block.error());
    if (!*block) break;
    if (auto unpacked = UnpackBlock(**block, member); !unpacked) return unpacked;
  }
  // A hole at the end has no block.
  if (library_.archive_entry_size_is_set(entry) != 0)
    member.size_bytes =
        std::max(member.size_bytes, static_cast<uint64_t>(std::max<la_int64_t>(library_.archive_entry_size(entry), 0)));
  return {};
}

Result<void> LibarchiveReader::UnpackBlock(const ArchiveStream::Block& block, Member& member) {
  if (block.offset < member.size_bytes) return Corrupt("its bytes do not come in their order");
  if (block.offset > kMaxSampleBytes || block.bytes.size() > kMaxSampleBytes - block.offset)
    return Corrupt("it has more bytes than a file can have");
  const uint64_t at = unpacked_.size_bytes();
  if (auto appended = unpacked_.Append(block.bytes); !appended) return appended;
  if (!member.runs.empty() && block.offset == member.size_bytes)
    member.runs.back().length_bytes += block.bytes.size();
  else
    member.runs.push_back({.file_offset = block.offset, .offset = at, .length_bytes = block.bytes.size()});
  member.size_bytes = block.offset + block.bytes.size();
  return {};
}

}  // namespace quire
