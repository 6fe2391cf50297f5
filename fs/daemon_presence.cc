#include "fs/daemon_presence.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace quire {
namespace {

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
  pollfd hangup = {watch.fd(), POLLRDHUP, 0};
  return poll(&hangup, 1, static_cast<int>(timeout.count())) != 0;
}

}  // namespace quire
