# Installs a web build into a fresh prefix and compiles an application's actor into a module with it, then
# runs that under Node with the installed package.
#
#   cmake -DBUILD=<build directory> -DWORK=<scratch directory> -DNODE=<node> -P run-web.cmake
include("${CMAKE_CURRENT_LIST_DIR}/run-step.cmake")

file(REMOVE_RECURSE "${WORK}")
set(prefix "${WORK}/prefix")
run("installing" "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")
file(GLOB_RECURSE toolchain "${prefix}/*/emscripten.cmake")
run("configuring" "${CMAKE_COMMAND}" -G Ninja -S "${CMAKE_CURRENT_LIST_DIR}/web" -B "${WORK}/build"
    --toolchain "${toolchain}" "-Dtroupe_ROOT=${prefix}" "-DCMAKE_FIND_ROOT_PATH=${prefix}"
    -DCMAKE_BUILD_TYPE=Release)
run("building" "${CMAKE_COMMAND}" --build "${WORK}/build")
run("running" "${NODE}" "${CMAKE_CURRENT_LIST_DIR}/web/use.mjs"
    "${prefix}/share/troupe/web" "${WORK}/build/page.mjs")
if(NOT output MATCHES "page: ")
    message(FATAL_ERROR "the page's module printed nothing of its own")
endif()
