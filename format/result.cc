// SPDX-License-Identifier: Apache-2.0
#include "format/result.h"

#include <sys/resource.h>

namespace quire {

std::string ReasonOf(int error_number) {
  std::string reason = std::generic_category().message(error_number);
  rlimit limit{};
  if (error_number == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0)
    reason += fmt::format(" ('ulimit -n' is {}: allow more)", limit.rlim_cur);
  return reason;
}

}  // namespace quire
