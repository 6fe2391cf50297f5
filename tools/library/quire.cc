// SPDX-License-Identifier: Apache-2.0
// The functions of quire.h: arguments are checked here, and nowhere behind.
#include "tools/library/quire.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "format/pack/path_resolver.h"
#include "tools/library/batch.h"
#include "tools/library/border.h"
#include "tools/library/open_pack.h"

struct quire_pack {  // NOLINT(readability-identifier-naming): a name of C
  std::unique_ptr<quire::OpenPack> open;
};

namespace quire {
namespace {

constexpr size_t kMostRequests = 1 << 24;

// The pack behind a handle, if it may be used here.
Result<OpenPack*> Use(quire_pack* pack) {
  if (pack == nullptr) return Invalid("the pack is NULL: it was not opened, or it was closed");
  if (!pack->open->IsOurs())
    return SystemError(EPERM, "the pack was opened before fork(2), whose child has to open it anew");
  return pack->open.get();
}

Result<void> Require(const void* argument, const char* name) {
  if (argument == nullptr) return Invalid("{} is NULL", name);
  return {};
}

std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

Result<OpenOptions> TakeOptions(const quire_options* given) {
  // No reserved huge pages, which are meant for mounts. Who reads, reads again: nothing else keeps the bytes.
  OpenOptions options = {.cache = {.huge = HugePages::kThp, .readers_keep = false}, .remote = {}, .volumes = {}};
  if (given == nullptr) return options;
  if (std::ranges::any_of(given->reserved, [](uint64_t field) { return field != 0; }))
    return Invalid("options: a reserved field is not 0; fill the whole of quire_options with zeros first");
  constexpr uint32_t kFlags = QUIRE_VERIFY | QUIRE_ANONYMOUS | QUIRE_REQUESTER_PAYS;
  if ((given->flags & ~kFlags) != 0) return Invalid("options: flags {:#x} are unknown", given->flags & ~kFlags);
  if (given->cache_bytes > 0 && given->cache_bytes < kMinSlots * kPageBytes)
    return Invalid("options: cache_bytes {} are less than 8 MiB", given->cache_bytes);
  if (given->cache_bytes > 0) options.cache.cache_bytes = given->cache_bytes;
  options.verify = (given->flags & QUIRE_VERIFY) != 0;
  options.remote.is_anonymous = (given->flags & QUIRE_ANONYMOUS) != 0;
  options.remote.requester_pays = (given->flags & QUIRE_REQUESTER_PAYS) != 0;
  if (given->retry_s > 0) options.remote.retry_s = given->retry_s;
  options.remote.ca_file = TextOf(given->ca_file);
  options.remote.header_file = TextOf(given->header_file);
  options.remote.profile = TextOf(given->profile);
  for (const char* const* volume = given->volumes; volume != nullptr && *volume != nullptr; ++volume)
    options.volumes.emplace_back(*volume);
  return options;
}

uint32_t TypeOf(NodeKind kind) {
  if (kind == NodeKind::kDirectory) return S_IFDIR;
  return kind == NodeKind::kSymlink ? S_IFLNK : S_IFREG;
}

Result<int> Open(const char* source, const quire_options* given, quire_pack** pack) {
  if (auto is_there = Require(source, "the source"); !is_there) return Propagate(std::move(is_there));
  const auto options = TakeOptions(given);
  if (!options) return std::unexpected(options.error());
  auto opened = OpenPack::Open(source, *options);
  if (!opened) return Propagate(std::move(opened));
  *pack = new quire_pack(*std::move(opened));
  return 0;
}

Result<int> Stat(const OpenPack& pack, NodeNumber number, quire_attributes& attributes) {
  const auto node = pack.GetNode(number);
  if (!node) return std::unexpected(node.error());
  const auto packed = pack.index().GetAttributes(node->attributes);
  if (!packed) return std::unexpected(packed.error());
  const timespec mtime = DecodeMtime(node->mtime);
  attributes = {};
  attributes.size_bytes = node->size_bytes;
  attributes.mtime_s = mtime.tv_sec;
  attributes.mtime_ns = static_cast<uint32_t>(mtime.tv_nsec);
  attributes.mode = TypeOf(node->kind) | packed->mode;
  attributes.uid = packed->uid;
  attributes.gid = packed->gid;
  attributes.nlink = packed->nlink;
  return 0;
}

Result<void> FillEntry(const OpenPack& pack, NodeNumber child, quire_entry& entry) {
  const Index& index = pack.index();
  const auto own = index.GetNode(child);
  if (!own) return std::unexpected(own.error());
  const auto name = index.GetName(*own);
  if (!name) return std::unexpected(name.error());
  const auto number = index.Resolve(child);
  if (!number) return std::unexpected(number.error());
  const auto node = index.GetNode(*number);
  if (!node) return std::unexpected(node.error());
  entry = {};
  entry.node = *number;
  entry.size_bytes = node->size_bytes;
  entry.type = TypeOf(node->kind);
  static_assert(sizeof(entry.name) > kMaxNameBytes);
  std::memcpy(entry.name, name->data(), name->size());
  return {};
}

Result<int64_t> List(const OpenPack& pack, NodeNumber number, uint64_t position, std::span<quire_entry> entries) {
  const auto node = pack.GetNode(number);
  if (!node) return std::unexpected(node.error());
  if (node->kind != NodeKind::kDirectory) return SystemError(ENOTDIR, "node {}", number);
  const auto directory = pack.index().GetDirectory(node->content);
  if (!directory) return std::unexpected(directory.error());
  const uint64_t begin = std::min(position, directory->child_count);
  const uint64_t count = std::min<uint64_t>(entries.size(), directory->child_count - begin);
  for (uint64_t at = 0; at < count; ++at) {
    const auto child = pack.index().GetChild(*directory, begin + at);
    if (!child) return std::unexpected(child.error());
    if (auto filled = FillEntry(pack, *child, entries[at]); !filled) return Propagate(std::move(filled));
  }
  return static_cast<int64_t>(count);
}

Result<int64_t> ReadTarget(const OpenPack& pack, NodeNumber number, std::span<char> into) {
  const auto node = pack.GetNode(number);
  if (!node) return std::unexpected(node.error());
  if (node->kind != NodeKind::kSymlink) return Invalid("node {}: is no symlink", number);
  const auto target = pack.index().GetTarget(*node);
  if (!target) return std::unexpected(target.error());
  const size_t bytes = std::min(target->size(), into.size());
  std::memcpy(into.data(), target->data(), bytes);
  return static_cast<int64_t>(bytes);
}

Result<int64_t> ReadSample(OpenPack& pack, quire_request request) {
  auto error = Batch(pack).Read({&request, 1});
  if (error) return std::unexpected(*std::move(error));
  return request.result;
}

}  // namespace
}  // namespace quire

