// SPDX-License-Identifier: Apache-2.0
// Standard streams as they come: closed, as some supervisors and crontabs start a program, or on a disk that is full.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "format/result.h"

namespace quire {

// Opens /dev/null in the place of each standard stream that is closed. Otherwise the next file that is opened gets the
// stream's number, and what is meant for the stream is written into that file. The first thing that main does, since it
// may end the program: where /dev/null cannot be opened, nothing can be done safely.
void OpenClosedStreams();

// What is said on the way has to be lost where stderr takes nothing, the log's disk being full or the terminal gone:
// the work goes on, and the exit code tells how it ended. Any thread; never throws.
void PrintToStderr(std::string_view text);

// All of `bytes`, past what is printed. Waits for who reads them.
Result<void> WriteToStdout(std::span<const std::byte> bytes);

}  // namespace quire
