# What all of our own targets have in common: the language, the warnings, the visibility.
# Nothing here is global except the sanitizers, which must reach every object of a build.

set(TRP_WARNINGS
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wstrict-prototypes
    -Wmissing-prototypes
    -Wundef
    -Wvla)

if(TRP_SANITIZE)
    string(REPLACE "," ";" trp_sanitizers "${TRP_SANITIZE}")
    foreach(sanitizer IN LISTS trp_sanitizers)
        if(NOT sanitizer MATCHES "^(address|undefined|thread|leak)$")
            message(FATAL_ERROR "TRP_SANITIZE has `${sanitizer}`; use address, undefined, thread or leak")
        endif()
    endforeach()
    add_compile_options(-fsanitize=${TRP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${TRP_SANITIZE})
endif()
if(TRP_FUZZ)
    # Every object is instrumented, or the fuzzer does not see the library's branches.
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(TRP_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
    # After the tests: `cmake --build --preset native-coverage --target coverage` prints a table.
    find_program(TRP_GCOVR gcovr DOC "Summarises gcov's counters; Debian package gcovr")
    if(TRP_GCOVR)
        add_custom_target(coverage
            COMMAND "${TRP_GCOVR}" --root "${PROJECT_SOURCE_DIR}"
                --filter core/ --filter platform-native/ --print-summary "${PROJECT_BINARY_DIR}"
            WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
            VERBATIM)
    endif()
endif()

# troupe_own_target(<target>): C11, our warnings, hidden symbols.
function(troupe_own_target target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF
        C_VISIBILITY_PRESET hidden)
    if(NOT EMSCRIPTEN)
        # So that the archives can be linked into a shared library; in wasm it would only cost size.
        set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    endif()
    target_compile_options(${target} PRIVATE ${TRP_WARNINGS} $<$<BOOL:${TRP_WERROR}>:-Werror>)
    if(TRP_LTO AND NOT EMSCRIPTEN)
        set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION_RELEASE ON)
    endif()
endfunction()
