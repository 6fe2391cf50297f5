// SPDX-License-Identifier: Apache-2.0
#include "cache/log.h"

#include <atomic>

namespace quire {
namespace {

std::atomic<LogWriter> log_writer = nullptr;

}  // namespace

void SetLogWriter(LogWriter writer) { log_writer.store(writer, std::memory_order_relaxed); }

LogWriter GetLogWriter() { return log_writer.load(std::memory_order_relaxed); }

}  // namespace quire
