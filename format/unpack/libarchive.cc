// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/libarchive.h"

#include <dlfcn.h>

namespace quire {
namespace {

// It has been called so since libarchive 3.0 (2011).
constexpr const char* kLibrary = "libarchive.so.13";

Result<Libarchive> Load() {
#ifdef QUIRE_IS_STATIC
  return Unsupported("the static quire does not read such archives: take a quire that was built with shared libraries");
#else
  void* const handle = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return Unsupported("reading such archives needs libarchive (install the package libarchive13): {}", dlerror());
  Libarchive library;
  const char* missing = nullptr;
#define QUIRE_FIND(name)                                                         \
  library.name = reinterpret_cast<decltype(library.name)>(dlsym(handle, #name)); \
  if (library.name == nullptr) missing = #name;
  QUIRE_LIBARCHIVE_FUNCTIONS(QUIRE_FIND)
#undef QUIRE_FIND
  if (missing != nullptr) return Unsupported("{} has no {}: install libarchive 3.6 or later", kLibrary, missing);
  return library;
#endif
}

}  // namespace

Result<const Libarchive*> LoadLibarchive() {
  static const Result<Libarchive> library = Load();
  if (!library) return std::unexpected(library.error());
  return &*library;
}

}  // namespace quire
