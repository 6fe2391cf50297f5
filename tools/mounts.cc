// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "format/escaping.h"
#include "fs/json_text.h"
#include "fs/mounts/daemon_answer.h"
#include "fs/mounts/mount_table.h"
#include "tools/command.h"

namespace quire {
namespace {

constexpr int kSchema = 1;

void PrintJson(const std::vector<MountEntry>& mounts) {
  Json document = NewDocument(kSchema);
  Json& list = document["mounts"] = Json::array();
  for (const MountEntry& mount : mounts) {
    Json entry;
    SetName(entry, "mount_point", mount.mount_point);
    SetName(entry, "pack", mount.source);
    entry["user_id"] = mount.user ? Json(*mount.user) : Json();
    entry["is_dead"] = HasLostDaemon(mount);
    list.push_back(std::move(entry));
  }
  fmt::print("{}\n", FormatJson(document));
}

void PrintText(const std::vector<MountEntry>& mounts) {
  std::vector<std::string> points;
  size_t width = 0;
  for (const MountEntry& mount : mounts)
    width = std::max(width, points.emplace_back(EscapeName(mount.mount_point)).size());
  for (size_t i = 0; i < mounts.size(); ++i)
    fmt::print("{:<{}}  {}{}\n", points[i], width, EscapeName(mounts[i].source),
               HasLostDaemon(mounts[i]) ? "  (its daemon is gone)" : "");
}

int RunMounts(bool json) {
  auto mounts = ReadMounts();
  if (!mounts) return Fail("mounts", mounts.error());
  std::erase_if(*mounts, [](const MountEntry& mount) { return mount.type != kMountType; });
  json ? PrintJson(*mounts) : PrintText(*mounts);
  return kExitOk;
}

}  // namespace

void AddMountsCommand(Command program, Body& run) {
  auto json = std::make_shared<bool>(false);
  Command mounts = program.AddSubcommand("mounts", "List where packs are mounted");
  mounts.AddFlag("--json", *json, "For programs: quire-json(7)");
  mounts.SetBody(run, [json] { return RunMounts(*json); });
}

}  // namespace quire
