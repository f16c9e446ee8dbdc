# Building a page's wasm. The public function is
#
#   troupe_add_web_module(<name> <source>...)
#
# It compiles your actors, links them with the core and the web host into one bare wasm module (no
# Emscripten JavaScript) and makes, in the current binary directory:
#   <name>.wasm   the module, optimised
#   <name>.mjs    the same inline: `export default` a gzipped, base64 text; no second request, no MIME type
# The target is called <name>; `$<TARGET_FILE:<name>>` is the wasm. Set compile options, definitions and
# further libraries on it as on any executable.

set(TRP_WEB_STACK_SIZE 65536 CACHE STRING "Bytes of C stack in a wasm module")
find_program(TRP_NODE NAMES node nodejs REQUIRED DOC "Node.js 18 or newer, for the build's scripts")
set(TRP_WEB_TOOLS "${CMAKE_CURRENT_LIST_DIR}" CACHE INTERNAL "Where the scripts of TroupeWeb are")

# The flags of a bare module ride on troupe_web, so that whoever links it gets them.
function(troupe_web_link_options target)
    target_link_options(${target} INTERFACE
        $<IF:$<CONFIG:Debug>,-O1,-O3>
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

function(troupe_add_web_module name)
    if(NOT ARGN)
        message(FATAL_ERROR "troupe_add_web_module(${name}): give at least one source file")
    endif()
    add_executable(${name} ${ARGN})
    set_target_properties(${name} PROPERTIES
        SUFFIX .wasm
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_VISIBILITY_PRESET hidden)
    # Exports carry an export_name of their own, and nothing in C refers to them: take the archive whole.
    target_link_libraries(${name} PRIVATE
        -Wl,--whole-archive troupe::web -Wl,--no-whole-archive)
    add_custom_command(TARGET ${name} POST_BUILD
        COMMAND "${TRP_NODE}" "${TRP_WEB_TOOLS}/inline-wasm.mjs"
            $<TARGET_FILE:${name}> "$<TARGET_FILE_DIR:${name}>/${name}.mjs"
        BYPRODUCTS "${CMAKE_CURRENT_BINARY_DIR}/${name}.mjs"
        COMMENT "Inlining ${name}.wasm"
        VERBATIM)
endfunction()
