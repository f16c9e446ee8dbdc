# Puts a page's files side by side, as a site has them, and runs its script under Node.js.
file(MAKE_DIRECTORY "${PAGE}")
file(COPY "${EXAMPLE}" "${MODULE}" DESTINATION "${PAGE}")
file(COPY "${LIBRARY}/" DESTINATION "${PAGE}/troupe" FILES_MATCHING PATTERN "*.mjs")
get_filename_component(script "${EXAMPLE}" NAME)
execute_process(COMMAND "${NODE}" "${PAGE}/${script}" COMMAND_ERROR_IS_FATAL ANY)
