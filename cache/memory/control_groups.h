// SPDX-License-Identifier: Apache-2.0
// The control groups that may limit this process's memory, wherever they are mounted, and the numbers in the small text
// files that the kernel shows for them and for the machine. cgroups(7), proc(5).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

// Groups nested deeper than that do not count: a limit for what is kept for each. Containers in batch jobs are some ten
// levels deep.
inline constexpr size_t kMaxMemoryGroups = 32;

struct MemoryGroup {
  bool is_v2 = false;
  std::string name;    // for messages: "/slurm/job_7"; "/" for the root
  std::string folder;  // where its files are, `root` included

  // The files that hold its limits: v1 has one, v2 two.
  [[nodiscard]] std::span<const char* const> LimitFiles() const;
};

// The groups of this process and those above them, as far as they are mounted, from the process's own to the root, for
// v1 (the hierarchy of the memory controller) and v2. `root` is prepended to /proc and to where they are mounted.
std::vector<MemoryGroup> FindMemoryGroups(const std::string& root);

// The number that all of `text` is; nothing where it is none.
std::optional<uint64_t> ParseNumber(std::string_view text, int base = 10);
// A file that holds one number and the end of the line; "max" is none.
std::optional<uint64_t> ParseNumberLine(std::string_view text);
// The number that follows the word `name`, where that word begins a line: "MemTotal:       24684092 kB".
std::optional<uint64_t> FindNumber(std::string_view text, std::string_view name);
// Likewise, of /proc/meminfo, which counts in KiB: bytes.
std::optional<uint64_t> FindKibibytes(std::string_view text, std::string_view name);

// The text of one small file, on the stack: no allocation. A longer file is cut; the largest of these, memory.stat, has
// 70 lines of at most 50 characters.
class SmallText {
 public:
  // False where the read failed. A `fd` of -1 fails.
  bool Read(int fd);
  // False where the file cannot be opened or read.
  bool ReadPath(const std::string& path);
  // What the last successful read gave.
  [[nodiscard]] std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 8192> bytes_;
  size_t size_ = 0;
};

}  // namespace quire
