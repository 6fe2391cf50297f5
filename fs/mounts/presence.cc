// SPDX-License-Identifier: Apache-2.0
#include "fs/mounts/presence.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <thread>

namespace quire {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookAgain{10};  // after an error; a daemon ends within some of them

struct Address {
  sockaddr_un name = {};
  socklen_t bytes = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// Abstract: sun_path starts with NUL, so there is no file to leave behind.
Address AddressOf(const std::string& name) {
  const std::string text = "quire/" + name;
  Address address;
  assert(text.size() < sizeof(address.name.sun_path));
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path + 1, text.data(), text.size());
  address.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return address;
}

File OpenSocket() { return File(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

bool WaitForEvent(const File& file, short event, milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    pollfd wanted = {file.fd(), event, 0};
    const int events = poll(&wanted, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (events > 0) return true;
    if (std::chrono::steady_clock::now() >= until) return false;
    // A signal, or a want of memory, which say nothing of the process.
    if (events < 0) std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace

Result<File> Announce(const std::string& name) {
  File socket = OpenSocket();
  const Address address = AddressOf(name);
  if (bind(socket.fd(), address.get(), address.bytes) != 0 || listen(socket.fd(), SOMAXCONN) != 0)
    return SystemError(errno, "the socket of '{}'", name);
  return socket;
}

PresenceWatch Watch(const std::string& name) {
  PresenceWatch watch;
  watch.socket = OpenSocket();
  const Address address = AddressOf(name);
  if (connect(watch.socket.fd(), address.get(), address.bytes) != 0) return {};
  ucred peer = {};
  socklen_t bytes = sizeof(peer);
  if (getsockopt(watch.socket.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return watch;
  watch.pid = peer.pid;
  watch.user = peer.uid;
  if (peer.pid <= 0 || peer.pid == getpid()) return watch;
  File process(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
  // Where the name is held still, its holder lives, and the number has not gone to another process meanwhile.
  if (!WaitForRelease(watch, milliseconds(0))) watch.process = std::move(process);
  return watch;
}

bool WaitForRelease(const PresenceWatch& watch, milliseconds timeout) {
  return !watch.socket.is_open() || WaitForEvent(watch.socket, POLLRDHUP, timeout);
}

bool WaitForEnd(const PresenceWatch& watch, milliseconds timeout) {
  return watch.process.is_open() ? WaitForEvent(watch.process, POLLIN, timeout) : WaitForRelease(watch, timeout);
}

}  // namespace quire