using quire::Require;
using quire::RunInside;
using quire::Use;

const char* quire_version(void) { return QUIRE_VERSION; }

int quire_open(const char* source, const quire_options* options, quire_pack** pack, quire_error* error) {
  return RunInside<int>(error, [&]() -> quire::Result<int> {
    if (auto is_there = Require(static_cast<const void*>(pack), "where the pack is to go"); !is_there)
      return Propagate(std::move(is_there));
    *pack = nullptr;
    return quire::Open(source, options, pack);
  });
}

void quire_close(quire_pack** pack) {
  if (pack == nullptr || *pack == nullptr) return;
  quire_pack* const closed = std::exchange(*pack, nullptr);
  RunInside<int>(nullptr, [&]() -> quire::Result<int> {
    if (closed->open->IsOurs()) delete closed;
    return 0;
  });
}

int quire_find(quire_pack* pack, const char* path, unsigned flags, quire_node* node, quire_error* error) {
  return RunInside<int>(error, [&]() -> quire::Result<int> {
    const auto used = Use(pack);
    if (!used) return std::unexpected(used.error());
    if (auto is_there = Require(path, "the path"); !is_there) return Propagate(std::move(is_there));
    if (auto is_there = Require(node, "where the node is to go"); !is_there) return Propagate(std::move(is_there));
    if ((flags & ~QUIRE_NO_FOLLOW) != 0) return quire::Invalid("flags {:#x} are unknown", flags & ~QUIRE_NO_FOLLOW);
    const auto last = flags == 0 ? quire::LastSymlink::kFollow : quire::LastSymlink::kKeep;
    const auto found = quire::ResolvePath((*used)->index(), path, last);
    if (!found) return std::unexpected(found.error());
    *node = *found;
    return 0;
  });
}

