// SPDX-License-Identifier: Apache-2.0
// Goal: the mode that stands in for an access list gives nobody more than the list did.
#include "format/write/source_attributes.h"

#include <gtest/gtest.h>
#include <linux/posix_acl.h>

#include <array>
#include <vector>

#include "format/coding.h"

namespace quire {
namespace {

struct AccessEntry {
  uint16_t tag;
  uint16_t access;
};

std::optional<uint32_t> ModeOf(const std::vector<AccessEntry>& entries) {
  std::vector<std::byte> list(4 + entries.size() * 8);
  StoreUint<4>(list, 0, 2);
  for (size_t i = 0; i < entries.size(); ++i) {
    StoreUint<2>(list, 4 + i * 8, entries[i].tag);
    StoreUint<2>(list, 6 + i * 8, entries[i].access);
  }
  return ModeOfAccessList(list);
}

TEST(ModeOfAccessList, OfAPlainListIsTheMode) {
  EXPECT_EQ(ModeOf({{ACL_USER_OBJ, 6}, {ACL_GROUP_OBJ, 4}, {ACL_OTHER, 0}}), 0640U);
}

TEST(ModeOfAccessList, TheGroupHasItsOwnAccessAndNotTheMask) {
  EXPECT_EQ(ModeOf({{ACL_USER_OBJ, 6}, {ACL_USER, 6}, {ACL_GROUP_OBJ, 4}, {ACL_MASK, 6}, {ACL_OTHER, 4}}), 0644U);
  EXPECT_EQ(ModeOf({{ACL_USER_OBJ, 7}, {ACL_GROUP_OBJ, 7}, {ACL_MASK, 5}, {ACL_OTHER, 7}}), 0757U);
}

TEST(ModeOfAccessList, WhomTheListDeniesTheModeDeniesToo) {
  EXPECT_EQ(ModeOf({{ACL_USER_OBJ, 6}, {ACL_USER, 0}, {ACL_GROUP_OBJ, 4}, {ACL_MASK, 4}, {ACL_OTHER, 4}}), 0600U);
  EXPECT_EQ(ModeOf({{ACL_USER_OBJ, 6}, {ACL_GROUP_OBJ, 6}, {ACL_GROUP, 0}, {ACL_MASK, 6}, {ACL_OTHER, 4}}), 0660U);
  EXPECT_EQ(ModeOf({{ACL_USER_OBJ, 6}, {ACL_USER, 7}, {ACL_GROUP_OBJ, 7}, {ACL_MASK, 4}, {ACL_OTHER, 6}}), 0644U);
}

TEST(ModeOfAccessList, RefusesWhatIsNoList) {
  std::array<std::byte, 12> list = {};
  EXPECT_FALSE(ModeOfAccessList({}).has_value());
  EXPECT_FALSE(ModeOfAccessList(list).has_value());
  StoreUint<4>(list, 0, 2);
  EXPECT_FALSE(ModeOfAccessList(list).has_value()) << "a tag of 0";
  EXPECT_FALSE(ModeOfAccessList(std::span(list).first(11)).has_value());
}

}  // namespace
}  // namespace quire
