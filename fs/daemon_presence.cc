#include "fs/daemon_presence.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>

namespace quire {
namespace {

constexpr std::chrono::milliseconds kLookAgain{10};  // after an error; a daemon ends within some of them

struct Address {
  sockaddr_un name = {};
  socklen_t bytes = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// Abstract: sun_path starts with NUL, so there is no file to leave behind.
Address AddressOf(dev_t device) {
  const std::string text = fmt::format("quire/mount/{}:{}", major(device), minor(device));
  Address address;
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path + 1, text.data(), text.size());
  address.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return address;
}

File OpenSocket() { return File(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

}  // namespace

File AnnounceDaemon(dev_t device) {
  File socket = OpenSocket();
  const Address address = AddressOf(device);
  if (bind(socket.fd(), address.get(), address.bytes) != 0 || listen(socket.fd(), SOMAXCONN) != 0) return {};
  return socket;
}

File WatchDaemon(dev_t device) {
  File socket = OpenSocket();
  const Address address = AddressOf(device);
  if (connect(socket.fd(), address.get(), address.bytes) != 0) return {};
  return socket;
}

bool WaitForDaemonEnd(const File& watch, std::chrono::milliseconds timeout) {
  if (!watch.is_open()) return true;
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd hangup = {watch.fd(), POLLRDHUP, 0};
    const int events = poll(&hangup, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (events > 0) return true;
    if (std::chrono::steady_clock::now() >= until) return false;
    // A signal, or a want of memory, which say nothing of the daemon.
    if (events < 0) std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace quire
