// SPDX-License-Identifier: Apache-2.0
// Goal: who keeps a mount busy is found and named. A folder stands in for the mount: nothing of it is asked but names.
#include "fs/mounts/mount_users.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace quire {
namespace {

const dev_t kNoDevice = makedev(4095, 1048575);

class MountUsers : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "quire-users.XXXXXX";
    folder_ = std::filesystem::canonical(mkdtemp(pattern.data()));
    std::ofstream(File()) << "content";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string File() const { return folder_ + "/file"; }

  // Whether a child that did `use` is found.
  [[nodiscard]] bool Finds(const std::function<void()>& use, dev_t device = kNoDevice) const {
    std::array<int, 2> ready = {};
    EXPECT_EQ(pipe(ready.data()), 0);
    const pid_t child = fork();
    if (child == 0) {
      use();
      static_cast<void>(!write(ready[1], "", 1));
      pause();
      _exit(0);
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    const auto users = FindMountUsers(folder_, device);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
    return std::ranges::find(users, child, &MountUser::pid) != users.end();
  }

  std::string folder_;
};

TEST_F(MountUsers, WhoHasAFileOpenIsFound) {
  EXPECT_TRUE(Finds([this] { EXPECT_GE(open(File().c_str(), O_RDONLY), 0); }));
}

TEST_F(MountUsers, WhoWorksThereIsFound) {
  EXPECT_TRUE(Finds([this] { EXPECT_EQ(chdir(folder_.c_str()), 0); }));
}

TEST_F(MountUsers, WhoHasAFileMappedIsFoundByItsDevice) {
  struct stat status = {};
  ASSERT_EQ(stat(File().c_str(), &status), 0);
  EXPECT_TRUE(Finds(
      [this] {
        const int file = open(File().c_str(), O_RDONLY);
        EXPECT_NE(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, file, 0), MAP_FAILED);
        close(file);
      },
      status.st_dev));
}

TEST_F(MountUsers, WhoIsElsewhereIsNot) {
  EXPECT_FALSE(Finds([] {}));
  const std::string beside = folder_ + "-beside";
  std::filesystem::create_directory(beside);
  EXPECT_FALSE(Finds([&] { EXPECT_EQ(chdir(beside.c_str()), 0); }));
  std::filesystem::remove(beside);
}

TEST_F(MountUsers, ThisProcessIsNot) {
  const int file = open(File().c_str(), O_RDONLY);
  EXPECT_TRUE(FindMountUsers(folder_, kNoDevice).empty());
  close(file);
}

TEST_F(MountUsers, AFewAreNamedAndTheRestCounted) {
  EXPECT_EQ(ListMountUsers({}), "");
  EXPECT_EQ(ListMountUsers({{1, "a"}}), "a (process 1)");
  EXPECT_EQ(ListMountUsers({{1, "a"}, {2, "b"}}), "a (process 1) and b (process 2)");
  EXPECT_EQ(ListMountUsers({{1, "a"}, {2, "b"}, {3, "c"}}), "a (process 1), b (process 2) and c (process 3)");
  EXPECT_EQ(ListMountUsers({{1, "a"}, {2, "b"}, {3, "c"}, {4, "d"}, {5, "e"}}),
            "a (process 1), b (process 2), c (process 3) and 2 more");
}

}  // namespace
}  // namespace quire
