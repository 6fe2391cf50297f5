// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "fs/json_text.h"
#include "tools/command.h"
#include "tools/json_list.h"
#include "tools/ls_forms.h"

namespace quire {
namespace {

constexpr int kSchema = 1;

Result<Json> Describe(const Index& index, const PackEntry& entry, std::string_view path) {
  const auto attributes = index.GetAttributes(entry.node.attributes);
  if (!attributes) return std::unexpected(attributes.error());
  Json json;
  SetName(json, "path", path);
  json["type"] = KindName(entry.node.kind);
  json["inode"] = entry.number + 1;
  json["mode"] = fmt::format("{:04o}", attributes->mode);
  json["nlink"] = attributes->nlink;
  json["uid"] = attributes->uid;
  json["gid"] = attributes->gid;
  json["size_bytes"] = entry.node.size_bytes;
  json["mtime"] = FormatTime(DecodeMtime(entry.node.mtime));
  if (entry.node.kind == NodeKind::kSymlink) {
    const auto target = index.GetTarget(entry.node);
    if (!target) return std::unexpected(target.error());
    SetName(json, "target", *target);
  }
  return json;
}

}  // namespace

uint64_t ListAsJson(const Listed& listed) {
  const Index& index = listed.pack.index();
  Json head = NewDocument(kSchema);
  SetName(head, "pack", listed.pack.path());
  SetName(head, "path", listed.path);
  JsonList list(head, "entries");

  uint64_t faults = 0;
  const auto tell = [&faults](const Error& error) {
    Fail("ls", error);
    ++faults;
  };
  const auto print = [&](const PackEntry& entry, const std::string& path) {
    const auto json = Describe(index, entry, path);
    if (!json) return tell(json.error());
    list.Add(*json);
  };
  if (listed.entry.node.kind == NodeKind::kDirectory)
    ForEachEntry(index, listed.entry.node, listed.path, listed.depth, {.visit = print, .on_fault = tell});
  else
    print(listed.entry, listed.path);
  list.End({{"faults", faults}});
  return faults;
}

}  // namespace quire
