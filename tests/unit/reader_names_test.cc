// SPDX-License-Identifier: Apache-2.0
// Goal: threads are told as the processes that they are of, and never as those of another namespace.
#include "tools/top/reader_names.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/support/fake_root.h"

namespace quire {
namespace {

class ReaderNamesTest : public testing::Test {
 protected:
  ReaderNamesTest() {
    root_.Put("/proc/self/ns/pid", "");
    struct stat status = {};
    stat((root_.path() + "/proc/self/ns/pid").c_str(), &status);
    rates_.pid_namespace = status.st_ino;
  }
  void PutThread(uint64_t thread, uint64_t process) {
    root_.Put("/proc/" + std::to_string(thread) + "/status",
              "Name:\tpython3\nUmask:\t0022\nTgid:\t" + std::to_string(process) + "\nNgid:\t0\n");
  }
  void PutCommand(uint64_t process, const std::string& command, const std::string& name) {
    root_.Put("/proc/" + std::to_string(process) + "/cmdline", command);
    root_.Put("/proc/" + std::to_string(process) + "/comm", name + "\n");
  }

  FakeRoot root_;
  MountRates rates_;
};

TEST_F(ReaderNamesTest, ThreadsOfAProcessAreOneReader) {
  PutThread(10, 10);
  PutThread(11, 10);
  PutThread(20, 20);
  PutCommand(10, std::string("/usr/bin/python3\0train.py\0/data/x\0", 34), "python3");
  PutCommand(20, "", "kworker");
  rates_.threads = {{.thread = 20, .rate = {.reads_per_s = 5}},
                    {.thread = 10, .rate = {.reads_per_s = 4, .files_per_s = 2, .bytes_per_s = 100}},
                    {.thread = 11, .rate = {.reads_per_s = 3, .files_per_s = 1, .bytes_per_s = 50}}};
  const auto readers = ReaderNames(root_.path() + "/proc").Group(rates_);
  ASSERT_EQ(readers.size(), 2U);
  EXPECT_EQ(readers[0].process, 10U);
  EXPECT_EQ(readers[0].command, "python3 train.py /data/x");
  EXPECT_EQ(readers[0].threads, 2U);
  EXPECT_DOUBLE_EQ(readers[0].rate.reads_per_s, 7);
  EXPECT_DOUBLE_EQ(readers[0].rate.files_per_s, 3);
  EXPECT_DOUBLE_EQ(readers[0].rate.bytes_per_s, 150);
  EXPECT_EQ(readers[1].command, "kworker");
}

TEST_F(ReaderNamesTest, AProcessThatHasEndedIsNamedOnceMore) {
  PutThread(10, 10);
  PutCommand(10, std::string("cat\0", 4), "cat");
  rates_.threads = {{.thread = 10, .rate = {.reads_per_s = 4}}};
  ReaderNames names(root_.path() + "/proc");
  names.Group(rates_);
  std::filesystem::remove_all(root_.path() + "/proc/10");
  EXPECT_EQ(names.Group(rates_).front().command, "cat");
  names.Group({.pid_namespace = rates_.pid_namespace});
  EXPECT_EQ(names.Group(rates_).front().command, "") << "the number may be another process's by now";
}

TEST_F(ReaderNamesTest, NumbersOfAnotherNamespaceHaveNoName) {
  PutThread(10, 10);
  PutCommand(10, std::string("cat\0", 4), "cat");
  rates_.threads = {{.thread = 10, .rate = {.reads_per_s = 4}}};
  for (const uint64_t other : {rates_.pid_namespace + 1, uint64_t{0}}) {
    rates_.pid_namespace = other;
    const auto readers = ReaderNames(root_.path() + "/proc").Group(rates_);
    ASSERT_EQ(readers.size(), 1U);
    EXPECT_EQ(readers[0].process, 10U);
    EXPECT_EQ(readers[0].command, "");
  }
}

}  // namespace
}  // namespace quire
