// SPDX-License-Identifier: Apache-2.0
// libfuse's low-level API, in the one version that Quire is written against. Include this and never its headers.
#pragma once

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 14)
#include <fuse_lowlevel.h>
