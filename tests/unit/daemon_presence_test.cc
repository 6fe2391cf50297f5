// SPDX-License-Identifier: Apache-2.0
// Goal: the end of a daemon is seen, and nothing else is taken for it.
#include "fs/mounts/daemon_presence.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace quire {
namespace {

using std::chrono::milliseconds;

// Of no mount: device numbers have 12 and 20 bits, this one is the test's own.
dev_t OwnDevice() { return makedev(4000, static_cast<unsigned>(getpid())); }
MountEntry OwnMount() {
  MountEntry mount;
  mount.device = OwnDevice();
  mount.user = getuid();
  return mount;
}

TEST(DaemonPresence, WithoutADaemonThereIsNothingToWaitFor) {
  const PresenceWatch watch = WatchDaemon(OwnMount());
  EXPECT_FALSE(watch.is_open());
  EXPECT_TRUE(WaitForEnd(watch, milliseconds(0)));
}

TEST(DaemonPresence, TheEndOfTheDaemonEndsTheWait) {
  File daemon = AnnounceDaemon(OwnDevice());
  ASSERT_TRUE(daemon.is_open());
  const PresenceWatch watch = WatchDaemon(OwnMount());
  ASSERT_TRUE(watch.is_open());
  EXPECT_FALSE(WaitForEnd(watch, milliseconds(20)));
  std::jthread end([&daemon] {
    std::this_thread::sleep_for(milliseconds(20));
    daemon = File();
  });
  EXPECT_TRUE(WaitForEnd(watch, std::chrono::minutes(1)));
}

TEST(DaemonPresence, TheDaemonOfAFormerMountIsNotTakenForThatOfThisOne) {
  File former = AnnounceDaemon(OwnDevice());
  File daemon = AnnounceDaemon(OwnDevice());
  ASSERT_TRUE(former.is_open() && daemon.is_open());
  const PresenceWatch watch = WatchDaemon(OwnMount());
  ASSERT_TRUE(watch.is_open());
  former = File();
  EXPECT_FALSE(WaitForRelease(watch, milliseconds(20)));
  // Nor is it the other way round, once the former one has gone.
  const PresenceWatch later = WatchDaemon(OwnMount());
  ASSERT_TRUE(later.is_open());
  daemon = File();
  EXPECT_TRUE(WaitForRelease(watch, std::chrono::minutes(1)));
  EXPECT_TRUE(WaitForRelease(later, std::chrono::minutes(1)));
}

TEST(DaemonPresence, ASignalIsNotTheEnd) {
  const File daemon = AnnounceDaemon(OwnDevice());
  const PresenceWatch watch = WatchDaemon(OwnMount());
  struct sigaction nothing = {};
  struct sigaction before = {};
  nothing.sa_handler = [](int) {};
  sigaction(SIGUSR1, &nothing, &before);
  std::atomic<bool> is_over = false;
  std::jthread disturber([&is_over, waiting = pthread_self()] {
    while (!is_over) {
      pthread_kill(waiting, SIGUSR1);
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  EXPECT_FALSE(WaitForEnd(watch, milliseconds(100)));
  is_over = true;
  disturber.join();
  sigaction(SIGUSR1, &before, nullptr);
}

// poll(2) fails with EINVAL where fewer descriptors are allowed than it is given.
TEST(DaemonPresence, AnErrorIsNotTheEnd) {
  const File daemon = AnnounceDaemon(OwnDevice());
  const PresenceWatch watch = WatchDaemon(OwnMount());
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit none = {0, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(WaitForEnd(watch, milliseconds(100)));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(100));
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace quire
