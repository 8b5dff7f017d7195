/* SPDX-License-Identifier: MIT */
/* source.h - who is called when a descriptor in the epoll set of a launch_pmi has something. */
#ifndef LAUNCH_PMI_SOURCE_H
#define LAUNCH_PMI_SOURCE_H

/* Lives where it is as long as its descriptor is open; data.ptr of the event. */
struct launch_pmi_source {
	void (*ready)(void *arg);
	void *arg;
};

#endif
