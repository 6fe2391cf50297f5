#include "tools/mount_log.h"

#include <fcntl.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <utility>

#include "format/file.h"

namespace quire {
namespace {

constexpr unsigned kLogMode = 0644;
constexpr const char* kPattern = "%Y-%m-%d %H:%M:%S quire[%P] %l: %v";

Result<File> OpenLog(const std::string& path) {
  return File::Open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, kLogMode);
}

// spdlog's own file sinks cannot be told to open their file again. Each line is one write, so that nothing is lost with
// the process; a full disk loses lines, and nothing else.
class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FileSink(std::string path, File file) : path_(std::move(path)), file_(std::move(file)) {}

  Result<void> Reopen() {
    auto file = OpenLog(path_);
    if (!file) return Propagate(std::move(file));
    const std::lock_guard lock(mutex_);
    file_ = *std::move(file);
    return {};
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    static_cast<void>(!write(file_.fd(), line.data(), line.size()));
  }
  void flush_() override {}

 private:
  const std::string path_;
  File file_;  // guarded by mutex_ of the base
};

std::shared_ptr<FileSink>& CurrentFileSink() {
  static std::shared_ptr<FileSink> sink;
  return sink;
}

void UseLogger(std::shared_ptr<spdlog::logger> logger, spdlog::level::level_enum level) {
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(level);
}

}  // namespace

void LogToStderr(spdlog::level::level_enum level) {
  UseLogger(spdlog::stderr_logger_mt("stderr"), level);
  spdlog::set_pattern(kPattern);
}

void LogToSyslog(spdlog::level::level_enum level) {
  UseLogger(spdlog::syslog_logger_mt("syslog", "quire", LOG_PID, LOG_DAEMON), level);
}

Result<void> LogToFile(const std::string& path, spdlog::level::level_enum level) {
  auto file = OpenLog(path);
  if (!file) return MakeError(ErrorCode::kSystem, "option 'log_file': {}", file.error().message);
  CurrentFileSink() = std::make_shared<FileSink>(path, *std::move(file));
  UseLogger(std::make_shared<spdlog::logger>("file", CurrentFileSink()), level);
  spdlog::set_pattern(kPattern);
  return {};
}

void ReopenLogFile() {
  if (const auto reopened = CurrentFileSink()->Reopen(); !reopened)
    spdlog::error("the log was not opened anew: {}", reopened.error().message);
  else
    spdlog::info("the log was opened anew");
}

}  // namespace quire
