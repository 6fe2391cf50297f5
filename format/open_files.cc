// SPDX-License-Identifier: Apache-2.0
#include "format/open_files.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace quire {

size_t CountOpenable(size_t most) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  size_t openable = 0;
  for (rlim_t fd = 0; fd < limit.rlim_cur && openable < most; ++fd)
    if (fcntl(static_cast<int>(fd), F_GETFD) < 0) ++openable;
  return openable;
}

size_t ShareOpenable(size_t wanted, size_t files_each, size_t reserved) {
  const size_t openable = CountOpenable(reserved + wanted * files_each);
  return std::max<size_t>((openable - std::min(openable, reserved)) / files_each, 1);
}

void AllowOpen(size_t more) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  constexpr rlim_t kOthers = 256;  // which are open, or will be
  limit.rlim_cur = std::clamp<rlim_t>(more + kOthers, limit.rlim_cur, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool IsOutOfFiles(const Error& error) {
  return error.code == ErrorCode::kSystem && (error.system_errno == EMFILE || error.system_errno == ENFILE);
}

}  // namespace quire
