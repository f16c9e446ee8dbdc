# Installing: headers, archives, the CMake package `troupe` with its components, pkg-config files.
