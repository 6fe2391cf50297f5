// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/curl_library.h"

#include <dlfcn.h>

#include <array>

// The macros of <curl/typecheck-gcc.h> stand for functions of these names.
#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

namespace quire {
namespace {

// By its soname, which is that of each release since 7.16; the second one is Debian's with GnuTLS.
constexpr std::array<const char*, 2> kNames = {"libcurl.so.4", "libcurl-gnutls.so.4"};

void* OpenAny() {
  for (const char* const name : kNames)
    if (void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  return nullptr;
}

Result<CurlLibrary> Load() {
  void* const library = OpenAny();
  if (library == nullptr)
    return Unsupported("URLs are read by libcurl, which is not to be had here: install libcurl4 ({})", dlerror());
  CurlLibrary curl;
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr) missing = name;
  };
  decltype(&curl_global_init) global_init = nullptr;
  find(global_init, "curl_global_init");
  find(curl.easy_init, "curl_easy_init");
  find(curl.easy_cleanup, "curl_easy_cleanup");
  find(curl.easy_setopt, "curl_easy_setopt");
  find(curl.easy_getinfo, "curl_easy_getinfo");
  find(curl.easy_perform, "curl_easy_perform");
  find(curl.easy_strerror, "curl_easy_strerror");
  find(curl.slist_append, "curl_slist_append");
  find(curl.slist_free_all, "curl_slist_free_all");
  find(curl.multi_init, "curl_multi_init");
  find(curl.multi_cleanup, "curl_multi_cleanup");
  find(curl.multi_setopt, "curl_multi_setopt");
  find(curl.multi_add_handle, "curl_multi_add_handle");
  find(curl.multi_remove_handle, "curl_multi_remove_handle");
  find(curl.multi_perform, "curl_multi_perform");
  find(curl.multi_info_read, "curl_multi_info_read");
  find(curl.multi_poll, "curl_multi_poll");
  find(curl.multi_wakeup, "curl_multi_wakeup");
  if (missing != nullptr) return Unsupported("libcurl here has no {}: 7.85 or newer is needed", missing);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return Unsupported("libcurl could not be initialised");
  return curl;
}

}  // namespace

Result<const CurlLibrary*> LoadCurl() {
  static const Result<CurlLibrary> curl = Load();
  if (!curl) return std::unexpected(curl.error());
  return &*curl;
}

}  // namespace quire
