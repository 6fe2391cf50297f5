// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGQUIT, SIGTERM and SIGHUP, which are the same in all commands: "quire SUBCOMMAND: interrupted", and an end
// by that signal, so that a shell's loop ends too (its status is 128 plus the signal's number). One that was ignored
// when the program started stays ignored, as nohup wants.
#pragma once

#include <atomic>
#include <string_view>

namespace quire {

// From now on these signals print "COMMAND: interrupted" and end the process at once. REQUIRES: no other thread runs.
void ReportInterrupts(std::string_view command);

// From the first call on they set the flag instead, which long work looks at that has something to tidy up; a second
// one ends the process at once.
const std::atomic<bool>* CatchInterrupts();

// The flag that CatchInterrupts sets; without a call of it it stays as it is.
const std::atomic<bool>* InterruptFlag();

// For commands whose main thread reads from a disk: a read that hangs would keep a handler from running, and the
// process from ending. From now on the handlers run in a thread that waits for nothing. REQUIRES: no child is made from
// now on.
void HandleInterruptsInAThread();

// They have their default action again: for a child that lives on by itself.
void ForgetInterrupts();

// Where a signal has set the flag: ends the process by it, once its work has ended and said so.
void EndIfInterrupted();

}  // namespace quire
