// SPDX-License-Identifier: Apache-2.0
// Tells systemd how a service fares: sd_notify(3), whose protocol is one datagram and no library. Does nothing where no
// service manager asked for it by NOTIFY_SOCKET.
#pragma once

#include <string_view>

namespace quire {

// `state`: lines such as "READY=1".
void NotifyServiceManager(std::string_view state);

}  // namespace quire
