/* The mountain car with 8 tilings of 8 x 8 tiles, by Sarsa(0) or Sarsa(lambda): what a careful C programmer writes.
 *
 * cc -O3 -march=native -o mountain_car mountain_car.c -lm
 * ./mountain_car LAMBDA EPISODES SEED   prints steps and the CPU seconds that they took.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TILINGS = 8, SIDE = 9, TILES = SIDE * SIDE, BLOCK = TILINGS * TILES, ACTIONS = 3, WEIGHTS = ACTIONS * BLOCK };

static double w[WEIGHTS], z[WEIGHTS];
static int32_t traced[WEIGHTS], n_traced, at[WEIGHTS];
static uint64_t stream;

static double uniform(void) {
    uint64_t x = stream += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return ((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

static void encode(double position, double velocity, int32_t phi[TILINGS]) {
    uint32_t p = (uint32_t)((position + 1.2) * (64 / 1.7)), v = (uint32_t)((velocity + 0.07) * (64 / 0.14));
    for (uint32_t k = 0; k < TILINGS; k++)
        phi[k] = (int32_t)(k * TILES + (p + k) / 8 * SIDE + (v + 3 * k % 8) / 8);
}

static double dot(const int32_t phi[TILINGS], const double *weights) {
    double total = 0;
    for (int k = 0; k < TILINGS; k++) total += weights[phi[k]];
    return total;
}

static int greedy(const double q[ACTIONS]) {
    double best = fmax(fmax(q[0], q[1]), q[2]);
    int ties[ACTIONS], n = 0;
    for (int a = 0; a < ACTIONS; a++)
        if (q[a] == best) ties[n++] = a;
    return n == 1 ? ties[0] : ties[(int)(uniform() * n)];
}

static void decay(double factor) {
    for (int32_t i = 0; i < n_traced;) {
        int32_t j = traced[i];
        z[j] *= factor;
        if (z[j] < 1e-4) {
            z[j] = 0, at[j] = 0;
            traced[i] = traced[--n_traced];
            at[traced[i]] = i + 1;
            if (i == n_traced) at[traced[i]] = 0;
        } else i++;
    }
}

static long episode(double alpha, double lambda) {
    double position = -0.6 + 0.2 * uniform(), velocity = 0, q[ACTIONS];
    int32_t phi[TILINGS], next[TILINGS];
    encode(position, velocity, phi);
    for (int a = 0; a < ACTIONS; a++) q[a] = dot(phi, w + a * BLOCK);
    int action = greedy(q), over = 0;
    long steps = 0;
    for (n_traced = 0; !over; steps++) {
        velocity += 0.001 * (action - 1) - 0.0025 * cos(3 * position);
        velocity = fmin(fmax(velocity, -0.07), 0.07);
        position = fmin(position + velocity, 0.5);
        if (position < -1.2) position = -1.2, velocity = 0;
        over = position >= 0.5;
        double delta = -1 - dot(phi, w + action * BLOCK);
        encode(position, velocity, next);
        int following = 0;
        if (!over) {
            for (int a = 0; a < ACTIONS; a++) q[a] = dot(next, w + a * BLOCK);
            following = greedy(q);
            delta += q[following];
        }
        if (lambda == 0)
            for (int k = 0; k < TILINGS; k++) w[action * BLOCK + phi[k]] += alpha * delta;
        else {
            decay(lambda);
            for (int k = 0; k < TILINGS; k++) {
                int32_t j = action * BLOCK + phi[k];
                if (!at[j]) traced[n_traced++] = j, at[j] = n_traced;
                z[j] += 1;
            }
            for (int32_t i = 0; i < n_traced; i++) w[traced[i]] += alpha * delta * z[traced[i]];
        }
        memcpy(phi, next, sizeof phi);
        action = following;
    }
    for (int32_t i = 0; i < n_traced; i++) z[traced[i]] = 0, at[traced[i]] = 0;
    return steps;
}

int main(int n, char **argument) {
    if (n != 4) return fprintf(stderr, "usage: mountain_car LAMBDA EPISODES SEED\n"), 2;
    double lambda = atof(argument[1]), alpha = (lambda ? 0.2 : 0.5) / TILINGS;
    long steps = 0, episodes = atol(argument[2]);
    stream = strtoull(argument[3], 0, 10);
    clock_t begun = clock();
    for (long i = 0; i < episodes; i++) steps += episode(alpha, lambda);
    printf("%ld %.6f\n", steps, (double)(clock() - begun) / CLOCKS_PER_SEC);
    return 0;
}
