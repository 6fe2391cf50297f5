// SPDX-License-Identifier: Apache-2.0
// A network link with latency, loss and a limited rate, for kernels that have no netem: joins two network namespaces by
// a TUN device in each, and carries what one sends to the other, late and in order.
//     slow_link NAMESPACE:DEVICE NAMESPACE:DEVICE [WORD NUMBER]...
// Namespaces are those of ip-netns(8); the devices are made, and are down and without addresses. Needs root. Each WORD
// says what is done to packets, in both directions:
//     delay_us N      each comes so much later: half of the round trip
//     loss_ppm N      so many of a million get lost, by chance
//     rate_mbps N     no more megabytes a second; what would wait for longer than a round trip (10 ms at least) gets
//     lost seed N          which get lost
// Prints "ready" once the devices are there. On SIGTERM or SIGINT it prints what it carried, and the devices go with
// it.
//
// A packet may be as large as 64 KiB, which the kernel cuts into segments of the device's size only where a real link
// would (TSO): that costs a tenth of what as many packets of 1500 bytes cost. Where some are to get lost they come one
// by one, since a network loses segments.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

// A packet of IP has 65,535 bytes at most; before it goes what IFF_VNET_HDR stands for, the 10 bytes of virtio_net_hdr,
// which tell the kernel how to cut it.
constexpr size_t kLargestPacketBytes = 65535 + 10;
constexpr size_t kSlotBytes = (kLargestPacketBytes + 4095) / 4096 * 4096;
// In flight in one direction: 1 GiB of the largest packets, which is 10 GB/s at 100 ms. What comes beyond gets lost,
// and is told apart.
constexpr uint32_t kMostInFlight = 16384;
constexpr int kDeviceQueue = 16384;  // packets that the kernel keeps for this program while it does something else
constexpr int kAtATime = 64;         // packets of one direction, before the other has its turn
constexpr uint64_t kLeastBufferNs = 10'000'000;

struct Rules {
  uint64_t delay_ns = 0;
  uint32_t loss_ppm = 0;
  uint64_t bytes_per_second = 0;  // 0: not limited
  uint64_t seed = 1;
};

struct End {
  std::string name_space;
  std::string device;
};

volatile sig_atomic_t is_over = 0;

uint64_t NowNs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

int Fail(const std::string& what) {
  std::fprintf(stderr, "slow_link: %s: %s\n", what.c_str(), std::strerror(errno));
  return -1;
}

// The thread is in `end`'s namespace afterwards. -1 after a message.
int OpenDevice(const End& end, bool is_segmented) {
  const std::string path = "/run/netns/" + end.name_space;
  const int name_space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (name_space < 0 || setns(name_space, CLONE_NEWNET) != 0) return Fail("namespace '" + path + "'");
  close(name_space);
  const int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0) return Fail("/dev/net/tun");
  ifreq request = {};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  end.device.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(device, TUNSETIFF, &request) != 0) return Fail("device '" + end.device + "' in '" + path + "'");
  const unsigned offloads = is_segmented ? TUN_F_CSUM : TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(device, TUNSETOFFLOAD, offloads) != 0) return Fail("offloads of '" + end.device + "'");
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  request.ifr_qlen = kDeviceQueue;
  if (socket < 0 || ioctl(socket, SIOCSIFTXQLEN, &request) != 0) return Fail("queue of '" + end.device + "'");
  close(socket);
  return device;
}

// Packets on their way in one direction. Their memory is used again last in, first out, so that what is in flight is
// what is resident.
class Direction {
 public:
  Direction(const Rules& rules, uint64_t seed, int from, int to) : rules_(rules), from_(from), to_(to), chance_(seed) {
    for (uint32_t slot = kMostInFlight; slot > 0; --slot) free_.push_back(slot - 1);
  }

