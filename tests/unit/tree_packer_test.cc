// SPDX-License-Identifier: Apache-2.0
// Goal: a dry run tells what packing makes, to the byte, and writes nothing.
#include <gtest/gtest.h>

#include <filesystem>

#include "format/write/directory_tree.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

TEST(PackTree, ADryRunTellsTheSizeToTheByte) {
  const TemporaryFolder source;
  const TemporaryFolder out;
  fs::create_directories(source / "a/b");
  for (int i = 0; i < 300; ++i) WriteFile(source / fmt::format("a/{:03}", i), Noise(17'001 + i * 13, i));
  WriteFile(source / "a/b/large", Noise(2 * kPageBytes + 5, 1));
  WriteFile(source / "a/b/same", Noise(2 * kPageBytes + 5, 1));
  WriteFile(source / "a/b/sparse", "");
  fs::resize_file(source / "a/b/sparse", 1 << 20);
  fs::create_hard_link(source / "a/000", source / "a/b/link");
  fs::create_symlink("large", source / "a/b/symlink");
  const auto pack = [&](const PackTreeOptions& options) {
    const auto tree = ValueOrDie(DirectoryTree::Open(source.path(), false));
    return ValueOrDie(PackTree(*tree, options)).superblock;
  };
  for (const bool deduplicate : {false, true}) {
    PackProgress progress;
    uint64_t planned = 0;
    PackTreeOptions options{.output = "",
                            .order = {},
                            .spool_folder = out.path(),
                            .dry_run = true,
                            .deduplicate = deduplicate,
                            .replace = true,
                            .on_unreadable = [](const auto&, const auto&) { FAIL(); },
                            .on_planned = [&](const auto&) { ++planned; },
                            .progress = &progress};
    const Superblock told = pack(options);
    EXPECT_EQ(fs::exists(out / "out"), deduplicate);
    options.output = out / "out";
    options.dry_run = false;
    const Superblock made = pack(options);
    EXPECT_EQ(told.pack_bytes, made.pack_bytes);
    EXPECT_EQ(told.pack_bytes, fs::file_size(out / "out"));
    EXPECT_EQ(told.stored_bytes, made.stored_bytes);
    EXPECT_EQ(told.samples, made.samples);
    EXPECT_EQ(planned, 300U + 2 + 5);
  }
}

}  // namespace
}  // namespace quire
