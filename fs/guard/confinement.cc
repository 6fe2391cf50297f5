// SPDX-License-Identifier: Apache-2.0
#include "fs/guard/confinement.h"

#include <filesystem>
#include <system_error>

#include "cache/memory/control_groups.h"
#include "fs/guard/path_filter.h"
#include "fs/guard/privileges.h"

namespace quire {
namespace {

// The folder that is named, and that of the file which a link there leads to.
void AllowLog(PathFilter& filter, const std::filesystem::path& log_file) {
  filter.Allow(log_file.parent_path(), PathUse::kAppend);
  std::error_code error;
  const auto target = std::filesystem::canonical(log_file, error);
  if (!error) filter.Allow(target.parent_path(), PathUse::kAppend);
}

}  // namespace

Confinement ConfineThread(const DaemonFiles& files) {
  PathFilter filter;
  for (const int volume : files.volumes) filter.AllowOpen(volume, PathUse::kRead);  // anew, with other flags
  // All of it: a file there is another one whenever the kernel has forgotten it. What tells of other processes' memory,
  // files or calls is refused together with looking into them.
  filter.Allow("/proc", PathUse::kRead);
  // Huge pages, cores and nodes; the control groups, to one of which the process may be moved.
  for (const char* const folder : {"/sys/kernel/mm", "/sys/devices/system", "/sys/fs/cgroup"})
    filter.Allow(folder, PathUse::kRead);
  for (const MemoryGroup& group : FindMemoryGroups("")) filter.Allow(group.folder, PathUse::kRead);
  filter.Allow("/dev/null", PathUse::kReadWrite);
  filter.Allow("/dev/fuse", PathUse::kDevice);  // a queue for each thread
  if (!files.mount_point.empty()) filter.Allow(files.mount_point, PathUse::kReadWrite);
  if (!files.log_file.empty()) AllowLog(filter, files.log_file);
  if (!files.kernel_switch.empty()) filter.Allow(files.kernel_switch, PathUse::kReadWrite);
  if (!files.tier.directory.empty()) filter.Allow(files.tier.directory, PathUse::kOwn);
  if (!files.tier.ca_file.empty()) filter.Allow(files.tier.ca_file, PathUse::kRead);
  if (files.remote || !files.tier.peers.empty()) filter.AllowConnections();
  if (files.remote) {
    for (const std::string& file : {files.remote->ca_file, files.remote->header_file})
      if (!file.empty()) filter.Allow(file, PathUse::kRead);
    for (const std::string& folder : files.key_folders) filter.Allow(folder, PathUse::kRead);
  }
  Confinement confinement;
  confinement.privileges = KeepServingPrivileges();
  confinement.files = filter.Enforce();
  return confinement;
}

}  // namespace quire
