# Part of `cmake --install`: quire.pc, which names the prefix that is installed to and not the one that was configured.
configure_file("${CMAKE_CURRENT_LIST_DIR}/quire.pc.in" "${binary}/quire.pc" @ONLY)
file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/${lib}/pkgconfig" TYPE FILE FILES "${binary}/quire.pc")
