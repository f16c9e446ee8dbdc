# Installing: public headers, archives, the CMake package `troupe` with a component per library, pkg-config
# files. `find_package(troupe COMPONENTS native)` gives troupe::native; without components, troupe::core.
include(CMakePackageConfigHelpers)

set(TRP_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/troupe")

# troupe_install(<component> <target> <header directory>...)
function(troupe_install component target)
    if(NOT TARGET ${target})
        return()
    endif()
    install(TARGETS ${target} EXPORT troupe-${component} COMPONENT ${component}
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    foreach(directory IN LISTS ARGN)
        install(DIRECTORY "${directory}/troupe" COMPONENT ${component}
            DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
    endforeach()
    install(EXPORT troupe-${component} NAMESPACE troupe:: COMPONENT ${component}
        FILE troupe-${component}.cmake DESTINATION "${TRP_PACKAGE_DIR}")
endfunction()

# The .pc files find the prefix from where they lie, so that a tree can be moved or installed anywhere.
file(RELATIVE_PATH TRP_PKGCONFIG_TO_PREFIX
    "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")

function(troupe_install_pkgconfig component)
    configure_file("${PROJECT_SOURCE_DIR}/toolchains/pkgconfig/troupe-${component}.pc.in"
        "${PROJECT_BINARY_DIR}/troupe-${component}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/troupe-${component}.pc" COMPONENT ${component}
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

troupe_install(core troupe_core
    "${PROJECT_SOURCE_DIR}/core/include" "${PROJECT_BINARY_DIR}/include")
troupe_install_pkgconfig(core)
if(EMSCRIPTEN)
    install(TARGETS troupe_web_fibers EXPORT troupe-web COMPONENT web
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    troupe_install(web troupe_web "${PROJECT_SOURCE_DIR}/platform-web/include")
    install(FILES
        "${PROJECT_SOURCE_DIR}/toolchains/TroupeWeb.cmake"
        "${PROJECT_SOURCE_DIR}/toolchains/asyncify.mjs"
        "${PROJECT_SOURCE_DIR}/toolchains/inline-wasm.mjs"
        "${PROJECT_SOURCE_DIR}/toolchains/emscripten.cmake"
        COMPONENT web DESTINATION "${TRP_PACKAGE_DIR}")
    install(DIRECTORY "${PROJECT_BINARY_DIR}/platform-web/package/" COMPONENT web
        DESTINATION "${CMAKE_INSTALL_DATADIR}/troupe/web")
else()
    troupe_install(native troupe_native "${PROJECT_SOURCE_DIR}/platform-native/include")
    if(TARGET troupe_native)
        troupe_install_pkgconfig(native)
    endif()
    if(TARGET troupe_command)
        install(TARGETS troupe_command COMPONENT native RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
    endif()
endif()
troupe_install(sim troupe_sim "${PROJECT_SOURCE_DIR}/tests/simulation/include")

configure_package_config_file("${PROJECT_SOURCE_DIR}/toolchains/troupe-config.cmake.in"
    "${PROJECT_BINARY_DIR}/troupe-config.cmake" INSTALL_DESTINATION "${TRP_PACKAGE_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/troupe-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/troupe-config.cmake"
    "${PROJECT_BINARY_DIR}/troupe-config-version.cmake"
    COMPONENT core DESTINATION "${TRP_PACKAGE_DIR}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" COMPONENT core DESTINATION "${CMAKE_INSTALL_DOCDIR}")
