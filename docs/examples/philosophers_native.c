#include "philosophers.h"
#include "troupe/native.h"

#include <stdio.h>

int main(void) {
    const dinner evening = {.guests = 5, .meals = 3, .seed = 1};
    int error = trp_native_run(NULL, &dining_table.behaviour, &evening);
    puts(error ? trp_error_text(error) : "5 philosophers have eaten 3 times each");
    return error ? 1 : 0;
}
