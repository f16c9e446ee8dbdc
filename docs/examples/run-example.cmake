# Runs an example, which must succeed and print exactly EXPECTED. For a page, its files are first put side by
# side, as a site has them.
#   cmake -DEXPECTED=... -DPROGRAM=...  -P run-example.cmake
#   cmake -DEXPECTED=... -DPROGRAM=node -DSCRIPT=... -DMODULE=... -DLIBRARY=.../ -DPAGE=... -P run-example.cmake
if(DEFINED SCRIPT)
    file(MAKE_DIRECTORY "${PAGE}")
    file(COPY "${SCRIPT}" "${MODULE}" DESTINATION "${PAGE}")
    file(COPY "${LIBRARY}" DESTINATION "${PAGE}/troupe")
    get_filename_component(name "${SCRIPT}" NAME)
    set(arguments "${PAGE}/${name}")
endif()
execute_process(COMMAND "${PROGRAM}" ${arguments} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output STREQUAL "${EXPECTED}\n")
    message(FATAL_ERROR "expected `${EXPECTED}`, got `${output}`")
endif()
