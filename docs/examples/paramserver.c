/* SPDX-License-Identifier: MIT */
/*
 * paramserver.c - rank 0 holds the parameters of a model, the others learn.
 *
 * A worker sends gradients to "gradients" and gets the parameters back in a channel of its own:
 * request and reply. Nobody waits for the slowest worker. The model is a line in DIMENSIONS
 * dimensions; each worker makes its own examples of the one that is to be found.
 */
#include <math.h>
#include <string.h>

#include "check.h"

enum { DIMENSIONS = 16, BATCH = 32, UPDATES = 3000, WAIT_MS = 20000 };
static const float rate = 0.05f;

static float truth(int i)
{
	return (float)(i - DIMENSIONS / 2) / 4;
}

/* -1 to 1, different for each rank and always the same in each run. */
static float noise(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (float)(int32_t)(*state >> 32) / 2147483648.0f;
}

static struct dhow_channel *reply_channel(int rank, int is_mine)
{
	struct dhow_channel *channel;
	char name[32];

	snprintf(name, sizeof(name), "parameters-%d", rank);
	check(is_mine ? dhow_channel_create(name, NULL, &channel) :
			dhow_channel_open(name, dhow_in_ms(WAIT_MS), &channel), name);
	return channel;
}

static void serve(void)
{
	struct dhow_channel **replies = calloc((size_t)dhow_size(), sizeof(*replies)), *gradients;
	float parameters[DIMENSIONS] = { 0 }, gradient[DIMENSIONS], worst = 0;
	int working = dhow_size() - 1;
	struct dhow_header from;
	size_t bytes;

	if (!replies)
		exit(1);
	check(dhow_channel_create("gradients", NULL, &gradients), "gradients");
	for (int rank = 1; rank < dhow_size(); rank++)
		replies[rank] = reply_channel(rank, 0);
	for (int update = 0; working > 0; update++) {
		check(dhow_recv(gradients, gradient, sizeof(gradient), &bytes, &from,
				dhow_in_ms(WAIT_MS)), "receive a gradient");
		for (int i = 0; i < DIMENSIONS && update < UPDATES; i++)
			parameters[i] -= rate * gradient[i];
		/* An empty reply is the end. */
		working -= update >= UPDATES;
		check(dhow_send(replies[from.sender], parameters,
				update < UPDATES ? sizeof(parameters) : 0, dhow_in_ms(WAIT_MS)),
		      "send the parameters");
	}
	for (int i = 0; i < DIMENSIONS; i++)
		worst = fmaxf(worst, fabsf(parameters[i] - truth(i)));
	printf("%d updates by %d workers: parameters are right within %.4f\n", UPDATES,
	       dhow_size() - 1, (double)worst);
	free(replies);
	if (worst > 0.01f)
		exit(1);
}

static void compute(const float *parameters, float *gradient, uint64_t *state)
{
	float input[DIMENSIONS], error;

	memset(gradient, 0, DIMENSIONS * sizeof(*gradient));
	for (int n = 0; n < BATCH; n++) {
		error = 0;
		for (int i = 0; i < DIMENSIONS; i++) {
			input[i] = noise(state);
			error += (parameters[i] - truth(i)) * input[i];
		}
		for (int i = 0; i < DIMENSIONS; i++)
			gradient[i] += error * input[i] / BATCH;
	}
}

static void learn(void)
{
	struct dhow_channel *mine = reply_channel(dhow_rank(), 1), *gradients;
	float parameters[DIMENSIONS] = { 0 }, gradient[DIMENSIONS];
	uint64_t state = (uint64_t)dhow_rank();
	size_t bytes;

	check(dhow_channel_open("gradients", dhow_in_ms(WAIT_MS), &gradients), "gradients");
	do {
		compute(parameters, gradient, &state);
		check(dhow_send(gradients, gradient, sizeof(gradient), dhow_in_ms(WAIT_MS)),
		      "send a gradient");
		check(dhow_recv(mine, parameters, sizeof(parameters), &bytes, NULL,
				dhow_in_ms(WAIT_MS)), "receive the parameters");
	} while (bytes > 0);
}

int main(void)
{
	check(dhow_init(), "init");
	if (dhow_size() < 2)
		return fprintf(stderr, "paramserver: at least 2 ranks are needed\n"), 2;
	if (dhow_rank() == 0)
		serve();
	else
		learn();
	dhow_fini();
	return 0;
}
