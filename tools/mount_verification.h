// SPDX-License-Identifier: Apache-2.0
// The mount option `verify`: all samples are compared with their sums before they are mounted.
#pragma once

#include <functional>
#include <string>

#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

// Blocks while all of the pack is read. An error where anything is damaged, of which the first faults are told to
// `notice`, and where a volume of it has no sums (kUnsupported, with the remedy).
Result<void> VerifyBeforeMount(const Pack& pack, const std::function<void(const std::string& sentence)>& notice);

}  // namespace quire
