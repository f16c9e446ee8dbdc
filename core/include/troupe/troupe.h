/**
 * @file troupe.h
 * All of Troupe's core.
 */
#ifndef TROUPE_TROUPE_H
#define TROUPE_TROUPE_H

#include "troupe/actor.h"
#include "troupe/base.h"
#include "troupe/bytes.h"
#include "troupe/channel.h"
#include "troupe/codec.h"
#include "troupe/coroutine.h"
#include "troupe/ending.h"
#include "troupe/error.h"
#include "troupe/exit.h"
#include "troupe/filter.h"
#include "troupe/group.h"
#include "troupe/host.h"
#include "troupe/link.h"
#include "troupe/message.h"
#include "troupe/monitor.h"
#include "troupe/name.h"
#include "troupe/node.h"
#include "troupe/offload.h"
#include "troupe/output_port.h"
#include "troupe/pid.h"
#include "troupe/request.h"
#include "troupe/resource.h"
#include "troupe/routine.h"
#include "troupe/runtime.h"
#include "troupe/supervisor.h"
#include "troupe/timer.h"
#include "troupe/type.h"
#include "troupe/watch.h"

#endif
