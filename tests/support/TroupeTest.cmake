# Functions that make ctest entries. One source gives a native program, and in the web presets a wasm
# program that runs under Node (`<name>`) and in Chromium (`chromium.<name>`).

find_program(TRP_NODE NAMES node nodejs
    DOC "Node.js 18 or newer; `toolchains/install-deps.sh test` installs it on Debian")
if(NOT TRP_NODE)
    message(FATAL_ERROR "the tests need Node.js; see toolchains/install-deps.sh, or set TRP_BUILD_TESTS=OFF")
endif()
# The sanitizers' settings for every test of the build.
set(TRP_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/tsan.supp:second_deadlock_stack=1")
set(TRP_TEST_SUPPORT_DIR "${CMAKE_CURRENT_LIST_DIR}")

# troupe_cmocka: CMocka for whatever this build makes programs for.
add_library(troupe_cmocka INTERFACE)
if(EMSCRIPTEN)
    add_subdirectory("${CMAKE_CURRENT_LIST_DIR}/cmocka-wasm")
    target_link_libraries(troupe_cmocka INTERFACE troupe_cmocka_wasm)
else()
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(CMOCKA QUIET IMPORTED_TARGET GLOBAL cmocka)
    if(NOT CMOCKA_FOUND)
        message(FATAL_ERROR
            "CMocka is missing; `toolchains/install-deps.sh test` installs it on Debian")
    endif()
    target_link_libraries(troupe_cmocka INTERFACE PkgConfig::CMOCKA)
endif()
target_include_directories(troupe_cmocka INTERFACE "${CMAKE_CURRENT_LIST_DIR}")

# troupe_test_program(<name> SOURCES <file>... [LIBS <target>...]): an executable that may see everything.
function(troupe_test_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    if(NOT arg_SOURCES)
        message(FATAL_ERROR "${name}: give SOURCES")
    endif()
    add_executable(${name} ${arg_SOURCES})
    troupe_own_target(${name})
    target_include_directories(${name} PRIVATE
        "${PROJECT_SOURCE_DIR}/core/src"
        "${PROJECT_SOURCE_DIR}/platform-native/src"
        "${TRP_TEST_SUPPORT_DIR}")
    set(libraries ${arg_LIBS})
    if(TARGET troupe_test_support)
        list(APPEND libraries troupe_test_support)
    endif()
    target_link_libraries(${name} PRIVATE ${libraries} troupe_core)
    if(EMSCRIPTEN)
        # Emscripten's own glue is good enough for test programs when the wasm is inside it.
        target_link_options(${name} PRIVATE
            -sSINGLE_FILE=1
            -sEXIT_RUNTIME=1
            -sALLOW_MEMORY_GROWTH=1
            -sTOTAL_STACK=1048576
            -sENVIRONMENT=web,node
            $<$<CONFIG:Debug>:-sASSERTIONS=1>)
    else()
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    endif()
endfunction()

# troupe_add_test(<name> SOURCES <file>... [LIBS <target>...] [NATIVE_ONLY] [SERIAL] [TIMEOUT <seconds>])
# A CMocka program. It passes when it exits with 0 and its own summary says that it ran something. SERIAL
# keeps other tests away while it runs, for suites that look at the real clock.
function(troupe_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "NATIVE_ONLY;SERIAL" "TIMEOUT" "SOURCES;LIBS")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "troupe_add_test(${name}): unknown words: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(arg_NATIVE_ONLY AND EMSCRIPTEN)
        return()
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    troupe_test_program(${name} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS})
    target_link_libraries(${name} PRIVATE troupe_cmocka)
    set(command $<TARGET_FILE:${name}>)
    if(EMSCRIPTEN)
        list(PREPEND command "${TRP_NODE}")
    endif()
    add_test(NAME ${name} COMMAND "${TRP_TEST_SUPPORT_DIR}/run-cmocka.sh" ${command})
    set_tests_properties(${name} PROPERTIES
        TIMEOUT ${arg_TIMEOUT}
        RUN_SERIAL ${arg_SERIAL}
        ENVIRONMENT "${TRP_TEST_ENVIRONMENT}")
    if(EMSCRIPTEN)
        set_property(GLOBAL APPEND PROPERTY TRP_CHROMIUM_PROGRAMS
            "${name}|${arg_TIMEOUT}|$<TARGET_FILE:${name}>")
        set_property(GLOBAL APPEND PROPERTY TRP_CHROMIUM_NAMES ${name})
    endif()
endfunction()

# troupe_add_variants(<name>...): the suites once more natively, on two schedulers (`two.<name>`), and on
# three of which chance steps one after the other for a few messages, as the simulation does (`chance.<name>`;
# TRP_TEST_SEED=<n> for another seed). For suites on the fake host, whose meaning depends on neither.
function(troupe_add_variants)
    if(EMSCRIPTEN)
        return()
    endif()
    foreach(name IN LISTS ARGN)
        get_test_property(${name} TIMEOUT timeout)
        add_test(NAME two.${name} COMMAND "${TRP_TEST_SUPPORT_DIR}/run-cmocka.sh" $<TARGET_FILE:${name}>)
        add_test(NAME chance.${name} COMMAND "${TRP_TEST_SUPPORT_DIR}/run-cmocka.sh" $<TARGET_FILE:${name}>)
        set_tests_properties(two.${name} PROPERTIES
            TIMEOUT ${timeout} ENVIRONMENT "${TRP_TEST_ENVIRONMENT};TRP_TEST_SCHEDULERS=2")
        set_tests_properties(chance.${name} PROPERTIES
            TIMEOUT ${timeout} ENVIRONMENT "${TRP_TEST_ENVIRONMENT};TRP_TEST_SCHEDULERS=3;TRP_TEST_SEED=1")
    endforeach()
endfunction()

# troupe_add_chromium_tests(): call it once, after every troupe_add_test. One browser runs all programs in
# the fixture `chromium.run`; each `chromium.<name>` then reports one of them.
function(troupe_add_chromium_tests)
    get_property(programs GLOBAL PROPERTY TRP_CHROMIUM_PROGRAMS)
    get_property(names GLOBAL PROPERTY TRP_CHROMIUM_NAMES)
    list(JOIN programs "\n" lines)
    set(list_file "${CMAKE_CURRENT_BINARY_DIR}/chromium-programs.txt")
    set(results "${CMAKE_CURRENT_BINARY_DIR}/chromium-results")
    set(runner "${TRP_NODE}" "${TRP_TEST_SUPPORT_DIR}/chromium-runner.mjs")
    file(GENERATE OUTPUT "${list_file}" CONTENT "${lines}\n")
    add_test(NAME chromium.run COMMAND ${runner} run "${list_file}" "${results}")
    set_tests_properties(chromium.run PROPERTIES
        FIXTURES_SETUP chromium
        TIMEOUT 600
        PROCESSORS 2)
    add_test(NAME chromium.selftest COMMAND
        "${TRP_TEST_SUPPORT_DIR}/run-node-tests.sh" "${TRP_NODE}"
        "${TRP_TEST_SUPPORT_DIR}/chromium-selftest.mjs")
    set_tests_properties(chromium.selftest PROPERTIES TIMEOUT 60)
    foreach(name IN LISTS names)
        add_test(NAME chromium.${name} COMMAND
            "${TRP_TEST_SUPPORT_DIR}/run-cmocka.sh" ${runner} report "${results}" ${name})
        set_tests_properties(chromium.${name} PROPERTIES FIXTURES_REQUIRED chromium TIMEOUT 20)
    endforeach()
endfunction()
