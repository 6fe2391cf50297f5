// SPDX-License-Identifier: Apache-2.0
// The border between C and C++: errors become numbers and sentences, and no exception passes.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <string_view>

#include "format/result.h"
#include "tools/library/quire.h"

namespace quire {

// A negative errno, as quire.h says.
int NumberOf(const Error& error);

// Writes `message` to `error`, which may be null.
void SetMessage(quire_error* error, std::string_view message);

// What a function returns that fails so.
int Refuse(quire_error* error, const Error& fault);

// Runs `body`, which returns a Result of a number, and returns that number or a negative errno.
template <typename Number, typename Body>
Number RunInside(quire_error* error, const Body& body) noexcept try {
  SetMessage(error, "");
  const Result<Number> result = body();
  return result ? *result : Refuse(error, result.error());
} catch (const std::bad_alloc&) {
  return Refuse(error, {ErrorCode::kSystem, ENOMEM, {}});
} catch (const std::exception& exception) {  // a container that would be too large, a thread that cannot be had
  SetMessage(error, exception.what());
  return -EIO;
}

}  // namespace quire
