/* SPDX-License-Identifier: MIT */
/*
 * stdatomic.h - stands before the compiler's own: atomics of the code under test are the model
 * checker's. Only what the library uses.
 */
#ifndef MODEL_STDATOMIC_H
#define MODEL_STDATOMIC_H

#include "mcx.h"

/* The checker keeps the history, memory holds the newest value. */
#define _Atomic

#define memory_order_relaxed MCX_RELAXED
#define memory_order_acquire MCX_ACQUIRE
#define memory_order_release MCX_RELEASE
#define memory_order_acq_rel MCX_ACQ_REL
#define memory_order_seq_cst MCX_SEQ_CST

/* `+ 0` takes the qualifiers off. */
#define MODEL_TYPE(at) __typeof__(*(at) + 0)

#define atomic_init(at, value) (*(at) = (value))
#define atomic_load_explicit(at, order) ((MODEL_TYPE(at))mcx_load((at), sizeof(*(at)), (order)))
#define atomic_store_explicit(at, value, order) \
	mcx_store((at), sizeof(*(at)), (uint64_t)(value), (order))
#define atomic_exchange_explicit(at, value, order) \
	mcx_exchange((at), sizeof(*(at)), (uint64_t)(value), (order))
#define atomic_compare_exchange_strong_explicit(at, expected, desired, success, failure) \
	mcx_compare_exchange((at), sizeof(*(at)), (expected), (uint64_t)(desired), (success), \
			     (failure))
/* No spurious failure: the loops around the weak form would only turn once more. */
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit
#define MODEL_FETCH(at, what, operand, order) \
	mcx_fetch((at), sizeof(*(at)), (what), (uint64_t)(operand), (order))
#define atomic_fetch_add_explicit(at, operand, order) MODEL_FETCH(at, MCX_ADD, operand, order)
#define atomic_fetch_and_explicit(at, operand, order) MODEL_FETCH(at, MCX_AND, operand, order)
#define atomic_fetch_or_explicit(at, operand, order) MODEL_FETCH(at, MCX_OR, operand, order)
#define atomic_thread_fence(order) mcx_fence(order)

#endif
