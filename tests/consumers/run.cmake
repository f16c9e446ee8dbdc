# Installs a build into a fresh prefix and uses it from there, as a stranger would: with CMake, and with
# pkg-config and nothing else.
#
#   cmake -DBUILD=<build directory> -DWORK=<scratch directory> -P run.cmake

include("${CMAKE_CURRENT_LIST_DIR}/run-step.cmake")

file(REMOVE_RECURSE "${WORK}")
set(prefix "${WORK}/prefix")
run("installing" "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")

set(source "${CMAKE_CURRENT_LIST_DIR}/cmake")
run("configuring" "${CMAKE_COMMAND}" -G Ninja -S "${source}" -B "${WORK}/cmake"
    "-DCMAKE_PREFIX_PATH=${prefix}" -DCMAKE_BUILD_TYPE=Debug)
run("building" "${CMAKE_COMMAND}" --build "${WORK}/cmake")
foreach(program IN ITEMS embed server)
    run("running ${program}" "${WORK}/cmake/${program}")
    if(NOT output MATCHES "${program}: ")
        message(FATAL_ERROR "${program} printed nothing of its own")
    endif()
endforeach()

# A component that is not installed is named in the error.
file(WRITE "${WORK}/missing/CMakeLists.txt"
    "cmake_minimum_required(VERSION 3.25)\nproject(x C)\nfind_package(troupe REQUIRED COMPONENTS teapot)\n")
execute_process(
    COMMAND "${CMAKE_COMMAND}" -G Ninja -S "${WORK}/missing" -B "${WORK}/missing/build"
        "-DCMAKE_PREFIX_PATH=${prefix}"
    RESULT_VARIABLE result OUTPUT_QUIET ERROR_VARIABLE error)
if(result EQUAL 0 OR NOT error MATCHES "teapot")
    message(FATAL_ERROR "an unknown component should be an error that names it:\n${error}")
endif()

# pkg-config, with the tree moved away from where it was installed.
file(RENAME "${prefix}" "${WORK}/moved")
file(GLOB_RECURSE files "${WORK}/moved/*/troupe-native.pc")
list(GET files 0 file)
cmake_path(GET file PARENT_PATH directory)
set(ENV{PKG_CONFIG_PATH} "${directory}")
foreach(pair IN ITEMS "embed.c:troupe-core:cc -std=c11" "server.cpp:troupe-native:c++ -std=c++20")
    string(REGEX MATCH "^([^:]+):([^:]+):(.+)$" unused "${pair}")
    set(unit "${CMAKE_MATCH_1}")
    set(package "${CMAKE_MATCH_2}")
    set(compiler "${CMAKE_MATCH_3}")
    run("compiling ${unit} with pkg-config" sh -c
        "${compiler} '${source}/${unit}' -o '${WORK}/${unit}.out' $(pkg-config --cflags --libs ${package})")
    run("running ${unit}" "${WORK}/${unit}.out")
endforeach()
