// Where else a mount is: bind mounts, and the copies that containers and services get with a mount namespace of their
// own.
#pragma once

#include <sys/types.h>

#include <string>

namespace quire {

// What the mount of `device` is copied to, for messages; "" where no copy is seen. Nothing of the mount is touched.
// In this mount namespace: "a copy of it is mounted at '/srv/x'".
std::string DescribeMountCopy(dev_t device);
// In another: "process 12 (bash) has a copy of it at '/x', in a mount namespace of its own".
std::string DescribeForeignMountCopy(dev_t device);

}  // namespace quire
