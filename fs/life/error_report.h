// SPDX-License-Identifier: Apache-2.0
// An error as bytes, for a pipe between two processes of one program.
#pragma once

#include <string>
#include <string_view>

#include "format/result.h"

namespace quire {

std::string EncodeError(const Error& error);

// Of what another process sent. kSystem where it is none that EncodeError has made.
Error DecodeError(std::string_view report);

}  // namespace quire