  [[nodiscard]] bool HasMemory() {
    void* const memory = mmap(nullptr, kMostInFlight * kSlotBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    memory_ = memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
    return memory_ != nullptr;
  }

  // Takes in what was sent, as far as it is this direction's turn; false where that ended with an error.
  bool TakeIn() {
    for (int taken = 0; taken < kAtATime; ++taken) {
      const bool has_room = !free_.empty();
      const uint32_t slot = has_room ? free_.back() : 0;
      const ssize_t bytes = read(from_, has_room ? At(slot) : overflow_.data(), kSlotBytes);
      if (bytes < 0) return errno == EAGAIN || errno == EINTR;
      Came(has_room ? std::optional(slot) : std::nullopt, static_cast<uint32_t>(bytes));
    }
    return true;
  }

  // Hands on what is due.
  bool HandOn() {
    while (!in_flight_.empty() && in_flight_.front().due_ns <= NowNs()) {
      const Packet packet = in_flight_.front();
      const ssize_t written = write(to_, At(packet.slot), packet.bytes);
      if (written < 0 && errno == EINVAL) return false;
      in_flight_.pop_front();
      free_.push_back(packet.slot);
      if (written < 0) {  // the device is down, or the kernel has no memory
        ++overrun_;
        continue;
      }
      ++carried_;
      carried_bytes_ += packet.bytes;
    }
    return true;
  }

  [[nodiscard]] uint64_t NextDueNs() const { return in_flight_.empty() ? UINT64_MAX : in_flight_.front().due_ns; }
  [[nodiscard]] int from() const { return from_; }

  void Tell(const char* name, const char* behind) const {
    std::printf("\"%s\": {\"packets\": %lu, \"bytes\": %lu, \"lost\": %lu, \"overrun\": %lu}%s", name, carried_,
                carried_bytes_, lost_, overrun_, behind);
  }

 private:
  struct Packet {
    uint64_t due_ns;
    uint32_t slot;
    uint32_t bytes;
  };

  void Came(std::optional<uint32_t> slot, uint32_t bytes) {
    if (rules_.loss_ppm > 0 && chance_() % 1'000'000 < rules_.loss_ppm) {
      ++lost_;
      return;
    }
    const uint64_t now = NowNs();
    uint64_t sent = now;
    if (rules_.bytes_per_second > 0) {
      sent = std::max(now, link_free_at_ns_) + uint64_t{bytes} * 1'000'000'000 / rules_.bytes_per_second;
      if (sent - now > std::max(2 * rules_.delay_ns, kLeastBufferNs)) slot.reset();
    }
    if (!slot) {
      ++overrun_;
      return;
    }
    link_free_at_ns_ = sent;
    free_.pop_back();
    in_flight_.push_back({.due_ns = sent + rules_.delay_ns, .slot = *slot, .bytes = bytes});
  }

  [[nodiscard]] std::byte* At(uint32_t slot) const { return memory_ + size_t{slot} * kSlotBytes; }

  const Rules& rules_;
  const int from_;
  const int to_;
  std::byte* memory_ = nullptr;
  std::vector<uint32_t> free_;
  std::deque<Packet> in_flight_;
  std::array<std::byte, kSlotBytes> overflow_ = {};
  std::mt19937_64 chance_;
  uint64_t link_free_at_ns_ = 0;
  uint64_t carried_ = 0;
  uint64_t carried_bytes_ = 0;
  uint64_t lost_ = 0;     // as the rules say
  uint64_t overrun_ = 0;  // for want of room
};

// Until a signal comes; the exit status.
int Carry(std::array<Direction, 2>& directions) {
  sigset_t blocked = {};
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGINT);
  sigset_t open = {};
  sigprocmask(SIG_BLOCK, &blocked, &open);
  struct sigaction action = {};
  action.sa_handler = [](int) { is_over = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  std::printf("ready\n");
  std::fflush(stdout);
  while (is_over == 0) {
    uint64_t next_ns = UINT64_MAX;
    for (Direction& direction : directions) {
      if (!direction.TakeIn()) return Fail("reading a device"), 1;
      if (!direction.HandOn()) return Fail("writing a device"), 1;
      next_ns = std::min(next_ns, direction.NextDueNs());
    }
    const uint64_t now = NowNs();
    const uint64_t wait_ns = next_ns == UINT64_MAX ? 1'000'000'000 : next_ns - std::min(next_ns, now);
    const timespec wait = {.tv_sec = static_cast<time_t>(wait_ns / 1'000'000'000),
                           .tv_nsec = static_cast<long>(wait_ns % 1'000'000'000)};
    std::array<pollfd, 2> fds = {{{.fd = directions[0].from(), .events = POLLIN, .revents = 0},
                                  {.fd = directions[1].from(), .events = POLLIN, .revents = 0}}};
    ppoll(fds.data(), fds.size(), &wait, &open);
  }
  std::printf("{");
  directions[0].Tell("forth", ", ");
  directions[1].Tell("back", "}\n");
  return 0;
}

std::optional<End> ParseEnd(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || text.size() - colon - 1 - 1 >= IFNAMSIZ - 1) return std::nullopt;
  return End{.name_space = std::string(text.substr(0, colon)), .device = std::string(text.substr(colon + 1))};
}

bool ParseRule(std::string_view word, std::string_view text, Rules& rules) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  if (word == "delay_us" && number <= 10'000'000) return rules.delay_ns = number * 1000, true;
  if (word == "loss_ppm" && number <= 1'000'000) return rules.loss_ppm = static_cast<uint32_t>(number), true;
  if (word == "rate_mbps" && number > 0 && number <= 100'000) return rules.bytes_per_second = number * 1'000'000, true;
  if (word == "seed") return rules.seed = number, true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  Rules rules;
  std::array<std::optional<End>, 2> ends;
  bool is_right = words.size() >= 2 && words.size() % 2 == 0;
  for (size_t i = 0; is_right && i < 2; ++i) is_right = (ends[i] = ParseEnd(words[i])).has_value();
  for (size_t i = 2; is_right && i < words.size(); i += 2) is_right = ParseRule(words[i], words[i + 1], rules);
  if (!is_right) {
    std::fprintf(
        stderr,
        "usage: slow_link NAMESPACE:DEVICE NAMESPACE:DEVICE [delay_us N] [loss_ppm N] [rate_mbps N] [seed N]\n");
    return 2;
  }
  const bool is_segmented = rules.loss_ppm > 0;
  const int one = OpenDevice(*ends[0], is_segmented);
  const int other = one < 0 ? -1 : OpenDevice(*ends[1], is_segmented);
  if (other < 0) return 1;
  std::array<Direction, 2> directions = {Direction(rules, rules.seed, one, other),
                                         Direction(rules, rules.seed + 1, other, one)};
  if (!directions[0].HasMemory() || !directions[1].HasMemory()) return Fail("memory"), 1;
  prctl(PR_SET_TIMERSLACK, 1UL);  // nanosecond: 50 us are the default
  // A network does not wait for a processor: where it does, TCP takes that for a queue, and stops speeding up. Without
  // the right to it, it works all the same.
  const sched_param priority = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_RR, &priority);
  return Carry(directions);
}
