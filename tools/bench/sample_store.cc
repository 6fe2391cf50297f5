// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/sample_store.h"

#include <sys/stat.h>

namespace quire::bench {

std::vector<uint64_t> CountUp(uint64_t count) {
  std::vector<uint64_t> numbers(count);
  for (uint64_t i = 0; i < count; ++i) numbers[i] = i;
  return numbers;
}

Result<std::unique_ptr<SampleStore>> OpenStore(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return SystemError(errno, "{}", path);
  if (S_ISDIR(status.st_mode)) return OpenDirectoryStore(path);
  if (path.ends_with(".quire")) return OpenPackStore(path);
  return Invalid("{}: neither a directory nor a file named .quire", path);
}

}  // namespace quire::bench
