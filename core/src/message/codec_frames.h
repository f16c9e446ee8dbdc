/*
 * How deep a checked type (trpi_type_check) can nest in CBOR: one map for each record on the way
 * down, and an array around each but the first.
 */
#ifndef TRPI_CODEC_FRAMES_H
#define TRPI_CODEC_FRAMES_H

#include "troupe/type.h"

enum { TRPI_CODEC_FRAMES = 2 * TRP_TYPE_DEPTH_MAX + 1 };

#endif
