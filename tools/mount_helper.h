// SPDX-License-Identifier: Apache-2.0
// What mount(8) runs for the types quire and fuse.quire: this program under the names mount.quire and mount.fuse.quire.
#pragma once

#include <string_view>

namespace quire {

// Whether a program called `name`, a path or not, is the helper.
bool IsMountHelper(std::string_view name);

// mount.quire PACK DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]; returns an exit code of mount(8).
int RunMountHelper(int argc, char** argv);

}  // namespace quire
