# run(<what> <command>...): runs one step, shows what it printed and stops when it failed. Leaves `output`.
function(run what)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    message("${output}")
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${what} failed (${result}): ${ARGN}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()
