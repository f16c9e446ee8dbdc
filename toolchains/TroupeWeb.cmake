# Building a page's wasm. The public function is
#
#   troupe_add_web_module(<name> [ROUTINES] <source>...)
#
# It compiles your actors, links them with the core and the web host into one bare wasm module (no
# Emscripten JavaScript) and makes, in the current binary directory:
#   <name>.wasm   the module, optimised
#   <name>.mjs    the same inline: `export default` a gzipped, base64 text; no second request, no MIME type
# ROUTINES gives routines (troupe/routine.h) stacks of their own; without it spawning one fails with
# TRP_ENOTSUP. docs/web.md says what it costs.
# The target is called <name>; `$<TARGET_FILE:<name>>` is the wasm. Set compile options, definitions and
# further libraries on it as on any executable.

set(TRP_WEB_STACK_SIZE 65536 CACHE STRING "Bytes of C stack in a wasm module")
find_program(TRP_WASM_OPT wasm-opt DOC "Binaryen's optimiser; it comes with Emscripten")
find_program(TRP_EMNM NAMES emnm llvm-nm DOC "Lists the functions of object files; it comes with Emscripten")
find_program(TRP_NODE NAMES node nodejs REQUIRED DOC "Node.js 18 or newer, for the build's scripts")
set(TRP_WEB_TOOLS "${CMAKE_CURRENT_LIST_DIR}" CACHE INTERNAL "Where the scripts of TroupeWeb are")

# The flags of a bare module ride on troupe_web, so that whoever links it gets them.
function(troupe_web_link_options target)
    target_link_options(${target} INTERFACE
        # Binaryen's optimiser has to come after Asyncify: it merges functions that the pass tells apart.
        $<IF:$<OR:$<CONFIG:Debug>,$<BOOL:$<TARGET_PROPERTY:TRP_ROUTINES>>>,-O1,-O3>
        --no-entry
        -sMALLOC=emmalloc
        -sALLOW_MEMORY_GROWTH=1
        -sINITIAL_MEMORY=1048576
        -sTOTAL_STACK=${TRP_WEB_STACK_SIZE}
        -sFILESYSTEM=0
        -sSUPPORT_LONGJMP=0
        # Emscripten takes every import of ours for a mistake; inline-wasm.mjs tells them apart.
        -sERROR_ON_UNDEFINED_SYMBOLS=0
        -sWARN_ON_UNDEFINED_SYMBOLS=0)
endfunction()

# Gives a module stacks for routines: links the switcher, and runs Asyncify behind the linker.
function(troupe_web_add_routines name)
    if(NOT TRP_WASM_OPT OR NOT TRP_EMNM)
        message(FATAL_ERROR
            "ROUTINES of ${name} need `wasm-opt` (Debian package binaryen) and Emscripten's `emnm`")
    endif()
    target_link_libraries(${name} PRIVATE
        -Wl,--whole-archive troupe::web_fibers -Wl,--no-whole-archive)
    set_target_properties(${name} PROPERTIES TRP_ROUTINES ON)
    target_link_options(${name} PRIVATE --profiling-funcs)
    add_custom_command(TARGET ${name} POST_BUILD
        COMMAND "${TRP_NODE}" "${TRP_WEB_TOOLS}/asyncify.mjs" "${TRP_WASM_OPT}" "${TRP_EMNM}"
            $<TARGET_FILE:${name}> $<IF:$<CONFIG:Debug>,-O1,-O3>
            $<TARGET_FILE:troupe::core> $<TARGET_FILE:troupe::web> $<TARGET_FILE:troupe::web_fibers>
            -- $<TARGET_OBJECTS:${name}>
        COMMENT "Asyncify for ${name}.wasm"
        COMMAND_EXPAND_LISTS VERBATIM)
endfunction()

function(troupe_add_web_module name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "ROUTINES" "" "")
    set(sources ${arg_UNPARSED_ARGUMENTS})
    if(NOT sources)
        message(FATAL_ERROR "troupe_add_web_module(${name}): give at least one source file")
    endif()
    add_executable(${name} ${sources})
    set_target_properties(${name} PROPERTIES
        SUFFIX .wasm
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_VISIBILITY_PRESET hidden)
    # Exports carry an export_name of their own, and nothing in C refers to them: take the archive whole.
    target_link_libraries(${name} PRIVATE
        -Wl,--whole-archive troupe::web -Wl,--no-whole-archive)
    if(arg_ROUTINES)
        troupe_web_add_routines(${name})
    endif()
    add_custom_command(TARGET ${name} POST_BUILD
        COMMAND "${TRP_NODE}" "${TRP_WEB_TOOLS}/inline-wasm.mjs"
            $<TARGET_FILE:${name}> "$<TARGET_FILE_DIR:${name}>/${name}.mjs"
        BYPRODUCTS "${CMAKE_CURRENT_BINARY_DIR}/${name}.mjs"
        COMMENT "Inlining ${name}.wasm"
        VERBATIM)
endfunction()
