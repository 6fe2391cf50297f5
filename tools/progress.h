// SPDX-License-Identifier: Apache-2.0
// Progress of long work on stderr: a line with a bar on a terminal, which stays when the work is done; otherwise a line
// at the beginning, and one now and then.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cache/background_thread.h"
#include "format/escaping.h"
#include "format/mutex.h"

namespace quire {

enum class ProgressMode : uint8_t {
  kAuto,    // nothing of work that is done in a moment
  kAlways,  // of all work
  kNever,
};

// What is to be shown at one moment.
struct ProgressState {
  std::string what;         // "packing"
  std::string counts = {};  // "1,234 of 5,678 samples"; may be empty
  uint64_t done = 0;
  uint64_t total = 0;    // 0: not known, no bar
  bool is_bytes = true;  // what done and total count; else steps, whose rate tells nobody anything
};

// Shows `read()` from a thread of its own until Finish, or until destruction, which means that the work failed and
// takes the bar away. `read` must be safe to call from that thread, and from the constructor.
class Progress {
 public:
  Progress(ProgressMode mode, std::function<ProgressState()> read);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  // Prints a line of its own to stderr, above the bar, fit for a terminal. Any thread.
  void PrintLine(const std::string& line);

  // The work is done: shows `last`, such as {.what = "packed", ...}, with the time that all of it took. To be called
  // once, before anything is printed about what was done.
  void Finish(ProgressState last);

 private:
  void Run(const std::stop_token& stop);
  void Show() QUIRE_REQUIRES(mutex_);
  void Print(const std::string& line) QUIRE_REQUIRES(mutex_);
  void ClearBar() QUIRE_REQUIRES(mutex_);
  [[nodiscard]] size_t Columns() const;

  const ProgressMode mode_;
  const bool terminal_;
  const std::function<ProgressState()> read_;
  const uint64_t started_ns_;
  Mutex mutex_;                                 // held while the line of the terminal is written
  std::string phase_ QUIRE_GUARDED_BY(mutex_);  // whose rate is measured
  uint64_t phase_started_ns_ QUIRE_GUARDED_BY(mutex_);
  bool was_shown_ QUIRE_GUARDED_BY(mutex_) = false;  // anything
  bool bar_shown_ QUIRE_GUARDED_BY(mutex_) = false;
  BackgroundThread thread_;  // last: uses all above
};

// 1536 -> "1.5 KiB".
std::string FormatBytes(uint64_t bytes);
// 1234567 -> "1,234,567".
std::string FormatCount(uint64_t count);
// 3725 -> "1:02:05".
std::string FormatSeconds(uint64_t seconds);

// 1, "directory", "directories" -> "1 directory"; 2 -> "2 directories".
std::string FormatAmount(uint64_t count, std::string_view one, std::string_view many);

}  // namespace quire
