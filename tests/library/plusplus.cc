// SPDX-License-Identifier: Apache-2.0
// plusplus PACK PATH: writes a sample, from C++.
#include <quire/quire.h>

#include <cstdio>
#include <memory>
#include <string>

struct Close {
  void operator()(quire_pack* pack) const { quire_close(&pack); }
};

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  quire_error error = {};
  quire_pack* opened = nullptr;
  if (quire_open(argv[1], nullptr, &opened, &error) != 0) {
    std::fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  const std::unique_ptr<quire_pack, Close> pack(opened);
  quire_node node = QUIRE_ROOT;
  quire_attributes attributes = {};
  if (quire_find(pack.get(), argv[2], 0, &node, &error) != 0) return 1;
  if (quire_stat(pack.get(), node, &attributes, &error) != 0) return 1;
  std::string content(attributes.size_bytes, '\0');
  if (quire_read(pack.get(), node, 0, &content[0], content.size(), &error) < 0) return 1;
  return std::fwrite(content.data(), 1, content.size(), stdout) == content.size() ? 0 : 1;
}
