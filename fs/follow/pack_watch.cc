// SPDX-License-Identifier: Apache-2.0
#include "fs/follow/pack_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace quire {
namespace {

// Whoever commits closes the pack behind it. IN_ATTRIB: the file lost its name, as where another one took it.
constexpr uint32_t kChanges = IN_CLOSE_WRITE | IN_ATTRIB;

void ReadAll(const File& file) {
  alignas(inotify_event) std::array<std::byte, 4096> events;
  while (read(file.fd(), events.data(), events.size()) == static_cast<ssize_t>(events.size())) continue;
}

}  // namespace

PackWatch::PackWatch(int fd) : woken_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd < 0) return;
  File changes(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (changes.is_open() && inotify_add_watch(changes.fd(), ProcPath(fd).c_str(), kChanges) >= 0)
    changes_ = std::move(changes);
}

void PackWatch::Wait(const std::stop_token& stop, std::chrono::milliseconds at_most) const {
  const std::stop_callback wake(stop, [this] { Wake(); });
  std::array<pollfd, 2> ready = {{{changes_.fd(), POLLIN, 0}, {woken_.fd(), POLLIN, 0}}};
  poll(ready.data(), ready.size(), static_cast<int>(at_most.count()));
  for (const File* file : {&changes_, &woken_})
    if (file->is_open()) ReadAll(*file);
}

void PackWatch::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(woken_.fd(), &one, sizeof(one));
}

}  // namespace quire
