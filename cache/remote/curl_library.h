// SPDX-License-Identifier: Apache-2.0
// libcurl, loaded when the first URL is opened: it brings some forty libraries along, whose loading takes longer than
// most commands, and which a machine that reads no URLs need not have.
#pragma once

#include <curl/curl.h>

#include "format/result.h"

namespace quire {

// The functions that are used, by their names in <curl/curl.h>.
struct CurlLibrary {
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&curl_easy_perform) easy_perform = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;
  decltype(&curl_multi_init) multi_init = nullptr;
  decltype(&curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&curl_multi_setopt) multi_setopt = nullptr;
  decltype(&curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&curl_multi_perform) multi_perform = nullptr;
  decltype(&curl_multi_info_read) multi_info_read = nullptr;
  decltype(&curl_multi_poll) multi_poll = nullptr;
  decltype(&curl_multi_wakeup) multi_wakeup = nullptr;
};

// Loaded and initialised once for the process; the pointer is good for ever. kUnsupported where it cannot be had, with
// the remedy. Any thread.
Result<const CurlLibrary*> LoadCurl();

}  // namespace quire
