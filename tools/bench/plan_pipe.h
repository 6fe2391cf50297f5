// SPDX-License-Identifier: Apache-2.0
// Telling a mount what will be read: the paths of an epoch's samples, in their order, written into the pipe .quire/plan
// in the mount's root while they are read.
#pragma once

#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "format/result.h"

namespace quire::bench {

class PlanPipe {
 public:
  // Lists the samples below `root`, whose numbers are those that OpenDirectoryStore gives. kNotFound where `root` has
  // no such pipe.
  static Result<PlanPipe> Find(const std::string& root);

  // Writes the paths of the samples of `order`, relative to the root, each ended by NUL. Waits for some seconds until
  // somebody has opened the pipe for reading, and while its reader is behind; after a stop it waits no more, and
  // returns within 10 ms. Ends early where the reader goes. Returns the number of samples that were written.
  // Leaves SIGPIPE blocked, so it is for a thread that does nothing else.
  uint64_t Write(std::span<const uint64_t> order, const std::stop_token& stop) const;

 private:
  PlanPipe(std::string pipe, std::vector<std::string> paths) : pipe_(std::move(pipe)), paths_(std::move(paths)) {}

  std::string pipe_;
  std::vector<std::string> paths_;  // by sample number
};

}  // namespace quire::bench
