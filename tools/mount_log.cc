// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_log.h"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/log.h"
#include "format/escaping.h"
#include "format/file.h"

namespace quire {
namespace {

constexpr unsigned kLogMode = 0644;
// Behind '*' stands the message as EscapedMessage writes it.
constexpr const char* kPattern = "%Y-%m-%d %H:%M:%S quire[%P] %l: %*";
constexpr const char* kSyslogPattern = "%*";  // which adds the rest itself

// The message, fit for a terminal: a name in it can neither begin a line of the log nor steer who reads it.
class EscapedMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const tm& /*time*/, spdlog::memory_buf_t& line) override {
    const std::string text = EscapeLine({message.payload.data(), message.payload.size()});
    line.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return spdlog::details::make_unique<EscapedMessage>();
  }
};

std::unique_ptr<spdlog::formatter> MakeFormatter(const char* pattern, const char* line_end) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::local, line_end);
  formatter->add_flag<EscapedMessage>('*').set_pattern(pattern);
  return formatter;
}

bool IsOurs(const struct stat& status) { return status.st_uid == 0 || status.st_uid == geteuid(); }

// Whether nobody but root and this user can put a file or a link into the folder.
bool IsClosedToOthers(const File& folder) {
  struct stat status = {};
  return fstat(folder.fd(), &status) == 0 && IsOurs(status) && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// One that others may have put there may lead to a file that they could not write to themselves, or be read and cut by
// them.
bool IsPlanted(const Result<File>& file) {
  // ELOOP: a symlink; ENXIO: a pipe that nobody reads.
  if (!file) return file.error().system_errno == ELOOP || file.error().system_errno == ENXIO;
  struct stat status = {};
  return fstat(file->fd(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1 || !IsOurs(status);
}

// The folder is opened first, so that the one that was looked at is the one that the file lies in.
Result<File> OpenLog(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC;
  const std::filesystem::path file_path = path;
  const auto folder = File::Open(file_path.parent_path(), O_PATH | O_DIRECTORY);
  if (!folder) return SystemError(folder.error().system_errno, "{}", path);
  const auto open_there = [&](int flags) -> Result<File> {
    File file(openat(folder->fd(), file_path.filename().c_str(), flags, kLogMode));
    if (!file.is_open()) return SystemError(errno, "{}", path);
    return file;
  };
  if (IsClosedToOthers(*folder)) return open_there(kFlags);
  auto file = open_there(kFlags | O_NOFOLLOW | O_NONBLOCK);
  if (IsPlanted(file))
    return MakeError(ErrorCode::kSystem,
                     "'{}' is a link, no file, or another user's, in a folder that others may write to: it may lead to "
                     "any file; name one in a folder of your own",
                     path);
  return file;
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

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::filesystem::path> UsualLogFolders() {
  const std::string logs = Variable("LOGS_DIRECTORY");  // of a service of systemd: several, separated by colons
  const std::string state = Variable("XDG_STATE_HOME");
  const std::string home = Variable("HOME");
  std::vector<std::filesystem::path> folders = {logs.substr(0, logs.find(':')), "/var/log"};
  if (!state.empty()) folders.emplace_back(state + "/quire");
  if (!home.empty()) folders.emplace_back(home + "/.local/state/quire");
  folders.emplace_back(Variable("XDG_RUNTIME_DIR"));
  std::erase_if(folders, [](const auto& folder) { return !folder.is_absolute(); });
  return folders;
}

spdlog::level::level_enum LevelOf(LogLevel level) {
  if (level == LogLevel::kError) return spdlog::level::err;
  return level == LogLevel::kWarning ? spdlog::level::warn : spdlog::level::info;
}

void UseLogger(std::shared_ptr<spdlog::logger> logger, spdlog::level::level_enum level,
               std::unique_ptr<spdlog::formatter> formatter = MakeFormatter(kPattern, "\n")) {
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(level);
  SetLogWriter([](LogLevel of_message, std::string_view message) { spdlog::log(LevelOf(of_message), "{}", message); });
}

}  // namespace

void LogToStderr(spdlog::level::level_enum level) {
  tzset();  // by now, and not by the first line of a daemon, which may have mounted over /etc
  UseLogger(std::make_shared<spdlog::logger>("stderr", std::make_shared<spdlog::sinks::stderr_sink_mt>()), level);
}

void LogToSyslog(spdlog::level::level_enum level) {
  UseLogger(spdlog::syslog_logger_mt("syslog", "quire", LOG_PID | LOG_NDELAY, LOG_DAEMON, true), level,
            MakeFormatter(kSyslogPattern, ""));
}

Result<void> OpenLogFile(const std::string& path) {
  auto file = OpenLog(path);
  if (!file) return MakeError(ErrorCode::kSystem, "option 'log_file': {}", file.error().message);
  CurrentFileSink() = std::make_shared<FileSink>(path, *std::move(file));
  return {};
}

void LogToFile(spdlog::level::level_enum level) {
  UseLogger(std::make_shared<spdlog::logger>("file", CurrentFileSink()), level);
}

bool HasSyslog() {
  const File socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};
  // EPROTOTYPE: one that wants a stream, which syslog(3) tries next.
  return connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 || errno == EPROTOTYPE;
}

std::string OpenUsualLogFile() {
  for (const std::filesystem::path& folder : UsualLogFolders()) {
    std::error_code ignored;  // opening the file tells
    std::filesystem::create_directories(folder, ignored);
    std::string path = folder / "quire.log";
    if (OpenLogFile(path)) return path;
  }
  return "";
}

void ReopenLogFile() {
  if (const auto reopened = CurrentFileSink()->Reopen(); !reopened)
    spdlog::error("the log was not opened anew: {}", reopened.error().message);
  else
    spdlog::info("the log was opened anew");
}

}  // namespace quire
