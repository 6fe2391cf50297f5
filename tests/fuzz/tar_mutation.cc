// SPDX-License-Identifier: Apache-2.0
// How libFuzzer changes an archive: one field, one block or the order of blocks at a time, after which the sums of
// headers are good again, so that what was changed is read at all.
#include <algorithm>
#include <array>
#include <random>
#include <string_view>
#include <vector>

#include "format/import/tar_header.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/forged_tar.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace quire {
namespace {

struct Field {
  size_t at;
  size_t bytes;
};
constexpr std::array<Field, 12> kFields = {{{0, 100},    // name
                                            {100, 8},    // mode
                                            {108, 8},    // uid
                                            {116, 8},    // gid
                                            {124, 12},   // size
                                            {136, 12},   // time
                                            {157, 100},  // target
                                            {257, 8},    // magic
                                            {345, 155},  // prefix
                                            {386, 96},   // sparse map
                                            {482, 13},   // whether that goes on, and the whole size
                                            {508, 4}}};  // star's magic
constexpr size_t kTypeAt = 156;
constexpr std::string_view kTypes{
    "\0"
    "01234567xgXLKSDVMNAI",
    21};

std::span<std::byte> Block(std::span<std::byte> input, size_t number) {
  return input.subspan(number * kForgedBlockBytes, kForgedBlockBytes);
}

std::vector<size_t> Headers(std::span<std::byte> input) {
  std::vector<size_t> headers;
  TarHeader header;
  for (size_t i = 0; i < input.size() / kForgedBlockBytes; ++i) {
    header.Load(Block(input, i));
    if (header.IsValid()) headers.push_back(i);
  }
  return headers;
}

void MutatePiece(std::span<std::byte> piece) {
  if (!piece.empty()) LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(piece.data()), piece.size(), piece.size());
}

void MutateField(std::span<std::byte> header, std::minstd_rand& random) {
  const Field& field = kFields[random() % kFields.size()];
  const auto bytes = header.subspan(field.at, field.bytes);
  const auto put = [bytes](std::string_view text) {
    std::ranges::copy(AsBytes(text.substr(0, bytes.size())), bytes.begin());
  };
  switch (random() % 4) {
    case 0:
      header[kTypeAt] = static_cast<std::byte>(kTypes[random() % kTypes.size()]);
      break;
    case 1:
      put(fmt::format("{:0{}o}", random() % (1U << random() % 20), field.bytes - 1));
      break;
    case 2:
      put(random() % 2 == 0 ? kPosixTarMagic : kGnuTarMagic);
      break;
    default:
      MutatePiece(bytes);
  }
}

// Doubles a block, takes one out, or swaps two. Returns the new size.
size_t MoveBlocks(uint8_t* data, size_t size, size_t max_size, std::minstd_rand& random) {
  const std::span input(reinterpret_cast<std::byte*>(data), size);
  const size_t blocks = size / kForgedBlockBytes;
  const size_t from = random() % blocks * kForgedBlockBytes;
  const size_t to = random() % blocks * kForgedBlockBytes;
  if (random() % 3 == 0) {
    std::ranges::swap_ranges(input.subspan(from, kForgedBlockBytes), input.subspan(to, kForgedBlockBytes));
    return size;
  }
  if (random() % 2 == 0) {
    std::copy(data + from + kForgedBlockBytes, data + size, data + from);
    return size - kForgedBlockBytes;
  }
  if (size + kForgedBlockBytes > max_size) return size;
  const std::vector<uint8_t> copy(data + from, data + from + kForgedBlockBytes);
  std::copy_backward(data + to, data + size, data + size + kForgedBlockBytes);
  std::ranges::copy(copy, data + to);
  return size + kForgedBlockBytes;
}

}  // namespace
}  // namespace quire

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  using namespace quire;
  std::minstd_rand random(seed + 1);
  constexpr unsigned kUnrepairedShare = 16;  // damage is worth a look as well
  const std::span input(reinterpret_cast<std::byte*>(data), size);
  const auto headers = Headers(input);
  if (headers.empty() || random() % kUnrepairedShare == 0) return LLVMFuzzerMutate(data, size, max_size);
  switch (random() % 4) {
    case 0:
      return MoveBlocks(data, size, max_size, random);
    case 1:  // of records and maps too
      MutatePiece(Block(input, random() % (size / kForgedBlockBytes)));
      break;
    default:
      MutateField(Block(input, headers[random() % headers.size()]), random);
  }
  for (const size_t number : headers) RepairTarSum(Block(input, number));
  return size;
}
