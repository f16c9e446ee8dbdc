# Toolchain file for Emscripten as Debian 12 packages it (3.1.6); other copies work when `emcc` is in PATH.
# It wraps Emscripten's own file and adds what that package needs:
# - emcc at -O2 and above runs a JavaScript optimiser whose `acorn` module Node finds only through
#   NODE_PATH, while configuring and while building, hence the launchers;
# - its cache is frozen, so EM_CACHE stays as packaged;
# - nothing may be installed into Emscripten's own system root.
find_program(TRP_EMCC emcc REQUIRED
    DOC "The Emscripten compiler; `toolchains/install-deps.sh demo` installs it on Debian")
file(REAL_PATH "${TRP_EMCC}" trp_emcc)
cmake_path(GET trp_emcc PARENT_PATH trp_emscripten_root)
foreach(root IN ITEMS "${trp_emscripten_root}" /usr/share/emscripten)
    if(EXISTS "${root}/cmake/Modules/Platform/Emscripten.cmake")
        set(trp_emscripten_file "${root}/cmake/Modules/Platform/Emscripten.cmake")
        break()
    endif()
endforeach()
if(NOT trp_emscripten_file)
    message(FATAL_ERROR "found ${TRP_EMCC}, but not Emscripten's CMake files near it")
endif()

if(EXISTS /usr/share/nodejs/acorn)
    set(ENV{NODE_PATH} /usr/share/nodejs)
    set(CMAKE_C_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env NODE_PATH=/usr/share/nodejs)
    set(CMAKE_C_LINKER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
    set(CMAKE_CXX_LINKER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

set(CMAKE_INSTALL_PREFIX "${CMAKE_BINARY_DIR}/install" CACHE PATH "Where the web build is installed")
include("${trp_emscripten_file}")