int quire_stat(quire_pack* pack, quire_node node, quire_attributes* attributes, quire_error* error) {
  return RunInside<int>(error, [&]() -> quire::Result<int> {
    const auto used = Use(pack);
    if (!used) return std::unexpected(used.error());
    if (auto is_there = Require(attributes, "where the attributes are to go"); !is_there)
      return Propagate(std::move(is_there));
    return quire::Stat(**used, node, *attributes);
  });
}

int64_t quire_list(quire_pack* pack, quire_node directory, uint64_t position, quire_entry* entries, size_t count,
                   quire_error* error) {
  return RunInside<int64_t>(error, [&]() -> quire::Result<int64_t> {
    const auto used = Use(pack);
    if (!used) return std::unexpected(used.error());
    if (entries == nullptr && count > 0) return quire::Invalid("the entries are NULL, and their count {}", count);
    return quire::List(**used, directory, position, {entries, count});
  });
}

int64_t quire_readlink(quire_pack* pack, quire_node symlink, void* buffer, size_t capacity, quire_error* error) {
  return RunInside<int64_t>(error, [&]() -> quire::Result<int64_t> {
    const auto used = Use(pack);
    if (!used) return std::unexpected(used.error());
    if (buffer == nullptr && capacity > 0) return quire::Invalid("the buffer is NULL, and its capacity {}", capacity);
    return quire::ReadTarget(**used, symlink, {static_cast<char*>(buffer), capacity});
  });
}

int64_t quire_read(quire_pack* pack, quire_node node, uint64_t offset, void* buffer, size_t capacity,
                   quire_error* error) {
  return RunInside<int64_t>(error, [&]() -> quire::Result<int64_t> {
    const auto used = Use(pack);
    if (!used) return std::unexpected(used.error());
    return quire::ReadSample(**used, {node, offset, buffer, capacity, 0});
  });
}

int quire_read_batch(quire_pack* pack, quire_request* requests, size_t count, quire_error* error) {
  return RunInside<int>(error, [&]() -> quire::Result<int> {
    const auto used = Use(pack);
    if (!used) return std::unexpected(used.error());
    if (requests == nullptr && count > 0) return quire::Invalid("the requests are NULL, and their count {}", count);
    if (count > quire::kMostRequests)
      return quire::Invalid("{} requests are more than the {} of a batch; make several", count, quire::kMostRequests);
    auto first_error = quire::Batch(**used).Read({requests, count});
    if (first_error) return std::unexpected(*std::move(first_error));
    return 0;
  });
}

int64_t quire_prefetch(quire_pack* pack, const quire_node* nodes, size_t count, quire_error* error) {
  return RunInside<int64_t>(error, [&]() -> quire::Result<int64_t> {
    const auto used = Use(pack);
    if (!used) return std::unexpected(used.error());
    if (nodes == nullptr && count > 0) return quire::Invalid("the nodes are NULL, and their count {}", count);
    auto taken = (*used)->Prefetch({nodes, count});
    if (!taken) return Propagate(std::move(taken));
    return static_cast<int64_t>(*taken);
  });
}
